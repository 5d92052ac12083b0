"""Cases of classifiers for the middle of a network."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.exit_classifier import ConvExit, LinearExit


def half(side: int) -> int:
    return -(-side // 2)


CASES = [
    LayerCase(
        name="linear-exit",
        build=lambda: LinearExit(4, 3),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 3),
        params=4 * 3 + 3,
        macs=lambda n, h, w: n * 4 * 3,
    ),
    LayerCase(
        name="conv-exit",
        build=lambda: ConvExit(4, 5, 3),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 3),
        params=(4 * 5 * 9 + 10) + (5 * 5 * 9 + 10) + (5 * 3 + 3),
        macs=lambda n, h, w: (
            n * (half(h) * half(w) * 4 * 5 * 9 + half(half(h)) * half(half(w)) * 5 * 5 * 9 + 5 * 3)
        ),
        train_differs=True,
    ),
]
