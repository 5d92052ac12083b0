"""Cases of `steelyard.layers.cell`."""

from layer_case import LayerCase
from torch import nn

from steelyard.layers.cell import Cell
from steelyard.layers.cell_ops import OpStyle, Projection
from steelyard.layers.factorized_reduction import FactorizedReduction
from steelyard.layers.genotype import CellGraph, pairs

STYLE = OpStyle()
GRAPH = pairs(
    [("sep_conv_3x3", 1), ("skip_connect", 0), ("avg_pool_3x3", 2), ("max_pool_3x3", 0)], (0, 3)
)
THREE = CellGraph(((("conv_1x1", 0), ("skip_connect", 1), ("avg_pool_3x3", 1)),), (2,))
SEPARABLE = 2 * (9 * 4 + 4 * 4)


def half(n: int) -> int:
    return (n + 1) // 2


CASES = [
    LayerCase(
        name="cell-normal-behind-a-reduction",
        build=lambda: Cell(
            GRAPH,
            4,
            previous=FactorizedReduction(3, 4),
            current=Projection(5, 4, STYLE),
            widths=(4, 4),
        ),
        inputs=lambda n, h, w: [(n, 3, 2 * h, 2 * w), (n, 5, h, w)],
        output=lambda n, h, w: (n, 8, h, w),
        params=(3 * 4 + 8) + (5 * 4 + 8) + (SEPARABLE + 16),
        macs=lambda n, h, w: n * h * w * (3 * 4 + 5 * 4 + SEPARABLE),
        size=(2, 3, 4),
        sizes=(2, 6),
        train_differs=True,
    ),
    LayerCase(
        name="cell-reduction-with-a-raw-input",
        build=lambda: Cell(
            GRAPH,
            4,
            previous=nn.Identity(),
            current=Projection(5, 4, STYLE),
            widths=(3, 4),
            stride=2,
        ),
        inputs=lambda n, h, w: [(n, 3, h, w), (n, 5, h, w)],
        output=lambda n, h, w: (n, 8, half(h), half(w)),
        # projection; sep_conv; strided skip of 3 channels; pool with 1x1; factorised state 0
        params=(5 * 4 + 8) + (SEPARABLE + 16) + 3 * (3 * 4 + 8),
        macs=lambda n, h, w: n * (20 * h * w + half(h) * half(w) * (SEPARABLE + 3 * 12)),
        size=(2, 5, 6),
        sizes=(2, 8),
        train_differs=True,
    ),
    LayerCase(
        name="cell-of-one-step-with-three-edges",
        build=lambda: Cell(THREE, 4, previous=nn.Identity(), current=nn.Identity(), widths=(4, 4)),
        inputs=lambda n, h, w: [(n, 4, h, w), (n, 4, h, w)],
        output=lambda n, h, w: (n, 4, h, w),
        params=4 * 4 + 8,
        macs=lambda n, h, w: n * h * w * 16,
        sizes=(1, 8),
        train_differs=True,
    ),
]
