"""`Network`: a module with its inputs, as every engine takes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from operator import attrgetter
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils import _pytree as pytree

from steelyard.capture.engines.guard import Guard
from steelyard.capture.engines.held import Held
from steelyard.capture.engines.names import Entries, Names
from steelyard.capture.engines.recorder import DTYPE_NAMES
from steelyard.capture.engines.trace import Trace
from steelyard.capture.rules import RuleTable


@dataclasses.dataclass(frozen=True, slots=True)
class Network:
    """What is to be captured.

    Attributes:
        name: what to call the workload.
        model: the module.
        args, kwargs: what it is called with; tensors on the meta device where only shapes are known.
        real: the input tensors carry values that the user gave.
        training: mode to run in; None keeps each submodule's own.
        rules: the rule table.
    """

    name: str
    model: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    real: bool
    training: bool | None
    rules: RuleTable


class LazyNetworkError(Exception):
    """The network has lazy layers whose sizes are not settled yet."""


Owned = tuple[int, torch.Size, torch.dtype, bool]
"""A parameter or buffer of the network: its value in the trace, shape, type, and whether it is contiguous."""


def add_parameters(trace: Trace, guard: Guard) -> dict[int, Owned]:
    """Tells an empty trace of the modules, parameters and buffers; returns these, a shared one once, by their ids.

    Tensors that are plain attributes count as buffers.

    Raises:
        LazyNetworkError: a parameter has no shape yet.
    """
    snapshot = guard.snapshot
    parameters, buffers, own = snapshot.parameters, snapshot.buffers, snapshot.tensors
    # thousands in a large network, so this is left to functions that walk through lists in C
    found: dict[int, Any] = dict(zip(parameters.ids, parameters.values, strict=True))
    found.pop(_NONE, None)
    values = trace.values
    values.parameters = len(found)
    found.update(zip(buffers.ids, buffers.values, strict=True))
    found.update([(id(tensor), tensor) for _, _, tensor in own])
    found.pop(_NONE, None)
    values.held = len(found)
    tensors = list(found.values())
    if not _SETTLED.issuperset(map(type, tensors)) and any(map(is_lazy, tensors)):
        raise LazyNetworkError
    shapes, dtypes = list(map(_shape, tensors)), list(map(_dtype, tensors))
    try:
        contiguous = list(map(torch.Tensor.is_contiguous, tensors))
    except RuntimeError:  # a sparse tensor
        contiguous = list(map(_is_contiguous, tensors))
    values.shapes += shapes
    values.dtypes += map(DTYPE_NAMES.__getitem__, dtypes)
    trace.classes = snapshot.kinds
    trace.names = Names(
        list(guard.calls.index),
        _entries(snapshot.children),
        _entries(parameters),
        _entries(buffers),
        [(place, name, id(tensor)) for place, name, tensor in own],
        list(found),
    )
    return dict(zip(found, zip(count(), shapes, dtypes, contiguous), strict=True))


def _entries(held: Held) -> Entries:
    return Entries(held.sizes, held.keys, held.ids)


_NONE = id(None)
_shape, _dtype = attrgetter("shape"), attrgetter("dtype")


def _is_contiguous(tensor: torch.Tensor) -> bool:
    try:
        return tensor.is_contiguous()
    except RuntimeError:  # a sparse tensor
        return False


_SETTLED = frozenset({nn.Parameter, torch.Tensor})
"""Classes whose tensors have a shape."""


def map_inputs(
    network: Network, convert: Callable[[torch.Tensor, str], Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The call's arguments with ``convert(tensor, name)`` in place of every tensor.

    Names are those of ``forward``'s parameters.
    """
    names = _argument_names(network.model)

    def mapped(value: Any, name: str) -> Any:
        if type(value) is torch.Tensor:
            return convert(value, name)
        leaves, spec = pytree.tree_flatten(value)
        many = sum(isinstance(leaf, torch.Tensor) for leaf in leaves) > 1
        made = [
            convert(leaf, f"{name}.{i}" if many else name)
            if isinstance(leaf, torch.Tensor)
            else leaf
            for i, leaf in enumerate(leaves)
        ]
        return pytree.tree_unflatten(made, spec)

    args = tuple(
        mapped(arg, names[i] if i < len(names) else f"input.{i}")
        for i, arg in enumerate(network.args)
    )
    return args, {key: mapped(arg, key) for key, arg in network.kwargs.items()}


def _argument_names(model: nn.Module) -> list[str]:
    code = getattr(getattr(type(model), "forward", None), "__code__", None)
    if code is None:
        return []
    return list(code.co_varnames[1 : code.co_argcount])


def result_tensors(result: Any, kind: type = torch.Tensor) -> Iterator[Any]:
    """Every tensor in a result: nested lists, tuples, dicts, dataclasses, objects with attributes."""
    seen: set[int] = set()
    stack = [result]
    while stack:
        item = stack.pop()
        if isinstance(item, kind):
            yield item
            continue
        if item is None or isinstance(item, (str, bytes, int, float, complex, nn.Module)):
            continue
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Mapping):
            stack.extend(reversed(list(item.values())))
        elif isinstance(item, (list, tuple, set, frozenset)):
            stack.extend(reversed(list(item)))
        elif dataclasses.is_dataclass(item):
            stack.extend(reversed([getattr(item, f.name, None) for f in dataclasses.fields(item)]))
        elif hasattr(item, "__dict__") and not isinstance(item, type) and not callable(item):
            stack.extend(reversed(list(vars(item).values())))
