"""Cases of the deformable convolution, with offsets that are not 0 (there, it has no derivative)."""

from __future__ import annotations

from layer_case import LayerCase
from torch import nn

from steelyard.layers.deform_conv import DeformConv2d


def moved(layer: DeformConv2d) -> DeformConv2d:
    """The layer with random offsets, of about half a pixel."""
    nn.init.normal_(layer.conv_offset.weight, std=0.1)
    return layer


def half(side: int) -> int:
    return -(-side // 2)


CASES = [
    LayerCase(
        name="deform-conv-v1",
        build=lambda: moved(DeformConv2d(4, 6, 3, padding=1, offset_groups=2)),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, h, w),
        params=6 * 4 * 9 + 6 + 36 * (4 * 9 + 1),
        macs=lambda n, h, w: n * h * w * (6 * 4 * 9 + 36 * 4 * 9),
    ),
    LayerCase(
        name="deform-conv-v2-grouped",
        build=lambda: moved(
            DeformConv2d(4, 6, 3, 2, 2, 2, groups=2, offset_groups=2, modulated=True, bias=False)
        ),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, half(h), half(w)),
        params=6 * 2 * 9 + 54 * (4 * 9 + 1),
        macs=lambda n, h, w: n * half(h) * half(w) * (6 * 2 * 9 + 54 * 4 * 9),
    ),
]
