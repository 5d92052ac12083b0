"""The dense layer, which adds a few feature maps to all that came before it, and the transition.

Huang et al. 2016 (arXiv:1608.06993). Module names are torchvision's, so that its weights fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

BOTTLENECK = 4
"""The 1x1 convolution makes four times as many maps as the layer adds (sec. 3)."""


class DenseLayer(nn.Module):
    """New maps from all earlier ones: [(N, C_i, H, W), ...] -> (N, growth, H, W).

    Batch normalisation, ReLU and 3x3 convolution (sec. 3); with a bottleneck, the same with a 1x1
    convolution to 4 x growth maps goes before ("DenseNet-B").

    Args:
        in_channels: sum of the C_i.
        growth: maps that the layer adds, k in the paper.
        bottleneck: with the 1x1 convolution before the 3x3.
        drop_rate: dropout behind each convolution.
        memory_efficient: in training, the concatenation and what follows up to the first
            convolution's output are computed again in the backward pass instead of being kept, so that
            memory grows with the depth and not with its square (Pleiss et al. 2017, arXiv:1707.06990).
            Outputs, gradients and running statistics stay the same.
    """

    def __init__(
        self,
        in_channels: int,
        growth: int,
        *,
        bottleneck: bool = True,
        drop_rate: float = 0.0,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        inner = BOTTLENECK * growth
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU(inplace=True)
        if bottleneck:
            self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(inner)
            self.relu2 = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(inner, growth, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(in_channels, growth, 3, padding=1, bias=False)
        self.dropout = _dropout(drop_rate)
        self.bottleneck = bottleneck
        self.memory_efficient = memory_efficient

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """[(N, C_i, H, W), ...] -> (N, growth, H, W)."""
        if self.memory_efficient and self.training and torch.is_grad_enabled():
            y = checkpoint(
                self._first,
                *maps,
                use_reentrant=False,
                preserve_rng_state=False,
                context_fn=self._recomputation,
            )
        else:
            y = self._first(*maps)
        y = self.dropout(y)
        if self.bottleneck:
            y = self.dropout(self.conv2(self.relu2(self.norm2(y))))
        out: Tensor = y
        return out

    def _first(self, *maps: Tensor) -> Tensor:
        out: Tensor = self.conv1(self.relu1(self.norm1(torch.cat(maps, dim=1))))
        return out

    def _recomputation(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """What surrounds the computation and its repetition, which must not count the batch twice."""
        return nullcontext(), _statistics_kept(self.norm1)


class DenseBlock(nn.ModuleDict):
    """Layers each of which sees the block's input and all maps that earlier layers added.

    (N, C, H, W) -> (N, C + layers * growth, H, W). Figure 1; options as of `DenseLayer`.
    """

    def __init__(
        self,
        in_channels: int,
        layers: int,
        growth: int,
        *,
        bottleneck: bool = True,
        drop_rate: float = 0.0,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        for i in range(layers):
            self[f"denselayer{i + 1}"] = DenseLayer(
                in_channels + i * growth,
                growth,
                bottleneck=bottleneck,
                drop_rate=drop_rate,
                memory_efficient=memory_efficient,
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C + layers * growth, H, W)."""
        maps = [x]
        for layer in self.values():
            maps.append(layer(maps))
        return torch.cat(maps, dim=1)


class Transition(nn.Sequential):
    """Between two blocks: batch normalisation, ReLU, 1x1 convolution, 2x2 average pooling.

    (N, C, H, W) -> (N, out_channels, H/2, W/2), rounded down.

    Args:
        in_channels: C.
        out_channels: C times the compression, theta in the paper.
        drop_rate: dropout behind the convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, *, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.dropout = _dropout(drop_rate)
        self.pool = nn.AvgPool2d(2)


def _dropout(rate: float) -> nn.Module:
    return nn.Dropout(rate) if rate else nn.Identity()


@contextmanager
def _statistics_kept(norm: nn.BatchNorm2d) -> Iterator[None]:
    """Normalises with the batch's statistics as ever, without a change to the running ones."""
    momentum, batches = norm.momentum, norm.num_batches_tracked
    norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        norm.momentum, norm.num_batches_tracked = momentum, batches
