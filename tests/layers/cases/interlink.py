"""Cases of the interlinking layer; rows of 4, 6 and 2 channels."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.interlink import Interlink

WEIGHTS = [10 * 4 * 9, 12 * 6 * 9, 8 * 2 * 9]


def rows(n: int, h: int, w: int) -> list[tuple[int, ...]]:
    return [(n, c, h >> i, w >> i) for i, c in enumerate((4, 6, 2))]


CASES = [
    LayerCase(
        name="interlink",
        build=lambda: Interlink((4, 6, 2), 3),
        inputs=rows,
        output=rows,
        params=sum(WEIGHTS) + 12,
        macs=lambda n, h, w: sum(n * (h >> i) * (w >> i) * k for i, k in enumerate(WEIGHTS)),
        size=(2, 7, 8),
        list_input=True,
    ),
    LayerCase(
        name="interlink-norm",
        build=lambda: Interlink((4, 6, 2), 3, norm=True),
        inputs=rows,
        output=rows,
        params=sum(WEIGHTS) + 12 + 24,
        macs=lambda n, h, w: sum(n * (h >> i) * (w >> i) * k for i, k in enumerate(WEIGHTS)),
        size=(2, 8, 8),
        list_input=True,
        train_differs=True,
    ),
]
