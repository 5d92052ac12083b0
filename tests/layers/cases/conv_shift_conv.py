"""Cases of the units of ShiftNet and ShiftResNet."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.conv_shift_conv import ConvShiftConv, PreActConvShiftConv


def half(n: int) -> int:
    return -(-n // 2)


CASES = [
    LayerCase(
        name="conv-shift-conv",
        build=lambda: ConvShiftConv(4, 4, 1, 10),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 4, h, w),
        params=2 * 4 * 10 + 2 * (10 + 4),
        macs=lambda n, h, w: n * h * w * 2 * 4 * 10,
        train_differs=True,
    ),
    LayerCase(
        name="conv-shift-conv-stride",
        build=lambda: ConvShiftConv(4, 6, 2, 10),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, half(h), half(w)),
        params=4 * 10 + 10 * 6 + 4 * 6 + 2 * (10 + 6 + 6),
        macs=lambda n, h, w: n * (h * w * 4 * 10 + half(h) * half(w) * (10 + 4) * 6),
        train_differs=True,
    ),
    LayerCase(
        name="preact-conv-shift-conv",
        build=lambda: PreActConvShiftConv(4, 4, 1, 3, 3),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 4, h, w),
        params=2 * 4 * 12 + 2 * (4 + 12),
        macs=lambda n, h, w: n * h * w * 2 * 4 * 12,
        train_differs=True,
    ),
    LayerCase(
        name="preact-conv-shift-conv-stride",
        build=lambda: PreActConvShiftConv(4, 9, 2, 3, 3),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 9, half(h), half(w)),
        params=4 * 15 + 15 * 5 + 2 * (4 + 15),
        macs=lambda n, h, w: n * (h * w * 4 * 15 + half(h) * half(w) * 15 * 5),
        train_differs=True,
    ),
]
