"""Cases of the grouped, the learnt and the fixed shift."""

from __future__ import annotations

import torch
from layer_case import LayerCase

from steelyard.layers.shift import Shift
from steelyard.layers.sparse_shift import FixedShift, SparseShift

FIXED = torch.tensor([[0, 0], [2, -1], [0, 0], [-3, 0], [0, 5]])

CASES = [
    *(
        LayerCase(
            name=f"shift-{size}x{size}-dilation-{dilation}",
            build=lambda size=size, dilation=dilation: Shift(11, size, dilation),
            inputs=lambda n, h, w: [(n, 11, h, w)],
            output=lambda n, h, w: (n, 11, h, w),
            params=0,
            macs=lambda n, h, w: 0,
        )
        for size, dilation in ((3, 1), (3, 2), (1, 1))
    ),
    LayerCase(
        name="sparse-shift",
        build=lambda: SparseShift(11),
        inputs=lambda n, h, w: [(n, 11, h, w)],
        output=lambda n, h, w: (n, 11, h, w),
        params=22,
        macs=lambda n, h, w: 0,
        grad="displacements are rounded; their gradient is that of bilinear interpolation",
    ),
    LayerCase(
        name="fixed-shift",
        build=lambda: FixedShift(FIXED),
        inputs=lambda n, h, w: [(n, 5, h, w)],
        output=lambda n, h, w: (n, 5, h, w),
        params=0,
        macs=lambda n, h, w: 0,
    ),
]
