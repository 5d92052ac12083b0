"""The factorised reduction sees every pixel once: even ones on one path, odd ones on the other."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from steelyard.errors import UsageError
from steelyard.layers.factorized_reduction import FactorizedReduction


@pytest.mark.parametrize(("height", "width"), [(4, 6), (5, 6), (5, 7), (1, 1)])
def test_which_pixels_each_path_takes(height: int, width: int) -> None:
    layer = FactorizedReduction(1, 2, relu=False, eps=0.0).eval()
    for path in (layer.path1, layer.path2):
        nn.init.ones_(path.weight)
    x = torch.randn(2, 1, height, width)
    with torch.no_grad():
        even, odd = layer(x).unbind(1)
    padded = torch.zeros(2, height + 2, width + 2)
    padded[:, :height, :width] = x[:, 0]
    assert torch.equal(even, x[:, 0, ::2, ::2])
    rows, columns = even.shape[1:]
    assert torch.equal(odd, padded[:, 1::2, 1::2][:, :rows, :columns])


def test_relu_comes_first() -> None:
    x = torch.randn(2, 3, 6, 6)
    torch.manual_seed(1)
    with_relu = FactorizedReduction(3, 4).eval()
    torch.manual_seed(1)
    without = FactorizedReduction(3, 4, relu=False).eval()
    with torch.no_grad():
        assert torch.equal(with_relu(x), without(x.relu()))
        assert not torch.equal(with_relu(x), without(x))


def test_a_single_channel_has_no_halves() -> None:
    with pytest.raises(UsageError, match=r"to 1 channel is not possible\nexpected: 2 channels"):
        FactorizedReduction(4, 1)
