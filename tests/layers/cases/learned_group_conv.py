"""Cases of the learned group convolution and linear layer, and of the forms they condense to."""

from __future__ import annotations

from layer_case import LayerCase
from torch import nn

from steelyard.layers.condensed import CondensedConv2d, CondensedLinear, CondensedUnit
from steelyard.layers.learned_group_conv import (
    LearnedGroupConv2d,
    LearnedGroupUnit,
    LearnedLinear,
)


def half_trained(layer: LearnedGroupConv2d) -> nn.Module:
    """One condensing stage of two done."""
    layer.advance(0.25)
    return layer


CASES = [
    LayerCase(
        name="learned-group-conv",
        build=lambda: half_trained(LearnedGroupConv2d(6, 8, groups=2, condensation=3)),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 8, h, w),
        params=6 * 8,
        macs=lambda n, h, w: n * h * w * 6 * 8,
    ),
    LayerCase(
        name="learned-group-conv-3x3-bias",
        build=lambda: LearnedGroupConv2d(
            4, 6, groups=2, kernel_size=3, stride=2, padding=1, bias=True
        ),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, -(-h // 2), -(-w // 2)),
        params=4 * 6 * 9 + 6,
        macs=lambda n, h, w: n * -(-h // 2) * -(-w // 2) * 4 * 6 * 9,
    ),
    LayerCase(
        name="learned-group-unit",
        build=lambda: LearnedGroupUnit(6, 8, groups=2, condensation=3),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 8, h, w),
        params=6 * 8 + 2 * 6,
        macs=lambda n, h, w: n * h * w * 6 * 8,
        train_differs=True,
    ),
    LayerCase(
        name="condensed-conv",
        build=lambda: CondensedConv2d(6, 8, groups=2, inputs_per_group=2),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 8, h, w),
        params=2 * 8,
        macs=lambda n, h, w: n * h * w * 2 * 8,
    ),
    LayerCase(
        name="condensed-unit",
        build=lambda: CondensedUnit(6, 8, groups=4, inputs_per_group=3),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 8, h, w),
        params=3 * 8 + 2 * 12,
        macs=lambda n, h, w: n * h * w * 3 * 8,
        train_differs=True,
    ),
    LayerCase(
        name="learned-linear",
        build=lambda: LearnedLinear(6, 5),
        inputs=lambda n, h, w: [(n, 6)],
        output=lambda n, h, w: (n, 5),
        params=6 * 5 + 5,
        macs=lambda n, h, w: n * 6 * 5,
    ),
    LayerCase(
        name="condensed-linear",
        build=lambda: CondensedLinear(6, 3, 5),
        inputs=lambda n, h, w: [(n, 6)],
        output=lambda n, h, w: (n, 5),
        params=3 * 5 + 5,
        macs=lambda n, h, w: n * 3 * 5,
    ),
]
