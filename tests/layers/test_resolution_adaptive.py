"""Blocks of resolution adaptive networks: which maps they hand on, and how a lower block is read."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from steelyard.layers.resolution_adaptive import DenseStage, FusionLayer, FusionStage


def test_a_dense_block_hands_on_the_maps_around_each_layer() -> None:
    block = DenseStage(4, 3, 2, 2, None).eval()
    x = torch.randn(2, 4, 5, 5)
    out, maps = block(x)
    assert [m.shape[1] for m in maps] == [4, 6, 8, 10] == list(block.channels[:-1])
    assert out is maps[-1]
    assert torch.equal(out[:, :4], x)
    # a transition is for the next block alone
    halved = DenseStage(4, 3, 2, 2, 0.5).eval()
    out, maps = halved(x)
    assert (out.shape[1], maps[-1].shape[1]) == (5, 10)
    assert halved.channels[-1] == 5


def test_new_maps_come_from_both_resolutions_in_order() -> None:
    """Own maps, those made at the lower resolution and enlarged, those made at the own one."""
    layer = FusionLayer(4, 6, 5, 2, (2, 2), 1).eval()
    x, low = torch.randn(2, 4, 8, 8), torch.randn(2, 6, 4, 4)
    out = layer(x, low)
    assert torch.equal(out[:, :4], x)
    enlarged = F.interpolate(layer.conv_up(low), size=(8, 8), mode="bilinear", align_corners=True)
    torch.testing.assert_close(out[:, 4:6], enlarged)
    torch.testing.assert_close(out[:, 6:], layer.conv_normal(x))


def test_a_fusion_block_ends_with_a_compressed_lower_map() -> None:
    below = DenseStage(8, 2, 4, 2, None).eval()
    block = FusionStage(4, below.channels[:-1], 4, 0.25, (2, 2), 2, 0.5).eval()
    _, low = below(torch.randn(1, 8, 4, 4))
    out, maps = block(torch.randn(1, 4, 8, 8), low)
    # 4 + 2 x 4 maps, a quarter as many from below, half of all kept
    assert [m.shape[1] for m in maps] == [4, 8, 12]
    assert [m.shape[-1] for m in maps] == [8, 8, 4]
    assert out.shape == (1, (12 + 3) // 2, 4, 4)
