"""The units of ShuffleNet against their figures, written with functions of PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.layers.shuffle_unit import ShuffleUnitV1, ShuffleUnitV2


def ready(unit: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    for module in unit.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight)
    return unit.eval()


def shuffled(x: Tensor, groups: int) -> Tensor:
    n, c, h, w = x.shape
    return x.reshape(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def test_v1_with_stride_2_as_figure_2c() -> None:
    """ReLU behind the concatenation, as drawn; the input is an output of ReLU."""
    unit = ready(ShuffleUnitV1(6, 6, 15, stride=2, groups=3))
    assert isinstance(unit, ShuffleUnitV1)
    x = torch.rand(2, 6, 7, 7)
    y = F.relu(unit.bn1(F.conv2d(x, unit.conv1.weight, groups=3)))
    y = unit.bn2(F.conv2d(shuffled(y, 3), unit.conv2.weight, stride=2, padding=1, groups=6))
    y = unit.bn3(F.conv2d(y, unit.conv3.weight, groups=3))
    drawn = F.relu(torch.cat((F.avg_pool2d(x, 3, 2, 1), y), 1))
    torch.testing.assert_close(unit(x), drawn)


def test_v2_keeps_one_half_untouched() -> None:
    """Figure 3c: half of the channels pass, then both halves are interleaved."""
    unit = ready(ShuffleUnitV2(8, 8, stride=1, kept=4))
    x = torch.randn(2, 8, 5, 5)
    y = unit(x)
    assert torch.equal(y[:, 0::2], x[:, :4])
    assert not torch.equal(y[:, 1::2], x[:, 4:])


def test_v2_branches_of_unequal_width() -> None:
    """Figure 3d; the authors' split keeps as many channels as come in."""
    unit = ready(ShuffleUnitV2(4, 10, stride=2, kept=4))
    assert isinstance(unit, ShuffleUnitV2)
    x = torch.randn(2, 4, 6, 6)
    both = torch.cat((unit.branch1(x), unit.branch2(x)), 1)
    assert [unit.branch1(x).shape[1], unit.branch2(x).shape[1]] == [4, 6]
    assert torch.equal(unit(x), shuffled(both, 2))
