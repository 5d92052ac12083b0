"""Views and layouts by arithmetic are those of PyTorch, on random shapes and strides."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import steelyard as sy
from steelyard.capture.engines.shape_strides import (
    LOOKS,
    SEVERAL,
    broadcast,
    combined,
    is_contiguous,
    like_channels_last,
    must_copy,
)

MANY = settings(max_examples=400, deadline=None, derandomize=True)
SIZES = st.lists(st.sampled_from([1, 1, 2, 3, 4]), min_size=1, max_size=4)
NUMBER = st.integers(-5, 4)
WANTED = st.lists(st.sampled_from([-1, 1, 2, 3, 4, 6]), min_size=1, max_size=4).map(tuple)


@st.composite
def tensors(draw: st.DrawFn, sizes: st.SearchStrategy[list[int]] = SIZES) -> Tensor:
    """A tensor on the meta device that may be permuted, cut, and repeated along its first axis."""
    x = torch.empty(draw(sizes), device="meta")
    x = x.permute(draw(st.permutations(range(x.ndim)))) if draw(st.booleans()) else x
    x = x[..., : max(1, x.shape[-1] - 1)] if draw(st.integers(0, 3)) == 0 else x
    return x[:1].expand(x.shape) if draw(st.integers(0, 5)) == 0 else x


@st.composite
def arguments(draw: st.DrawFn, name: str, x: Tensor) -> tuple[Any, ...]:
    if name == "permute":
        return (tuple(draw(st.permutations(range(x.ndim)))),)
    if name in ("view", "reshape"):
        shape = draw(st.permutations(x.shape))
        merged = (shape[0] * shape[1], *shape[2:]) if len(shape) > 1 else (*shape, 1)
        return (draw(st.sampled_from([tuple(shape), merged, (-1, *merged[1:]), (1, *shape)])),)
    if name == "expand":
        kept = tuple(draw(st.sampled_from([-1, size, 2])) for size in x.shape)
        return (draw(st.sampled_from([kept, (3, *kept), (1, *kept)])),)
    if name == "unflatten":
        return draw(NUMBER), draw(WANTED)
    if name in ("transpose", "select", "chunk"):
        return draw(NUMBER), draw(NUMBER)
    return (draw(NUMBER),)


@MANY
@given(st.data(), st.sampled_from(sorted(LOOKS)), tensors())
def test_views_are_those_of_pytorch(data: st.DataObject, name: str, x: Tensor) -> None:
    args = data.draw(arguments(name, x))
    found = LOOKS[name](tuple(x.shape), x.stride(), *args)
    try:
        made = getattr(x, name)(*args)
    except (RuntimeError, IndexError):
        assert found is None
        return
    if name == "reshape":
        assert must_copy(tuple(x.shape), x.stride(), *args) == (not made._is_view())
        if not made._is_view():
            return
    views = made if name in SEVERAL else [made]
    assert found == [(tuple(view.shape), view.stride()) for view in views]
    assert [is_contiguous(*seen) for seen in found] == [view.is_contiguous() for view in views]


@MANY
@given(st.data(), tensors())
def test_sums_lie_in_memory_as_those_of_pytorch(data: st.DataObject, x: Tensor) -> None:
    some = st.tuples(*[st.sampled_from([1, size]) for size in x.shape]).map(list)
    y = data.draw(tensors(some))
    operands = [x, y] if data.draw(st.booleans()) else [y, x]
    try:
        made = operands[0] + operands[1]
    except RuntimeError:
        assert broadcast([tuple(t.shape) for t in operands]) is None
        return
    shapes: list[tuple[int, ...]] = [tuple(t.shape) for t in operands]
    out = broadcast(shapes)
    assert out == tuple(made.shape)
    strides = combined(out, shapes, [None if t.is_contiguous() else t.stride() for t in operands])
    if strides is NotImplemented:
        assert 1 in out
    elif strides is None:
        assert made.is_contiguous()
    else:  # those of axes of one place say nothing
        pairs = zip(out, strides, made.stride(), strict=True)
        assert all(a == b for size, a, b in pairs if size > 1)


@MANY
@given(tensors(st.lists(st.sampled_from([1, 2, 3]), min_size=4, max_size=5)))
def test_channels_last_is_what_pytorch_suggests(x: Tensor) -> None:
    suggested = torch._prims_common.suggest_memory_format(x) is not torch.contiguous_format
    assert like_channels_last(tuple(x.shape), x.stride()) == suggested


class Attends(nn.Module):
    """Two layers of attention of the same shapes, so that the second is replayed."""

    def __init__(self, batch_first: bool, settings: dict[str, Any]) -> None:
        super().__init__()
        self.one = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.two = nn.MultiheadAttention(8, 2, bias=False, batch_first=batch_first)
        self.three = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.settings = settings

    def forward(self, x: Tensor) -> Tensor:
        for attend in (self.one, self.two, self.three):
            x = x + attend(x, x, x, **self.settings)[0]
        return self.one(x, x * 2, x.relu(), **self.settings)[0]


def test_attention_run_through_is_what_the_plain_engine_sees() -> None:
    for batch_first in (False, True):
        for settings_ in ({}, {"need_weights": False}, {"attn_mask": torch.zeros(5, 5)}):
            model = Attends(batch_first, settings_).eval()
            shape = (3, 5, 8) if batch_first else (5, 3, 8)
            fast, plain = (
                sy.capture(model, input_shape=shape, method=m) for m in ("shapes", "meta")
            )
            assert fast.layers == plain.layers
            assert fast.tensors == plain.tensors


def test_two_that_are_both_repeated() -> None:
    class Differences(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            made = x.unsqueeze(1) - x.unsqueeze(2)
            return made.permute(0, 2, 1, 3).reshape(-1)

    for shape in ((3, 4, 5), (1, 4, 5), (3, 1, 5)):
        fast, plain = (
            sy.capture(Differences(), input_shape=shape, method=m) for m in ("shapes", "meta")
        )
        assert fast.layers == plain.layers
