"""Cases of inception modules and what they are made of."""

from __future__ import annotations

from layer_case import LayerCase
from torch import nn

from steelyard.layers.branches import Branches
from steelyard.layers.conv_bn_relu import ConvBNReLU
from steelyard.layers.factorised_inception import (
    InceptionA,
    InceptionB,
    InceptionC,
    ReductionA,
    ReductionB,
)
from steelyard.layers.halving_pool import HalvingPool
from steelyard.layers.inception import Inception, InceptionWidths

# width 1/16: 320 -> 20, 384 -> 24, 448 -> 28, 192 -> 12, 96 -> 6, 64 -> 4, 48 -> 3, 32 -> 2
A = [(4, 4), (4, 3), (3 * 4, 25), (4, 4), (4 * 6, 9), (6 * 6, 9), (4, 2)]
B = [(4, 12), (4, 8), (8 * 8, 7), (8 * 12, 7), (4, 8), (8 * 8, 21), (8 * 12, 7), (4, 12)]
C = [(4, 20), (4, 24), (2 * 24 * 24, 3), (4, 28), (28 * 24, 9), (2 * 24 * 24, 3), (4, 12)]


def product(pairs: list[tuple[int, int]]) -> int:
    return sum(a * b for a, b in pairs)


def half(side: int) -> int:
    return -(-side // 2)


def inner(side: int) -> int:
    """Behind 3x3 with stride 2 without padding."""
    return (side - 1) // 2


CASES = [
    LayerCase(
        name="inception-v1",
        build=lambda: Inception(3, InceptionWidths(2, 3, 4, 1, 5, 6)),
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: (n, 17, h, w),
        params=3 * 2 + 3 * 3 + 9 * 3 * 4 + 3 + 25 * 5 + 3 * 6 + 2 + 3 + 4 + 1 + 5 + 6,
        macs=lambda n, h, w: n * h * w * (3 * 2 + 3 * 3 + 9 * 3 * 4 + 3 + 25 * 5 + 3 * 6),
    ),
    LayerCase(
        name="branches",
        build=lambda: Branches({"a": nn.Conv2d(3, 2, 1), "b": nn.Identity()}),
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: (n, 5, h, w),
        params=3 * 2 + 2,
        macs=lambda n, h, w: n * h * w * 3 * 2,
    ),
    LayerCase(
        name="conv-bn-relu-asymmetric",
        build=lambda: ConvBNReLU(4, 6, (1, 3), groups=2),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, h, w),
        params=3 * 2 * 6 + 2 * 6,
        macs=lambda n, h, w: n * h * w * 3 * 2 * 6,
        train_differs=True,
    ),
    LayerCase(
        name="conv-bn-relu-strided",
        build=lambda: ConvBNReLU(4, 6, 3, 2, 0, bias=True),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, inner(h), inner(w)),
        params=9 * 4 * 6 + 3 * 6,
        macs=lambda n, h, w: n * inner(h) * inner(w) * 9 * 4 * 6,
        train_differs=True,
    ),
    LayerCase(
        name="halving-pool-even",
        build=HalvingPool,
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: (n, 3, half(h), half(w)),
        params=0,
        macs=lambda n, h, w: 0,
    ),
    LayerCase(
        name="halving-pool-odd",
        build=HalvingPool,
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: (n, 3, half(h), half(w)),
        params=0,
        macs=lambda n, h, w: 0,
        size=(2, 7, 5),
    ),
    LayerCase(
        name="inception-v3-a",
        build=lambda: InceptionA(4, 32, 1 / 16),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 4 + 4 + 6 + 2, h, w),
        params=product(A) + 2 * (4 + 3 + 4 + 4 + 6 + 6 + 2),
        macs=lambda n, h, w: n * h * w * product(A),
        train_differs=True,
    ),
    LayerCase(
        name="inception-v3-b",
        build=lambda: InceptionB(4, 128, 1 / 16),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 48, h, w),
        params=product(B) + 2 * (12 + 8 + 8 + 12 + 8 + 3 * 8 + 12 + 12),
        macs=lambda n, h, w: n * h * w * product(B),
        train_differs=True,
    ),
    LayerCase(
        name="inception-v3-c",
        build=lambda: InceptionC(4, 1 / 16),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 20 + 4 * 24 + 12, h, w),
        params=product(C) + 2 * (20 + 24 + 48 + 28 + 24 + 48 + 12),
        macs=lambda n, h, w: n * h * w * product(C),
        train_differs=True,
    ),
    LayerCase(
        name="inception-v3-reduction-a",
        build=lambda: ReductionA(4, 1 / 16),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 24 + 6 + 4, inner(h), inner(w)),
        params=9 * 4 * 24 + 4 * 4 + 9 * 4 * 6 + 9 * 6 * 6 + 2 * (24 + 4 + 6 + 6),
        macs=lambda n, h, w: (
            n * (inner(h) * inner(w) * 9 * (4 * 24 + 6 * 6) + h * w * (4 * 4 + 9 * 4 * 6))
        ),
        train_differs=True,
    ),
    LayerCase(
        name="inception-v3-reduction-b",
        build=lambda: ReductionB(4, 1 / 16),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 20 + 12 + 4, inner(h), inner(w)),
        params=2 * 4 * 12 + 14 * 12 * 12 + 9 * 12 * (20 + 12) + 2 * (12 + 20 + 4 * 12),
        macs=lambda n, h, w: (
            n * (inner(h) * inner(w) * 9 * 12 * 32 + h * w * (2 * 4 * 12 + 14 * 12 * 12))
        ),
        train_differs=True,
    ),
]
