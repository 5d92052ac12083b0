"""Residual blocks: shapes, strides, and the identity they start from."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
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


@pytest.mark.parametrize(
    ("plain", "residual"),
    [
        (BasicBlock(8, 16, 2, None), BasicBlock(8, 16, 2, "A")),
        (Bottleneck(8, 4, 2, None), Bottleneck(8, 4, 2, "A")),
    ],
    ids=["basic", "bottleneck"],
)
def test_a_plain_block_is_the_branch_alone(plain: nn.Module, residual: nn.Module) -> None:
    """Sec. 3.3: the same layers one behind the other, as a chain written out."""
    plain.load_state_dict(residual.state_dict())
    chain: list[nn.Module] = []
    for i in range(1, 4):
        if hasattr(plain, f"conv{i}"):
            chain += [plain.get_submodule(f"conv{i}"), plain.get_submodule(f"bn{i}"), nn.ReLU()]
    image = torch.randn(2, 8, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(plain.eval()(image), nn.Sequential(*chain)(image))
        assert not torch.allclose(residual.eval()(image), plain(image))


def test_groups_are_parallel_paths() -> None:
    """Fig. 3 of Xie et al. 2016: the grouped bottleneck equals the sum of C narrow ones."""
    torch.manual_seed(0)
    paths, width = 4, 3
    block = Bottleneck(8, 5, 1, "B", widths=(12, 12), groups=paths).eval()
    image = torch.randn(2, 8, 6, 6)
    total = torch.zeros(2, 20, 6, 6)
    for part in torch.arange(paths * width).split(width):
        y = torch.relu(block.bn1(block.conv1(image)))[:, part]
        y = F.conv2d(y, block.get_parameter("conv2.weight")[part], padding=1)
        spread = torch.zeros(2, 12, 6, 6)
        spread[:, part] = y
        y = torch.relu(block.bn2(spread)[:, part])
        total += F.conv2d(y, block.conv3.weight[:, part])
    assert block.downsample is not None
    expected = torch.relu(block.bn3(total) + block.downsample(image))
    torch.testing.assert_close(block(image), expected)


@pytest.mark.parametrize("dilation", [2, 4])
def test_a_dilated_block_keeps_the_resolution_and_reaches_further(dilation: int) -> None:
    block = BasicBlock(1, 1, 1, "B", dilation=dilation).eval()
    for conv in (block.conv1, block.conv2):
        nn.init.ones_(conv.weight)
    image = torch.zeros(1, 1, 41, 41)
    image[0, 0, 20, 20] = 1
    rows = block(image)[0, 0].ne(0).any(1).nonzero().flatten().tolist()
    assert rows == [20 + dilation * i for i in range(-2, 3)]


def test_the_branch_is_reweighed_before_the_addition() -> None:
    block = BasicBlock(4, 4, 1, "B", se=Zero())
    image = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(block(image.clone()), torch.relu(image))


def test_another_3x3_takes_the_arguments_of_the_usual_one() -> None:
    made: list[nn.Conv2d] = []

    def conv3x3(*args: Any, **kwargs: Any) -> nn.Module:
        made.append(nn.Conv2d(*args, **kwargs))
        return made[-1]

    block = Bottleneck(8, 4, 2, "B", dilation=2, groups=2, conv3x3=conv3x3)
    assert block.conv2 is made[0]
    assert (made[0].stride, made[0].dilation, made[0].padding) == ((2, 2), (2, 2), (2, 2))
    assert made[0].groups == 2


class Zero(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)
