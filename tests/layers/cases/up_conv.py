"""Cases of the up-convolutions."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.up_conv import SubPixelConv2d, UpConv2d

CASES = [
    LayerCase(
        name="up-conv",
        build=lambda: UpConv2d(4, 6),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, 2 * h, 2 * w),
        params=6 * 4 * 9 + 6,
        macs=lambda n, h, w: n * 2 * h * 2 * w * 6 * 4 * 9,
    ),
    LayerCase(
        name="up-conv-transposed",
        build=lambda: UpConv2d(4, 6).as_transposed(),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, 2 * h, 2 * w),
        params=6 * 4 * 9 + 6,
        macs=lambda n, h, w: n * h * w * 6 * 4 * 9,
    ),
    LayerCase(
        name="sub-pixel-conv",
        build=lambda: SubPixelConv2d(4, 2, 3, 3, bias=False),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 2, 3 * h, 3 * w),
        params=18 * 4 * 9,
        macs=lambda n, h, w: n * h * w * 18 * 4 * 9,
    ),
]
