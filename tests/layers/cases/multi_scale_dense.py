"""Cases of multi-scale dense layers."""

from __future__ import annotations

from layer_case import LayerCase
from torch import nn

from steelyard.layers.multi_scale_dense import (
    ConvUnit,
    MultiScaleLayer,
    MultiScaleStem,
    PerScale,
    ScaleJoin,
)


def half(side: int) -> int:
    return -(-side // 2)


def pair(n: int, h: int, w: int) -> list[tuple[int, ...]]:
    """Two scales: 4 channels, and 6 at half the size."""
    return [(n, 4, h, w), (n, 6, half(h), half(w))]


CASES = [
    LayerCase(
        name="multi-scale-unit",
        build=lambda: ConvUnit(4, 6, stride=2, bottleneck=3),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, half(h), half(w)),
        params=4 * 3 + 3 * 6 * 9 + 2 * (3 + 6),
        macs=lambda n, h, w: n * (h * w * 4 * 3 + half(h) * half(w) * 3 * 6 * 9),
        train_differs=True,
    ),
    LayerCase(
        name="multi-scale-join",
        build=lambda: ScaleJoin([4, 6], 4, None),
        inputs=pair,
        output=lambda n, h, w: (n, 6 + 2 + 2, half(h), half(w)),
        params=4 * 2 * 9 + 6 * 2 * 9 + 2 * (2 + 2),
        macs=lambda n, h, w: n * half(h) * half(w) * (4 * 2 * 9 + 6 * 2 * 9),
        list_input=True,
        train_differs=True,
    ),
    LayerCase(
        name="multi-scale-layer",
        build=lambda: MultiScaleLayer([4, 6], [2, 4], [1, 2]),
        inputs=pair,
        output=lambda n, h, w: [(n, 6, h, w), (n, 10, half(h), half(w))],
        # finest: 1x1 to 2, 3x3 to 2; coarse: from the finer 1x1 to 2, own 1x1 to 4, 3x3 to 2 each
        params=(4 * 2 + 2 * 2 * 9 + 8) + (4 * 2 + 2 * 2 * 9 + 8) + (6 * 4 + 4 * 2 * 9 + 12),
        macs=lambda n, h, w: (
            n
            * (
                h * w * (4 * 2 + 2 * 2 * 9 + 4 * 2)
                + half(h) * half(w) * (2 * 2 * 9 + 6 * 4 + 4 * 2 * 9)
            )
        ),
        list_input=True,
        train_differs=True,
    ),
    LayerCase(
        name="multi-scale-layer-that-drops",
        build=lambda: MultiScaleLayer([4, 6], [4]),
        inputs=pair,
        output=lambda n, h, w: [(n, 10, half(h), half(w))],
        params=4 * 2 * 9 + 6 * 2 * 9 + 8,
        macs=lambda n, h, w: n * half(h) * half(w) * (4 * 2 * 9 + 6 * 2 * 9),
        list_input=True,
        train_differs=True,
    ),
    LayerCase(
        name="multi-scale-stem",
        build=lambda: MultiScaleStem(nn.Conv2d(3, 4, 3, padding=1), [4, 6, 8]),
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: [
            (n, 4, h, w),
            (n, 6, half(h), half(w)),
            (n, 8, half(half(h)), half(half(w))),
        ],
        params=(3 * 4 * 9 + 4) + (4 * 6 * 9 + 12) + (6 * 8 * 9 + 16),
        macs=lambda n, h, w: (
            n
            * (
                h * w * 3 * 4 * 9
                + half(h) * half(w) * 4 * 6 * 9
                + half(half(h)) * half(half(w)) * 6 * 8 * 9
            )
        ),
        train_differs=True,
    ),
    LayerCase(
        name="per-scale",
        build=lambda: PerScale(nn.Conv2d(4, 2, 1), nn.Conv2d(6, 3, 1)),
        inputs=pair,
        output=lambda n, h, w: [(n, 2, h, w), (n, 3, half(h), half(w))],
        params=(4 * 2 + 2) + (6 * 3 + 3),
        macs=lambda n, h, w: n * (h * w * 4 * 2 + half(h) * half(w) * 6 * 3),
        list_input=True,
    ),
]
