"""1x1, shift, 1x1: what stands for a spatial convolution in ShiftNet; Wu et al. 2017 (arXiv:1711.08141), sec. 3.3.

`ConvShiftConv` has its activations behind the convolutions and names of the authors' code for CIFAR;
`PreActConvShiftConv` has them before, as ShiftNet.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.shift import Shift


class ConvShiftConv(nn.Module):
    """Residual unit of ShiftResNet: (N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride)).

    1x1, batch normalisation, ReLU, shift, 1x1 with the stride, batch normalisation, ReLU; then the shortcut is
    added, a 1x1 projection where the shape changes. Nothing follows the sum.

    Args:
        in_channels: C.
        channels: M.
        stride: of the second 1x1 and the projection.
        hidden: channels that are shifted.
        kernel_size: of the shift.
    """

    def __init__(
        self, in_channels: int, channels: int, stride: int, hidden: int, kernel_size: int = 3
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.relu = nn.ReLU(inplace=True)
        self.shift2 = Shift(hidden, kernel_size)
        self.conv2 = nn.Conv2d(hidden, channels, 1, stride, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != channels:
            self.shortcut.append(nn.Conv2d(in_channels, channels, 1, stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride))."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(self.shift2(y))))
        out: Tensor = y + self.shortcut(x)
        return out


class PreActConvShiftConv(nn.Module):
    """Unit of ShiftNet: (N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride)).

    Batch normalisation, ReLU, 1x1, shift, batch normalisation, ReLU, 1x1 with the stride. At stride 1 the input
    is added; at stride 2 the unit makes M - C channels, and the input, average-pooled (3x3), is appended.

    Args:
        in_channels: C.
        channels: M; equal to C at stride 1, more at stride 2.
        stride: 1 or 2.
        expansion: channels that are shifted for each one that the second 1x1 makes.
        kernel_size: of the shift.

    Raises:
        UsageError: C and M do not fit the stride.
    """

    def __init__(
        self, in_channels: int, channels: int, stride: int, expansion: int, kernel_size: int
    ) -> None:
        super().__init__()
        made = channels if stride == 1 else channels - in_channels
        if made < 1 or (stride == 1 and in_channels != channels):
            raise UsageError(
                f"a unit of stride {stride} cannot turn {in_channels} channels into {channels}",
                expected="as many channels at stride 1, more at stride 2",
            )
        hidden = made * expansion
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.shift = Shift(hidden, kernel_size)
        self.bn2 = nn.BatchNorm2d(hidden)
        self.conv2 = nn.Conv2d(hidden, made, 1, stride, bias=False)
        self.pool = nn.AvgPool2d(3, stride, padding=1) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride))."""
        y = self.shift(self.conv1(self.relu(self.bn1(x))))
        y = self.conv2(self.relu(self.bn2(y)))
        return x + y if self.pool is None else torch.cat((y, self.pool(x)), 1)
