"""Convolution, batch normalisation, ReLU: what networks from BN-Inception on call a convolution."""

from __future__ import annotations

from torch import Tensor, nn


class ConvBNReLU(nn.Module):
    """(N, C, H, W) -> (N, out_channels, P, Q).

    Module names are those of torchvision's and timm's inception networks, so that their weights fit.
    Ioffe and Szegedy 2015 (arXiv:1502.03167), sec. 3.2.

    Args:
        in_channels, out_channels: of the convolution.
        kernel: side of the filters, or height and width.
        stride: both ways.
        padding: None keeps the size of the map (odd kernels, stride 1).
        groups: of the convolution.
        bias: of the convolution; normalisation, which adds one of its own, makes it superfluous.
        eps: what normalisation adds to the variance.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        padding: int | None = None,
        *,
        groups: int = 1,
        bias: bool = False,
        eps: float = 1e-3,
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        rim = (sides[0] // 2, sides[1] // 2) if padding is None else padding
        self.conv = nn.Conv2d(
            in_channels, out_channels, sides, stride, rim, groups=groups, bias=bias
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=eps)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, P, Q)."""
        out: Tensor = self.relu(self.bn(self.conv(x)))
        return out
