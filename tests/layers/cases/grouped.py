"""Cases of parallel paths, fully learnable group convolution and groups of unequal sizes."""

from __future__ import annotations

from layer_case import LayerCase
from torch import nn

from steelyard.layers.flgc import FLGConv2d, UnequalGroupConv2d
from steelyard.layers.grouped import ParallelPaths

STRAIGHT_THROUGH = "the gradient of the choice of groups is a straight-through estimate"

CASES = [
    LayerCase(
        name="parallel-paths",
        build=lambda: ParallelPaths(*(nn.Conv2d(2, 3, 3, stride=2, padding=1) for _ in range(3))),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 9, -(-h // 2), -(-w // 2)),
        params=3 * (2 * 3 * 9 + 3),
        macs=lambda n, h, w: n * -(-h // 2) * -(-w // 2) * 3 * 2 * 3 * 9,
    ),
    LayerCase(
        name="flgc",
        build=lambda: FLGConv2d(6, 8, groups=3),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 8, h, w),
        params=6 * 8 + (6 + 8) * 3,
        macs=lambda n, h, w: n * h * w * 6 * 8,
        grad=STRAIGHT_THROUGH,
    ),
    LayerCase(
        name="unequal-groups",
        build=lambda: UnequalGroupConv2d(
            [0, 1, 1, 0, 1, 2], [1, 0, 3, 0, 0], kernel_size=3, padding=1, bias=True
        ),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 5, h, w),
        params=(2 * 3 + 3 * 1) * 9 + 5,
        macs=lambda n, h, w: n * h * w * (2 * 3 + 3 * 1) * 9,
    ),
]
