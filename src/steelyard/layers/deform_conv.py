"""Deformable convolution, v1 (learnt offsets) and v2 (learnt offsets and modulation), in plain PyTorch.

Dai et al. 2017 (arXiv:1703.06211), sec. 2.1; Zhu et al. 2018 (arXiv:1811.11168), sec. 3.2.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.errors import UsageError

Size = int | tuple[int, int]


def deform_conv2d(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    mask: Tensor | None = None,
) -> Tensor:
    """Convolution whose taps are moved by ``offset``: (N, C, H, W) -> (N, M, P, Q).

    Tap (i, j) of output (p, q) reads x at (p U + i D - padding + dy, q U + j D - padding + dx), between
    pixels bilinearly; pixels outside are 0, as in the v2 release and in torchvision (the first release
    of v1 did not fade: 0 before the first pixel's centre, the last pixel behind its own). The moved taps
    are laid out as an image of (P R, Q S), and a convolution of stride (R, S) runs over that: N M P Q (C/G) R S MACs, as many as
    without offsets. Positions are rounded to about 1e-7 of H or W.

    Args:
        x: (N, C, H, W).
        offset: (N, 2 B R S, P, Q), in pixels: for each of the B offset groups and each tap dy, dx; the
            C/B channels of a group move together.
        weight: (M, C/G, R, S).
        bias: (M,).
        stride, padding, dilation: one number or one per axis.
        mask: (N, B R S, P, Q), multiplied to each tap (v2).

    Raises:
        UsageError: sizes that do not fit one another.
    """
    steps = zip(
        x.shape[2:], weight.shape[2:], _pair(stride), _pair(padding), _pair(dilation), strict=True
    )
    rows, columns = (_positions(*axis, device=x.device) for axis in steps)
    image = _moved(x, offset, rows, columns)
    if mask is not None:
        image = _modulated(image, mask, rows, columns)
    groups = x.shape[1] // weight.shape[1]
    return F.conv2d(image, weight, bias, stride=weight.shape[2:], groups=groups)


def _positions(
    size: int, kernel: int, stride: int, padding: int, dilation: int, *, device: torch.device
) -> Tensor:
    """Where the taps of one axis lie without offsets: (outputs, kernel), in pixels."""
    outputs = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    first = torch.arange(outputs, device=device) * stride - padding
    return first[:, None] + torch.arange(kernel, device=device) * dilation


def _moved(x: Tensor, offset: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Every tap's value, (N, C, P R, Q S)."""
    (n, channels, height, width), (p, r), (q, s) = x.shape, rows.shape, columns.shape
    taps = 2 * r * s
    groups = offset.shape[1] // taps
    if groups < 1 or channels % groups or offset.shape != (n, groups * taps, p, q):
        raise UsageError(
            f"offsets of shape {tuple(offset.shape)} do not fit an input of {tuple(x.shape)} and "
            f"{r} x {s} taps",
            expected=f"({n}, {taps} * groups, {p}, {q}), groups a divisor of {channels}",
        )
    # coordinates in half precision would be off by whole pixels
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    moves = offset.to(wide).view(n, groups, r, s, 2, p, q).permute(0, 1, 4, 5, 2, 6, 3)
    y, x_ = moves.reshape(n * groups, 2, p * r, q * s).unbind(1)
    grid = torch.stack(
        [
            (2 * (x_ + columns.flatten()) + 1) / width - 1,
            (2 * (y + rows.flatten()[:, None]) + 1) / height - 1,
        ],
        dim=-1,
    )
    parts = x.to(wide).reshape(n * groups, channels // groups, height, width)
    values = F.grid_sample(parts, grid, padding_mode="zeros", align_corners=False)
    return values.to(x.dtype).view(n, channels, p * r, q * s)


def _modulated(image: Tensor, mask: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    (n, channels), (p, r), (q, s) = image.shape[:2], rows.shape, columns.shape
    groups = mask.shape[1] // (r * s)
    if groups < 1 or channels % groups or mask.shape != (n, groups * r * s, p, q):
        raise UsageError(
            f"a mask of shape {tuple(mask.shape)} does not fit {r} x {s} taps",
            expected=f"({n}, {r * s} * groups, {p}, {q}), groups a divisor of {channels}",
        )
    factors = mask.view(n, groups, r, s, p, q).permute(0, 1, 4, 2, 5, 3)
    factors = factors.reshape(n, groups, 1, p * r, q * s)
    return (image.view(n, groups, -1, p * r, q * s) * factors).view_as(image)


def _pair(value: Size) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


class DeformConv2d(nn.Conv2d):
    """Convolution that learns where to look: (N, C, H, W) -> (N, M, P, Q).

    ``conv_offset``, of the same kernel, stride, padding and dilation, computes the offsets from the input
    (and, modulated, a sigmoid factor per tap). It starts at 0: v1 begins as the ordinary
    convolution, v2 as half of it (the v2 release doubles its sigmoid instead). v2 trains
    ``conv_offset`` with a tenth of the learning rate, v1 with all of it.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias: as ``nn.Conv2d``.
        offset_groups: groups of channels with offsets of their own ("deformable groups").
        modulated: v2.

    Raises:
        UsageError: ``offset_groups`` does not divide the channels.
    """

    linear_in_weight: ClassVar[bool] = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        offset_groups: int = 1,
        *,
        modulated: bool = False,
        bias: bool = True,
    ) -> None:
        if offset_groups < 1 or in_channels % offset_groups:
            raise UsageError(
                f"{in_channels} channels cannot be split into {offset_groups} offset groups",
                expected="a divisor of the channels",
            )
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        )
        self.modulated = modulated
        self.places = (_pair(stride), _pair(padding), _pair(dilation))
        taps = self.kernel_size[0] * self.kernel_size[1] * offset_groups
        self.conv_offset = nn.Conv2d(
            in_channels, taps * (3 if modulated else 2), kernel_size, stride, padding, dilation
        )
        self.reset_offsets()

    def reset_offsets(self) -> None:
        """``conv_offset`` as it starts: 0."""
        nn.init.zeros_(self.conv_offset.weight)
        if self.conv_offset.bias is not None:
            nn.init.zeros_(self.conv_offset.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, P, Q)."""
        offset, mask = self.conv_offset(x), None
        if self.modulated:
            offset, mask = offset.tensor_split((offset.shape[1] // 3 * 2,), dim=1)
            mask = torch.sigmoid(mask)
        return deform_conv2d(x, offset, self.weight, self.bias, *self.places, mask)
