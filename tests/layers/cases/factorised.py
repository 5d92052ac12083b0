"""Cases of filters made of smaller ones."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.factorised import AsymmetricConv, StackedConv


def half(side: int) -> int:
    return -(-side // 2)


CASES = [
    LayerCase(
        name="stacked-3x3-for-7x7",
        build=lambda: StackedConv(3, 4, 7, 2, inner=5),
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: (n, 4, half(h), half(w)),
        params=9 * (3 * 5 + 5 * 5 + 5 * 4) + 5 + 5 + 4,
        macs=lambda n, h, w: n * 9 * (h * w * (3 * 5 + 5 * 5) + half(h) * half(w) * 5 * 4),
    ),
    LayerCase(
        name="asymmetric-1x5-5x1",
        build=lambda: AsymmetricConv(3, 4, 5, 2, inner=6, bias=False),
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: (n, 4, half(h), half(w)),
        params=5 * (3 * 6 + 6 * 4),
        macs=lambda n, h, w: n * 5 * half(w) * (h * 3 * 6 + half(h) * 6 * 4),
    ),
]
