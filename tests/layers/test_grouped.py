"""A grouped convolution is parallel paths and a concatenation: values, gradients, counts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.layers.grouped import ParallelPaths, to_grouped, to_paths


@given(
    st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 3]),
    st.integers(1, 2), st.integers(1, 2), st.booleans(), st.sampled_from(["zeros", "reflect"]),
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_grouped_equals_paths_both_ways(
    groups: int,
    inputs: int,
    filters: int,
    kernel: int,
    stride: int,
    dilation: int,
    bias: bool,
    mode: str,
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(
        groups * inputs, groups * filters, kernel, stride, kernel // 2, dilation,
        groups=groups, bias=bias, padding_mode=mode,
    ).double()  # fmt: skip
    paths = to_paths(conv)
    again = to_grouped(paths)
    image = torch.randn(2, groups * inputs, 7, 8, dtype=torch.float64)
    torch.testing.assert_close(paths(image), conv(image), rtol=1e-12, atol=1e-12)
    assert len(paths.paths) == groups
    assert torch.equal(again.weight, conv.weight)
    assert torch.equal(again(image), conv(image))


def test_gradients_are_equal() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 12, 3, padding=1, groups=4).double()
    paths = to_paths(conv)
    images = [torch.randn(2, 8, 6, 6, dtype=torch.float64).requires_grad_()]
    images.append(images[0].detach().clone().requires_grad_())
    for module, image in zip((conv, paths), images, strict=True):
        module(image).square().sum().backward()
    torch.testing.assert_close(images[0].grad, images[1].grad)
    for name in ("weight", "bias"):
        parts = [path.get_parameter(name).grad for path in paths.paths]
        assert all(part is not None for part in parts)
        joined = torch.cat([part for part in parts if part is not None])
        torch.testing.assert_close(joined, conv.get_parameter(name).grad)


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_counts_are_equal(groups: int) -> None:
    """Parameters and MACs; 1/G of the dense convolution's."""
    conv = nn.Conv2d(16, 32, 3, padding=1, groups=groups, bias=False)
    loads = [sy.capture(m, input_shape=(1, 16, 10, 10)) for m in (conv, to_paths(conv))]
    assert [load.macs for load in loads] == [100 * 32 * 16 * 9 // groups] * 2
    assert [load.params for load in loads] == [32 * 16 * 9 // groups] * 2


def test_grouped_paths_become_one_convolution() -> None:
    torch.manual_seed(0)
    paths = ParallelPaths(*(nn.Conv2d(4, 6, 3, groups=2) for _ in range(3)))
    conv = to_grouped(paths)
    assert (conv.groups, conv.in_channels, conv.out_channels) == (6, 12, 18)
    image = torch.randn(1, 12, 5, 5)
    torch.testing.assert_close(conv(image), paths(image), rtol=1e-5, atol=1e-6)


def test_paths_must_be_alike() -> None:
    with pytest.raises(UsageError, match="2 convolutions of 2 kinds"):
        ParallelPaths(nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 1))
    with pytest.raises(UsageError, match="0 convolutions"):
        ParallelPaths()
