"""Fire, the SqueezeNext block, C.ReLU, branches and the halving pooling against their definitions."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from steelyard.errors import UsageError
from steelyard.layers.branches import Branches
from steelyard.layers.crelu import CReLU
from steelyard.layers.fire import Fire
from steelyard.layers.halving_pool import HalvingPool
from steelyard.layers.squeezenext_block import SqueezeNextBlock


def test_fire_concatenates_1x1_and_3x3_and_adds_the_bypass() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 5, 5)
    fire = Fire(6, 3, 2, 4, "identity")
    y = F.relu(F.conv2d(x, fire.squeeze.weight, fire.squeeze.bias))
    ones = F.relu(F.conv2d(y, fire.expand1x1.weight, fire.expand1x1.bias))
    threes = F.relu(F.conv2d(y, fire.expand3x3.weight, fire.expand3x3.bias, padding=1))
    torch.testing.assert_close(fire(x), torch.cat([ones, threes], 1) + x)


def test_plain_crelu_keeps_both_signs() -> None:
    """Shang et al. 2016, definition 2.1: relu of x and of -x; their difference is x."""
    x = torch.randn(2, 3, 4, 5)
    positive, negative = CReLU(3, affine=False)(x).chunk(2, dim=1)
    assert torch.equal(positive - negative, x)
    assert torch.equal(positive * negative, torch.zeros_like(x))


def test_crelu_scales_behind_the_negation() -> None:
    """Hong et al. 2016, fig. 1: a map and its negative have a gain and a bias each."""
    layer, x = CReLU(2), torch.randn(1, 2, 3, 3)
    with torch.no_grad():
        layer.gain.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))  # type: ignore[union-attr]
        layer.bias.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))  # type: ignore[union-attr]
    a, b = x[:, :1], x[:, 1:]
    parts = [F.relu(a + 0.1), F.relu(2 * b + 0.2), F.relu(-3 * a + 0.3), F.relu(-4 * b + 0.4)]
    torch.testing.assert_close(layer(x), torch.cat(parts, dim=1))


def test_squeezenext_shared_entry_starts_behind_the_projection() -> None:
    torch.manual_seed(0)
    block = SqueezeNextBlock(6, 8, 2, entry="shared").eval()
    x = torch.randn(1, 6, 8, 8)
    assert block.projection is not None
    start = block.projection(x)
    torch.testing.assert_close(block(x), F.relu(block.body(start) + start))
    block = SqueezeNextBlock(6, 8, 2, entry="parallel").eval()
    assert block.projection is not None
    torch.testing.assert_close(block(x), F.relu(block.body(x) + block.projection(x)))


@pytest.mark.parametrize(("channels", "stride"), [(8, 2), (16, 1)])
def test_squeezenext_identity_needs_the_same_shape(channels: int, stride: int) -> None:
    with pytest.raises(UsageError, match="has no identity shortcut"):
        SqueezeNextBlock(8, channels, stride)


def test_branches_keep_their_order() -> None:
    x = torch.randn(1, 2, 3, 3)
    layer = Branches({"b": nn.Identity(), "a": nn.ReLU()})
    assert torch.equal(layer(x), torch.cat([x, x.relu()], dim=1))


@pytest.mark.parametrize(("height", "width"), [(8, 6), (7, 5), (8, 5), (4, 9)])
def test_halving_pool(height: int, width: int) -> None:
    """Each output is the largest of up to 3x3 inputs; even sides start at 0, odd ones at -1."""
    x = torch.randn(2, 3, height, width)
    out = HalvingPool()(x)
    assert out.shape[2:] == (-(-height // 2), -(-width // 2))
    for p in range(out.shape[2]):
        for q in range(out.shape[3]):
            top, left = 2 * p - height % 2, 2 * q - width % 2
            window = x[:, :, max(0, top) : top + 3, max(0, left) : left + 3]
            assert torch.equal(out[:, :, p, q], window.amax((2, 3)))
    if height % 2 == width % 2 == 0:
        assert torch.equal(out, F.max_pool2d(x, 3, 2, ceil_mode=True))
