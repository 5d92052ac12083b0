"""The two residual blocks of He et al. 2015 (arXiv:1512.03385), fig. 5: basic and bottleneck.

With groups and free inner widths the bottleneck is also the block of ResNeXt, of wide ResNets and of
SENet-154. Module names are torchvision's, so that its weights fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn

from steelyard.layers.shortcut import Option, shortcut

Conv3x3 = Callable[..., nn.Module]
"""What makes the 3x3 convolution of a bottleneck: takes the arguments of `torch.nn.Conv2d`."""


class BasicBlock(nn.Module):
    """3x3, 3x3, shortcut: (N, C, H, W) -> (N, channels, H/stride, W/stride).

    Args:
        option: of the shortcut; None for none, which makes a block of a plain network (sec. 3.3, 4.1).
        dilation: of both convolutions.
        se: what reweighs the branch before the addition, e.g. a `SqueezeExcite` of ``channels``.
    """

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        option: Option | None,
        *,
        dilation: int = 1,
        se: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.plain = option is None
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.se = se
        self.downsample = shortcut(option, in_channels, channels, stride) if option else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, channels, H/stride, W/stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return _join(self, x, y)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 (four times as wide), shortcut: (N, C, H, W) -> (N, 4 channels, H/stride, W/stride).

    Args:
        option: of the shortcut; None for none.
        stride_first: the first 1x1 carries the stride (the paper's network, "v1"), else the 3x3
            ("v1.5": more MACs, more accurate).
        widths: channels behind the first 1x1 and behind the 3x3; ``channels`` both if None.
        groups: of the 3x3.
        dilation: of the 3x3.
        projection: kernel size of the shortcut's convolution.
        se: what reweighs the branch before the addition, e.g. a `SqueezeExcite` of 4 ``channels``.
        conv3x3: what makes the 3x3 in place of `torch.nn.Conv2d`, e.g. a deformable convolution.
    """

    expansion: ClassVar[int] = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        option: Option | None,
        *,
        stride_first: bool = False,
        widths: tuple[int, int] | None = None,
        groups: int = 1,
        dilation: int = 1,
        projection: int = 1,
        se: nn.Module | None = None,
        conv3x3: Conv3x3 = nn.Conv2d,
    ) -> None:
        super().__init__()
        self.plain = option is None
        first, second = (stride, 1) if stride_first else (1, stride)
        before, behind = widths or (channels, channels)
        out_channels = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, before, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(before)
        self.conv2 = conv3x3(
            before,
            behind,
            3,
            second,
            padding=dilation,
            dilation=dilation,
            groups=groups,
            bias=False,
        )
        self.bn2 = nn.BatchNorm2d(behind)
        self.conv3 = nn.Conv2d(behind, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.se = se
        self.downsample = None
        if option is not None:
            self.downsample = shortcut(option, in_channels, out_channels, stride, kernel=projection)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 4 channels, H/stride, W/stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return _join(self, x, y)


def _join(block: BasicBlock | Bottleneck, x: Tensor, y: Tensor) -> Tensor:
    """The block's input and what its branch made of it, reweighed, added and rectified."""
    if block.se is not None:
        y = block.se(y)
    if not block.plain:
        y += x if block.downsample is None else block.downsample(x)
    out: Tensor = block.relu(y)
    return out
