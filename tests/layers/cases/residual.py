"""Cases of the residual blocks."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.residual import BasicBlock, Bottleneck


def half(side: int) -> int:
    return -(-side // 2)


CASES = [
    LayerCase(
        name="basic-block-projection",
        build=lambda: BasicBlock(4, 8, 2, "B"),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 8, half(h), half(w)),
        params=4 * 8 * 9 + 8 * 8 * 9 + 4 * 8 + 3 * 16,
        macs=lambda n, h, w: n * half(h) * half(w) * (4 * 8 * 9 + 8 * 8 * 9 + 4 * 8),
        train_differs=True,
    ),
    LayerCase(
        name="bottleneck-v1",
        build=lambda: Bottleneck(8, 4, 2, "B", stride_first=True),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 16, half(h), half(w)),
        params=8 * 4 + 4 * 4 * 9 + 4 * 16 + 8 * 16 + 2 * (4 + 4 + 16 + 16),
        macs=lambda n, h, w: n * half(h) * half(w) * (8 * 4 + 4 * 4 * 9 + 4 * 16 + 8 * 16),
        train_differs=True,
    ),
]
