"""Learned group convolutions: what a stage drops, and equality with the condensed form."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from steelyard.errors import UsageError
from steelyard.layers.learned_group_conv import (
    LearnedGroupConv2d,
    LearnedGroupUnit,
    LearnedLinear,
    due_stages,
)


def test_a_stage_drops_what_matters_least_to_each_group() -> None:
    """Sec. 3.2: importance is the L1 norm of a group's weights for an input."""
    layer = LearnedGroupConv2d(4, 4, groups=2)
    weight = torch.tensor([[4, 3, 2, 1], [1, 2, 3, 4], [4, 3, 2, 1], [-9, 2, 3, 4]])
    with torch.no_grad():
        layer.weight.copy_(weight[:, :, None, None])
    assert layer.stage == 0
    layer.advance(0.5)
    # filters 0 and 2 are group 0: sums 8, 6, 4, 2; filters 1 and 3 group 1: 10, 4, 6, 8
    assert layer.stage == 1
    assert layer.mask.tolist() == [[1, 1, 0, 0], [1, 0, 0, 1]]


def test_dropped_inputs_stay_dropped_and_learn_nothing() -> None:
    torch.manual_seed(0)
    layer = LearnedGroupConv2d(8, 8, groups=2, condensation=4)
    seen = []
    for progress in (0.0, 0.17, 0.34, 0.5, 1.0):
        layer.advance(progress)
        seen.append(layer.mask.clone())
        layer.weight.data += torch.randn_like(layer.weight)
    assert [int(m.sum()) for m in seen] == [16, 12, 8, 4, 4]
    assert all(torch.all(b <= a) for a, b in pairwise(seen))
    assert all(torch.all(m.sum(1) == m[0].sum()) for m in seen)
    layer(torch.randn(2, 8, 5, 5)).sum().backward()
    assert layer.weight.grad is not None
    dropped = seen[-1].repeat(4, 1) == 0
    assert torch.all(layer.weight.grad[dropped] == 0)
    assert torch.all(layer.weight.grad[~dropped] != 0)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
def test_stages_fill_the_first_half_of_training(factor: int) -> None:
    """C - 1 stages of equal length (sec. 3.2, fig. 4); the i-th ends at i / (2 (C - 1))."""
    for stage in range(1, factor):
        end = stage / (2 * (factor - 1))
        assert due_stages(end, factor) == stage
        assert due_stages(end - 1e-6, factor) == stage - 1
    assert due_stages(0.5, factor) == due_stages(1.0, factor) == factor - 1


@pytest.mark.parametrize("progress", [-0.1, 1.1, float("nan")])
def test_progress_is_a_share(progress: float) -> None:
    with pytest.raises(UsageError, match="expected: 0 to 1"):
        LearnedLinear(4, 2).advance(progress)


def test_a_skipped_stage_is_made_up_for() -> None:
    layer = LearnedGroupConv2d(8, 8, groups=4)
    layer.advance(0.4)
    assert layer.stage == 2
    layer.advance(0.9)
    assert layer.stage == 3


@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
    st.floats(0, 1),
    st.sampled_from([1, 3]),
)
@settings(deadline=None, max_examples=40)
def test_condensed_convolution_is_equal(
    groups: int, factor: int, scale: int, progress: float, kernel: int
) -> None:
    torch.manual_seed(groups + 10 * factor)
    layer = LearnedGroupConv2d(
        factor * scale,
        groups * 2,
        groups=groups,
        condensation=factor,
        kernel_size=kernel,
        stride=2,
        padding=kernel // 2,
        bias=True,
    ).double()
    layer.advance(progress)
    condensed = layer.condense()
    image = torch.randn(2, factor * scale, 7, 7, dtype=torch.float64)
    torch.testing.assert_close(condensed(image), layer(image))
    kept = factor * scale - layer.stage * scale
    assert condensed.conv.weight.shape == (groups * 2, kept, kernel, kernel)
    assert condensed.index.dtype == torch.int64


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_condensed_unit_is_equal_in_both_modes(train: bool, factor: int) -> None:
    torch.manual_seed(factor)
    layer = LearnedGroupUnit(16, 12, groups=4, condensation=factor).double()
    assert layer.norm.running_mean is not None
    assert layer.norm.running_var is not None
    layer.norm.running_mean.normal_()
    layer.norm.running_var.uniform_(0.5, 2)
    layer.norm.weight.data.normal_()
    layer.norm.bias.data.normal_()
    layer.conv.advance(1.0)
    layer.train(train)
    before = copy.deepcopy(layer.state_dict())
    condensed = layer.condense()
    assert condensed.training == condensed.conv.training == train
    image = torch.randn(3, 16, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(condensed(image), copy.deepcopy(layer)(image))
    assert all(torch.equal(before[k], v) for k, v in layer.state_dict().items())
    assert condensed.norm.num_features == 16 * 4 // factor


def test_condensed_linear_is_equal() -> None:
    torch.manual_seed(0)
    layer = LearnedLinear(10, 4)
    layer.advance(0.49)
    assert layer.condense().linear.in_features == 10
    layer.advance(0.5)
    condensed = layer.condense()
    assert condensed.linear.in_features == 5
    largest = layer.weight.abs().sum(0).topk(5).indices.sort().values
    assert torch.equal(condensed.index, largest)
    x = torch.randn(3, 10)
    torch.testing.assert_close(condensed(x), layer(x))


def test_group_lasso_by_hand() -> None:
    """Sum over groups and inputs of the root of the sum of squares over the group's filters."""
    layer = LearnedGroupConv2d(2, 4, groups=2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3, 0], [1, 2], [4, 0], [1, 2]]).view(4, 2, 1, 1))
    expected = 5 + 0 + 2**0.5 + 8**0.5
    assert layer.group_lasso().item() == pytest.approx(expected)
    layer.group_lasso().backward()
    assert layer.weight.grad is not None
    assert torch.isfinite(layer.weight.grad).all()


def test_channels_must_divide() -> None:
    with pytest.raises(UsageError, match=r"inputs a multiple of 4, filters a multiple of 2"):
        LearnedGroupConv2d(6, 8, groups=2, condensation=4)
    with pytest.raises(UsageError, match="a multiple of 2"):
        LearnedLinear(5, 2)


def test_groups_of_meta_layers_are_unknown() -> None:
    with torch.device("meta"):
        layer: nn.Module = LearnedGroupUnit(4, 4, groups=2)
    assert isinstance(layer, LearnedGroupUnit)
    with pytest.raises(UsageError, match="condensed=True"):
        layer.condense()
