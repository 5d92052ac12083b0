"""Cases of the blocks of FE-Net."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.fe_block import InvertedPool, InvertedShift, PartialReuse

ROUNDED = "displacements are rounded; their gradient is that of bilinear interpolation"


def unit(channels: int, hidden: int) -> int:
    """Parameters of a unit: two 1x1, two normalisations, two displacements for each inner channel."""
    return 2 * channels * hidden + 2 * (hidden + channels) + 2 * hidden


CASES = [
    LayerCase(
        name="inverted-shift",
        build=lambda: InvertedShift(4, 6, 10),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, h, w),
        params=4 * 10 + 10 * 6 + 2 * (10 + 6) + 2 * 10,
        macs=lambda n, h, w: n * h * w * 10 * (4 + 6),
        train_differs=True,
        grad=ROUNDED,
    ),
    LayerCase(
        name="inverted-pool",
        build=lambda: InvertedPool(4, 6, 10),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, h // 2, w // 2),
        params=4 * 10 + 10 * 6 + 2 * (10 + 6),
        macs=lambda n, h, w: n * (h * w * 4 * 10 + (h // 2) * (w // 2) * 10 * 6),
        train_differs=True,
    ),
    LayerCase(
        name="partial-reuse",
        build=lambda: PartialReuse(8, 2, 3),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 8, h, w),
        params=unit(2, 6) + unit(4, 12),
        macs=lambda n, h, w: n * h * w * (2 * 2 * 6 + 2 * 4 * 12),
        train_differs=True,
        grad=ROUNDED,
    ),
]
