"""Local response normalisation, both kinds: across neighbouring channels and within one channel."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.errors import UsageError


class LocalResponseNorm(nn.Module):
    """``x / (k + alpha * sum of x^2 over a window)^beta``: (N, C, H, W) -> (N, C, H, W), no parameters.

    ``across`` the channels the window is ``size`` neighbouring channels at one place (Krizhevsky et al.
    2012, sec. 3.3); ``within`` a channel it is ``size`` x ``size`` places (cuda-convnet, Caffe). Windows at
    the rim hold fewer elements and are not rescaled.

    What alpha multiplies is a convention: AlexNet's paper the sum; Caffe and PyTorch the sum divided by the
    elements of a full window, hence an alpha larger by that factor for the same layer. The constant k is 2
    in the paper, 1 in Caffe's default and PyTorch's.

    Args:
        size: side of the window, odd.
        alpha, beta, k: as above.
        region: ``across`` or ``within``.
        mean: alpha multiplies the mean over a full window, not the sum.

    Raises:
        UsageError: an even size.
    """

    def __init__(
        self,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        *,
        region: Literal["across", "within"] = "across",
        mean: bool = True,
    ) -> None:
        super().__init__()
        if size < 1 or size % 2 == 0:
            raise UsageError(
                f"a window of {size} has no middle", expected="an odd size, e.g. 3 or 5"
            )
        self.size, self.beta, self.k = size, beta, k
        self.within = region == "within"
        self.alpha = alpha if mean else alpha * size ** (2 if self.within else 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        if not self.within:
            return F.local_response_norm(x, self.size, self.alpha, self.beta, self.k)
        mean = F.avg_pool2d(x.square(), self.size, 1, self.size // 2)
        return x / (mean * self.alpha + self.k) ** self.beta

    def extra_repr(self) -> str:
        """The window and the constants."""
        kind = "within" if self.within else "across"
        return f"{self.size} {kind}, alpha={self.alpha:g}, beta={self.beta:g}, k={self.k:g}"
