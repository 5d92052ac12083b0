"""Inverted residual with linear bottleneck: narrow, wide, narrow.

Sandler et al. 2018 (arXiv:1801.04381), sec. 3.3. With squeeze-and-excitation on the wide map it is the
block of MnasNet (Tan et al. 2018, arXiv:1807.11626), MobileNetV3 (Howard et al. 2019, arXiv:1905.02244)
and EfficientNet (Tan and Le 2019, arXiv:1905.11946). Module names are those of torchvision's EfficientNet.
"""

from __future__ import annotations

from torch import Tensor, nn

from steelyard.layers.conv_norm import ConvStyle, conv_norm
from steelyard.layers.drop_path import DropPath


class InvertedResidual(nn.Module):
    """1x1 to ``hidden`` channels, depthwise kxk, 1x1 without activation, shortcut where shapes agree.

    (N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride)). The first 1x1 is left out if ``hidden`` is C.

    Args:
        kernel: odd.
        excite: reweighs the hidden map before the last 1x1, e.g. a `SqueezeExcite`.
        skip: the shortcut, where stride is 1 and C is M.
        drop_path: probability that a sample loses the branch in training.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        hidden: int,
        kernel: int = 3,
        stride: int = 1,
        style: ConvStyle,
        excite: nn.Module | None = None,
        skip: bool = True,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.block = nn.Sequential()
        if hidden != in_channels:
            self.block.append(conv_norm(in_channels, hidden, 1, style=style))
        self.block.append(conv_norm(hidden, hidden, kernel, stride, hidden, style=style))
        if excite is not None:
            self.block.append(excite)
        self.block.append(conv_norm(hidden, out_channels, 1, style=style, linear=True))
        self.skip = skip and stride == 1 and in_channels == out_channels
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride))."""
        y: Tensor = self.block(x)
        return x + self.drop_path(y) if self.skip else y
