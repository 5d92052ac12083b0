"""Multi-scale layers against the paper's table of which maps are concatenated."""

from __future__ import annotations

import pytest
import torch

from steelyard.errors import UsageError
from steelyard.layers.multi_scale_dense import MultiScaleLayer, ScaleJoin


def test_what_a_layer_concatenates() -> None:
    """Fig. 3: own maps, strided convolution of the finer scale, convolution of the own scale."""
    torch.manual_seed(0)
    layer = MultiScaleLayer([4, 6, 8], [2, 4, 4]).eval()
    maps = [torch.randn(1, c, s, s) for c, s in ((4, 8), (6, 4), (8, 2))]
    out = layer(maps)
    finest, middle, coarsest = layer.layers
    assert isinstance(finest, ScaleJoin)
    assert isinstance(middle, ScaleJoin)
    assert isinstance(coarsest, ScaleJoin)
    assert torch.equal(out[0], torch.cat([maps[0], finest.conv_normal(maps[0])], 1))
    parts = [maps[1], middle.conv_down(maps[0]), middle.conv_normal(maps[1])]
    assert torch.equal(out[1], torch.cat(parts, 1))
    parts = [maps[2], coarsest.conv_down(maps[1]), coarsest.conv_normal(maps[2])]
    assert torch.equal(out[2], torch.cat(parts, 1))


def test_a_dropped_scale_is_read_once_more() -> None:
    torch.manual_seed(0)
    layer = MultiScaleLayer([4, 6], [4]).eval()
    maps = [torch.randn(1, 4, 8, 8), torch.randn(1, 6, 4, 4)]
    (out,) = layer(maps)
    assert not torch.equal(layer([maps[0] + 1, maps[1]])[0], out)


def test_impossible_scales() -> None:
    with pytest.raises(UsageError, match="3 scales cannot become 1"):
        MultiScaleLayer([4, 4, 4], [2])
    with pytest.raises(UsageError, match="cannot become 0"):
        MultiScaleLayer([4], [])
    with pytest.raises(UsageError, match="an even number at every scale but the finest"):
        MultiScaleLayer([4, 4], [3, 3])
