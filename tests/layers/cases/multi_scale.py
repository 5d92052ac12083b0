"""Cases of the exchange between resolutions."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.multi_scale import MultiScaleExchange


def half(side: int) -> int:
    return -(-side // 2)


def area(level: int, h: int, w: int) -> int:
    for _ in range(level):
        h, w = half(h), half(w)
    return h * w


CASES = [
    LayerCase(
        name="exchange-of-two",
        build=lambda: MultiScaleExchange((4, 6)),
        inputs=lambda n, h, w: [(n, 4, h, w), (n, 6, half(h), half(w))],
        output=lambda n, h, w: [(n, 4, h, w), (n, 6, half(h), half(w))],
        params=6 * 4 + 2 * 4 + 4 * 6 * 9 + 2 * 6,
        macs=lambda n, h, w: n * area(1, h, w) * (6 * 4 + 4 * 6 * 9),
        list_input=True,
        train_differs=True,
    ),
    LayerCase(
        name="exchange-of-three",
        build=lambda: MultiScaleExchange((2, 3, 4)),
        inputs=lambda n, h, w: [
            (n, 2, h, w),
            (n, 3, half(h), half(w)),
            (n, 4, half(half(h)), half(half(w))),
        ],
        output=lambda n, h, w: [
            (n, 2, h, w),
            (n, 3, half(h), half(w)),
            (n, 4, half(half(h)), half(half(w))),
        ],
        params=(3 * 2 + 4 * 2 + 4 * 3)  # up: 1x1
        + 2 * (2 + 2 + 3)
        + 9 * (2 * 3 + (2 * 2 + 2 * 4) + 3 * 4)  # down: 3x3; from the first to the last two of them
        + 2 * (3 + 2 + 4 + 4),
        macs=lambda n, h, w: (
            n * area(1, h, w) * (3 * 2 + 9 * (2 * 3 + 2 * 2))
            + n * area(2, h, w) * (4 * 2 + 4 * 3 + 9 * (2 * 4 + 3 * 4))
        ),
        size=(2, 8, 8),
        list_input=True,
        train_differs=True,
    ),
]
