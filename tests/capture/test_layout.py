"""Strides: the pure-Python rule against what PyTorch's ``view`` does."""

from __future__ import annotations

from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.capture.layout import (
    can_view,
    contiguous_strides,
    same_layout,
    settle,
    view_strides,
)
from steelyard.capture.rules import Call, Draft, Operand


@st.composite
def strided_tensors(draw: st.DrawFn) -> torch.Tensor:
    """Meta tensors that are permuted, cropped and expanded."""
    shape = draw(st.lists(st.sampled_from([0, 1, 1, 2, 3, 4, 6]), max_size=4))
    tensor = torch.empty(shape, device="meta")
    if shape:
        tensor = tensor.permute(draw(st.permutations(range(len(shape)))))
        axis = draw(st.integers(0, len(shape) - 1))
        if tensor.shape[axis] > 1 and draw(st.booleans()):
            tensor = tensor.narrow(axis, 0, tensor.shape[axis] - 1)
        if tensor.shape[axis] == 1 and draw(st.booleans()):
            sizes = list(tensor.shape)
            sizes[axis] = 3
            tensor = tensor.expand(sizes)
    return tensor


@st.composite
def factorisations(draw: st.DrawFn, elements: int) -> list[int]:
    """Shapes of that many elements."""
    if elements == 0:
        return draw(st.sampled_from([[0], [0, 2], [3, 0], [1, 0, 4]]))
    sizes: list[int] = []
    while elements > 1:
        divisors = [d for d in range(2, elements + 1) if elements % d == 0]
        sizes.append(draw(st.sampled_from(divisors)))
        elements //= sizes[-1]
    for _ in range(draw(st.integers(0, 2))):
        sizes.insert(draw(st.integers(0, len(sizes))), 1)
    return sizes


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_view_strides_are_those_of_torch(data: st.DataObject) -> None:
    tensor = data.draw(strided_tensors())
    new_shape = data.draw(factorisations(tensor.numel()))
    found = view_strides(tensor.shape, tensor.stride(), new_shape)
    try:
        expected = tensor.view(new_shape).stride()
    except RuntimeError:
        assert found is None
        return
    assert found is not None
    assert [s for s, size in zip(found, new_shape, strict=True) if size > 1] == [
        s for s, size in zip(expected, new_shape, strict=True) if size > 1
    ]


@given(st.lists(st.integers(0, 5), max_size=5))
def test_contiguous_strides_are_those_of_torch(shape: list[int]) -> None:
    assert contiguous_strides(shape) == torch.empty(shape, device="meta").stride()


def test_another_number_of_elements_is_no_view() -> None:
    assert not can_view((2, 3), (3, 1), (7,))
    assert can_view((2, 3), (3, 1), (3, 2))


def _operand(tensor: torch.Tensor) -> Operand:
    return Operand(tuple(tensor.shape), strides=tensor.stride())


@pytest.mark.parametrize("op", ["aten.reshape", "aten.flatten.using_ints", "aten.ravel"])
def test_a_reshape_copies_where_torch_copies(op: str) -> None:
    x = torch.empty(4, 6)
    for tensor in (x, x.t(), x[:, :3]):
        flat = tensor.reshape(-1)
        shares = flat.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
        call = Call(op, (_operand(tensor),), {}, (_operand(flat),))
        assert settle(call, Draft("view")).kind == ("view" if shares else "copy")


def test_contiguous_is_free_where_nothing_changes() -> None:
    x = torch.empty(2, 3, 4)
    for tensor in (x, x.transpose(0, 2)):
        out = tensor.contiguous()
        call = Call("aten.contiguous", (_operand(tensor),), {}, (_operand(out),))
        assert settle(call, Draft("copy")).kind == ("view" if out is tensor else "copy")
        assert prod(out.shape) == prod(tensor.shape)
    assert not same_layout(Operand((2,)), Operand((2,)))


def test_other_operators_and_unknown_strides_stay_as_they_are() -> None:
    x = torch.empty(4, 6).t()
    out = torch.empty(24)
    assert (
        settle(Call("aten.add", (_operand(x),), {}, (_operand(out),)), Draft("view")).kind == "view"
    )
    blind = Call("aten.reshape", (Operand((6, 4)),), {}, (_operand(out),))
    assert settle(blind, Draft("view")).kind == "view"
