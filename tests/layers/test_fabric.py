"""A fabric's joins: which channels see which, and where coarse pixels land."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from steelyard.errors import UsageError
from steelyard.layers.fabric import FabricJoin, NeighbourConv2d


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [2, 3, 7])
def test_sparse_convolution_is_a_dense_one_with_blanked_weights(channels: int, stride: int) -> None:
    """As the authors' code does it: a mask that leaves the three middle diagonals of channel pairs."""
    layer = NeighbourConv2d(channels, stride).double()
    x = torch.randn(2, channels, 5, 6, dtype=torch.float64)
    dense = torch.zeros(channels, channels, 3, 3, dtype=torch.float64)
    for c in range(channels):
        dense[c, c] = layer.own.weight[c, 0]
    for c in range(channels - 1):
        dense[c + 1, c], dense[c, c + 1] = layer.lower.weight[c, 0], layer.upper.weight[c, 0]
    torch.testing.assert_close(layer(x), F.conv2d(x, dense, stride=stride, padding=1))
    pairs = (dense != 0).any(dim=(2, 3))
    distance = (torch.arange(channels)[:, None] - torch.arange(channels)).abs()
    assert torch.equal(pairs, distance <= 1)


def test_join_sums_its_sources() -> None:
    join = FabricJoin(4, ["same", "finer", "coarser"]).eval()
    maps = [torch.randn(2, 4, *size) for size in ((5, 6), (9, 12), (3, 3))]
    total = torch.zeros(2, 4, 5, 6)
    weights = [conv.get_parameter("weight") for conv in join.convs]
    total += F.conv2d(maps[0], weights[0], padding=1)
    total += F.conv2d(maps[1], weights[1], stride=2, padding=1)
    spread = torch.zeros(2, 4, 5, 6)
    spread[:, :, ::2, ::2] = maps[2]
    total += F.conv2d(spread, weights[2], padding=1)
    torch.testing.assert_close(join(maps), torch.relu(join.bn(total)))


def test_few_channels_are_all_neighbours() -> None:
    """The authors' code blanks nothing below four channels."""
    join = FabricJoin(3, ["same"], sparse=True)
    assert isinstance(join.convs[0], nn.Conv2d)
    assert isinstance(FabricJoin(4, ["same"], sparse=True).convs[0], NeighbourConv2d)


def test_what_cannot_be_says_why() -> None:
    with pytest.raises(UsageError, match="do not tell the size"):
        FabricJoin(4, ["coarser", "same"])
    with pytest.raises(UsageError, match="a single channel has no neighbours"):
        NeighbourConv2d(1)
