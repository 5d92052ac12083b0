"""Cases of the unit of ShuffleNetV2.Large."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.grouped_shuffle_unit import GroupedShuffleUnit


def half(side: int) -> int:
    return -(-side // 2)


CASES = [
    LayerCase(
        name="grouped-shuffle-unit",
        build=lambda: GroupedShuffleUnit(8, 8, stride=1, groups=2, se_reduction=1),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 8, h, w),
        params=4 * 4 + 4 * 2 * 9 + 4 * 4 + 2 * 12 + 2 * (4 * 4 + 4),
        macs=lambda n, h, w: n * (h * w * (4 * 4 + 4 * 2 * 9 + 4 * 4) + 2 * 4 * 4),
        train_differs=True,
    ),
    LayerCase(
        name="grouped-shuffle-unit-stride-2",
        build=lambda: GroupedShuffleUnit(4, 8, stride=2, groups=2, se_reduction=0),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 8, half(h), half(w)),
        params=(2 * 4 * 9 + 8) + (2 * 4 + 4 * 2 * 9 + 4 * 4 + 2 * 12) + (8 * 8 + 16),
        macs=lambda n, h, w: (
            n * (h * w * 2 * 4 + half(h) * half(w) * (2 * 4 * 9 + 4 * 2 * 9 + 4 * 4 + 8 * 8))
        ),
        train_differs=True,
    ),
]
