"""Cases of LeNet-5's own layers."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.rbf import RBFOutput
from steelyard.layers.scaled_tanh import ScaledTanh
from steelyard.layers.subsampling import Subsampling
from steelyard.layers.table_conv import TableConv2d

TABLE = ((0, 1), (1, 2), (0, 1, 2))

CASES = [
    LayerCase(
        name="scaled-tanh",
        build=ScaledTanh,
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: (n, 3, h, w),
        params=0,
        macs=lambda n, h, w: 0,
    ),
    LayerCase(
        name="subsampling",
        build=lambda: Subsampling(3),
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: (n, 3, h // 2, w // 2),
        params=6,
        macs=lambda n, h, w: 0,
    ),
    LayerCase(
        name="table-conv",
        build=lambda: TableConv2d(TABLE, 3),
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: (n, 3, h - 2, w - 2),
        params=7 * 9 + 3,
        macs=lambda n, h, w: n * (h - 2) * (w - 2) * 7 * 9,
    ),
    LayerCase(
        name="rbf-output",
        build=lambda: RBFOutput([[1, -1, 1, 1], [1, 1, -1, 1], [-1, -1, 1, -1]]),
        inputs=lambda n, h, w: [(n, 4)],
        output=lambda n, h, w: (n, 3),
        params=0,
        macs=lambda n, h, w: n * 3 * 4,
    ),
]
