"""Depthwise separable convolution: one filter per channel, then 1x1 across the channels.

Howard et al. 2017 (arXiv:1704.04861), sec. 3.1: 1/M + 1/(RS) of the cost of a full convolution.
"""

from __future__ import annotations

from torch import Tensor, nn

from steelyard.layers.conv_norm import ConvStyle, conv_norm


class DepthwiseSeparable(nn.Module):
    """Depthwise kxk and pointwise 1x1, each normalised and activated (fig. 3 of the paper).

    (N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride)). ``kernel`` is odd.

    Args:
        excite: reweighs the M channels at the end, e.g. a `SqueezeExcite`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        style: ConvStyle,
        excite: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.depthwise = conv_norm(
            in_channels, in_channels, kernel, stride, in_channels, style=style
        )
        self.pointwise = conv_norm(in_channels, out_channels, 1, style=style)
        self.excite = nn.Identity() if excite is None else excite

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride))."""
        out: Tensor = self.excite(self.pointwise(self.depthwise(x)))
        return out
