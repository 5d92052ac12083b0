"""`Tail`: the last link of a network that is a chain: its last convolution and its classifier."""

from __future__ import annotations

from torch import Tensor, nn

from steelyard.zoo.network import Network


class Tail(nn.Module):
    """The last module of a network's trunk, then its classifier: (N, C, H, W) -> (N, classes)."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        *_, self.last = network.trunk()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, classes)."""
        return self.network.classify(self.last(x))
