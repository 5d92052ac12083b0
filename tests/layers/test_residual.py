"""Residual blocks: shapes, strides, and the identity they start from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from steelyard.layers.residual import BasicBlock, Bottleneck


@pytest.mark.parametrize("first", [True, False])
def test_stride_is_carried_by_one_convolution(first: bool) -> None:
    block = Bottleneck(8, 4, 2, "B", stride_first=first)
    strides = [c.stride for c in (block.conv1, block.conv2, block.conv3)]
    assert strides == [(2, 2), (1, 1), (1, 1)] if first else [(1, 1), (2, 2), (1, 1)]
    assert block(torch.randn(2, 8, 6, 6)).shape == (2, 16, 3, 3)


@pytest.mark.parametrize(
    "block",
    [BasicBlock(16, 16, 1, "B"), Bottleneck(16, 4, 1, "B", stride_first=False)],
    ids=["basic", "bottleneck"],
)
def test_a_block_whose_branch_is_zero_is_the_rectified_identity(block: nn.Module) -> None:
    """Sec. 3.1: the branch learns the residual; without it the block passes its input on."""
    last = block.get_submodule("bn2" if isinstance(block, BasicBlock) else "bn3")
    assert isinstance(last, nn.BatchNorm2d)
    nn.init.zeros_(last.weight)
    image = torch.randn(2, 16, 5, 5)
    torch.testing.assert_close(block(image.clone()), torch.relu(image))
