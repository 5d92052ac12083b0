"""Case of a network whose learned groups a schedule has condensed, in the form it is used in."""

from __future__ import annotations

from layer_case import LayerCase
from torch import nn

from steelyard.layers.condensation import CondensationSchedule, condense
from steelyard.layers.learned_group_conv import LearnedGroupConv2d


def condensed() -> nn.Module:
    """1x1 with groups that keep a quarter and a half of their inputs, and a depthwise 3x3 between."""
    model = nn.Sequential(
        LearnedGroupConv2d(8, 12, groups=4, condensation=4),
        nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False),
        LearnedGroupConv2d(12, 6, groups=2, condensation=2),
    )
    CondensationSchedule(model).update(99, 100)
    return condense(model)


CASES = [
    LayerCase(
        name="condensed-network",
        build=condensed,
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 6, h, w),
        # a filter reads 8/4 and 12/2 channels
        params=12 * 2 + 12 * 9 + 6 * 6,
        macs=lambda n, h, w: n * h * w * (12 * 2 + 12 * 9 + 6 * 6),
    )
]
