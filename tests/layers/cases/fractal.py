"""Cases of the fractal join and block."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.fractal import FractalBlock, FractalJoin, FractalUnit

UNIT = 4 * 9 * 4 + 8

CASES = [
    LayerCase(
        name="fractal-join",
        build=lambda: FractalJoin(0.3),
        inputs=lambda n, h, w: [(n, 4, h, w)] * 3,
        output=lambda n, h, w: (n, 4, h, w),
        params=0,
        macs=lambda n, h, w: 0,
        list_input=True,
        train_differs=True,
    ),
    LayerCase(
        name="fractal-unit",
        build=lambda: FractalUnit(3, 4, 0.2),
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: (n, 4, h, w),
        params=3 * 9 * 4 + 8,
        macs=lambda n, h, w: n * h * w * 3 * 9 * 4,
        train_differs=True,
    ),
    LayerCase(
        name="fractal-block",
        build=lambda: FractalBlock(4, 4, 3),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 4, -(-h // 2), -(-w // 2)),
        params=7 * UNIT,
        macs=lambda n, h, w: n * h * w * 7 * 4 * 9 * 4,
        train_differs=True,
    ),
    LayerCase(
        name="fractal-block-deepest",
        build=lambda: FractalBlock(4, 4, 3, deepest=True),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 4, -(-h // 2), -(-w // 2)),
        params=4 * UNIT,
        macs=lambda n, h, w: n * h * w * 4 * 4 * 9 * 4,
        train_differs=True,
    ),
]
