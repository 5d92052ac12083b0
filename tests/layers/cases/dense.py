"""Cases of the dense layer, the dense block and the transition."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.dense import DenseBlock, DenseLayer, Transition

BLOCK_WEIGHTS = sum(c * 8 + 8 * 2 * 9 for c in (4, 6, 8))
BLOCK_NORMS = sum(2 * c + 2 * 8 for c in (4, 6, 8))

CASES = [
    LayerCase(
        name="dense-layer-bottleneck",
        build=lambda: DenseLayer(4 + 3, 2),
        inputs=lambda n, h, w: [(n, 4, h, w), (n, 3, h, w)],
        output=lambda n, h, w: (n, 2, h, w),
        params=7 * 8 + 8 * 2 * 9 + 2 * (7 + 8),
        macs=lambda n, h, w: n * h * w * (7 * 8 + 8 * 2 * 9),
        list_input=True,
        train_differs=True,
    ),
    LayerCase(
        name="dense-layer-plain",
        build=lambda: DenseLayer(4 + 3, 2, bottleneck=False),
        inputs=lambda n, h, w: [(n, 4, h, w), (n, 3, h, w)],
        output=lambda n, h, w: (n, 2, h, w),
        params=7 * 2 * 9 + 2 * 7,
        macs=lambda n, h, w: n * h * w * 7 * 2 * 9,
        list_input=True,
        train_differs=True,
    ),
    LayerCase(
        name="dense-block",
        build=lambda: DenseBlock(4, 3, 2),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 10, h, w),
        params=BLOCK_WEIGHTS + BLOCK_NORMS,
        macs=lambda n, h, w: n * h * w * BLOCK_WEIGHTS,
        train_differs=True,
    ),
    LayerCase(
        name="dense-block-memory-efficient",
        build=lambda: DenseBlock(4, 3, 2, memory_efficient=True),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 10, h, w),
        params=BLOCK_WEIGHTS + BLOCK_NORMS,
        macs=lambda n, h, w: n * h * w * BLOCK_WEIGHTS,
        train_differs=True,
    ),
    LayerCase(
        name="dense-transition",
        build=lambda: Transition(6, 3),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 3, h // 2, w // 2),
        params=2 * 6 + 6 * 3,
        macs=lambda n, h, w: n * h * w * 6 * 3,
        train_differs=True,
    ),
]
