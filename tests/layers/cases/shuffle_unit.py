"""Cases of the shuffle units."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.shuffle_unit import ShuffleUnitV1, ShuffleUnitV2


def half(side: int) -> int:
    return -(-side // 2)


CASES = [
    LayerCase(
        name="shuffle-unit-v1",
        build=lambda: ShuffleUnitV1(8, 4, 8, stride=1, groups=2),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 8, h, w),
        params=8 * 2 + 4 * 9 + 2 * 8 + 2 * (4 + 4 + 8),
        macs=lambda n, h, w: n * h * w * (8 * 2 + 4 * 9 + 2 * 8),
        train_differs=True,
    ),
    LayerCase(
        name="shuffle-unit-v1-stride-2-se",
        build=lambda: ShuffleUnitV1(6, 4, 14, stride=2, groups=2, first_groups=1, se_reduction=4),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 14, half(h), half(w)),
        params=6 * 4 + 4 * 9 + 2 * 8 + 2 * (4 + 4 + 8) + (8 * 2 + 2) + (2 * 8 + 8),
        macs=lambda n, h, w: (
            n * (h * w * 6 * 4 + half(h) * half(w) * (4 * 9 + 2 * 8) + 8 * 2 + 2 * 8)
        ),
        train_differs=True,
    ),
    LayerCase(
        name="shuffle-unit-v2",
        build=lambda: ShuffleUnitV2(8, 8, stride=1, kept=4),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 8, h, w),
        params=4 * 4 + 4 * 9 + 4 * 4 + 2 * 12,
        macs=lambda n, h, w: n * h * w * (4 * 4 + 4 * 9 + 4 * 4),
        train_differs=True,
    ),
    LayerCase(
        name="shuffle-unit-v2-residual-se",
        build=lambda: ShuffleUnitV2(8, 8, stride=1, kept=4, residual=True, se_reduction=2),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 8, h, w),
        params=4 * 4 + 4 * 9 + 4 * 4 + 2 * 12 + (4 * 2 + 2) + (2 * 4 + 4),
        macs=lambda n, h, w: n * (h * w * (4 * 4 + 4 * 9 + 4 * 4) + 4 * 2 + 2 * 4),
        train_differs=True,
    ),
    LayerCase(
        name="shuffle-unit-v2-stride-2",
        build=lambda: ShuffleUnitV2(4, 10, stride=2, kept=4),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 10, half(h), half(w)),
        params=(4 * 9 + 4 * 4 + 2 * 8) + (4 * 5 + 5 * 9 + 5 * 6 + 2 * 16),
        macs=lambda n, h, w: (
            n * (h * w * 4 * 5 + half(h) * half(w) * (4 * 9 + 4 * 4 + 5 * 9 + 5 * 6))
        ),
        train_differs=True,
    ),
]
