"""Pre-activation blocks: the clean shortcut, and the order of BN, ReLU and convolution."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.layers.preact import PreActBasic, PreActBottleneck
from steelyard.layers.shortcut import PadShortcut


@pytest.mark.parametrize("block", [PreActBasic(6, 6, 1, "B"), PreActBottleneck(24, 6, 1, "B")])
def test_signals_pass_from_any_block_to_any_other(block: nn.Module) -> None:
    """Eq. 3 of the paper: a block adds to its input, negative values included."""
    convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    nn.init.zeros_(convs[-1].weight)
    image = torch.randn(2, convs[0].in_channels, 5, 5)
    assert torch.equal(block(image), image)


def normal(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Batch normalisation in eval mode, written out."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - norm.running_mean * scale
    return x * scale[:, None, None] + shift[:, None, None]


def test_basic_block_as_fig_1b_draws_it() -> None:
    torch.manual_seed(0)
    block = PreActBasic(4, 8, 2, "B").eval()
    for norm in (block.bn1, block.bn2):
        nn.init.normal_(norm.bias)
    x = torch.randn(2, 4, 7, 7)
    before = normal(block.bn1, x).clamp(min=0)
    y = F.conv2d(before, block.conv1.weight, stride=2, padding=1)
    y = F.conv2d(normal(block.bn2, y).clamp(min=0), block.conv2.weight, padding=1)
    assert isinstance(block.downsample, nn.Conv2d)
    expected = y + F.conv2d(before, block.downsample.weight, stride=2)
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-5)


def test_bottleneck_as_fig_1b_draws_it() -> None:
    torch.manual_seed(0)
    block = PreActBottleneck(8, 2, 1, "B").eval()
    for norm in (block.bn1, block.bn2, block.bn3):
        nn.init.normal_(norm.bias)
    x = torch.randn(2, 8, 5, 5)
    y = F.conv2d(normal(block.bn1, x).clamp(min=0), block.conv1.weight)
    y = F.conv2d(normal(block.bn2, y).clamp(min=0), block.conv2.weight, padding=1)
    y = F.conv2d(normal(block.bn3, y).clamp(min=0), block.conv3.weight)
    torch.testing.assert_close(block(x), x + y, rtol=1e-4, atol=1e-5)


def test_options_of_the_shortcut() -> None:
    assert PreActBasic(4, 4, 1, "B").downsample is None
    assert isinstance(PreActBasic(4, 4, 1, "C").downsample, nn.Conv2d)
    assert isinstance(PreActBasic(4, 8, 2, "A").downsample, PadShortcut)


def test_dropout_works_in_training_only() -> None:
    torch.manual_seed(0)
    block = PreActBasic(4, 4, 1, "B", dropout=0.5)
    image = torch.randn(2, 4, 5, 5)
    assert not torch.equal(block(image), block(image))
    block.eval()
    assert torch.equal(block(image), block(image))
