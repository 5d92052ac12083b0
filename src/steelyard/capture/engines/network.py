"""`Network`: a module with its inputs, as every engine takes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils import _pytree as pytree

from steelyard.capture.engines.guard import Guard
from steelyard.capture.engines.recorder import DTYPE_NAMES
from steelyard.capture.engines.trace import Trace
from steelyard.capture.rules import RuleTable
from steelyard.workload import Role


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


def add_parameters(trace: Trace, guard: Guard) -> tuple[dict[int, Owned], list[torch.Tensor]]:
    """Adds every parameter and buffer to the trace, a shared one once; returns them by their ids.

    Tensors that are plain attributes count as buffers.

    Raises:
        LazyNetworkError: a parameter has no shape yet.
    """
    names, tensors, roles = _held(guard)
    if not _SETTLED.issuperset(map(type, tensors)) and any(map(is_lazy, tensors)):
        raise LazyNetworkError
    ids = list(map(id, tensors))
    if len(set(ids)) < len(ids):  # shared ones
        first = sorted({i: place for place, i in reversed([*enumerate(ids)])}.values())
        names, tensors = [names[i] for i in first], [tensors[i] for i in first]
        roles, ids = [roles[i] for i in first], [ids[i] for i in first]
    shapes = [tensor.shape for tensor in tensors]
    dtypes = [tensor.dtype for tensor in tensors]
    plain = [
        len(shape) < 2 or _is_contiguous(tensor)
        for shape, tensor in zip(shapes, tensors, strict=True)
    ]
    # thousands in a large network, so columns are filled in C
    values, start = trace.values, len(trace.values)
    values.shapes += shapes
    values.dtypes += map(DTYPE_NAMES.__getitem__, dtypes)
    values.roles.update(zip(count(start), roles))
    values.names.update(zip(count(start), names))
    return dict(zip(ids, zip(count(start), shapes, dtypes, plain), strict=True)), tensors


def _held(guard: Guard) -> tuple[list[str], list[torch.Tensor], list[Role]]:
    """Names, tensors and roles of all that the network's modules hold, a shared tensor every time."""
    names: list[str] = []
    tensors: list[torch.Tensor] = []
    roles: list[Role] = []
    for path, module in zip(guard.paths, guard.modules, strict=True):
        for held, role in ((module._parameters, "parameter"), (module._buffers, "buffer")):
            if held:
                for name, tensor in held.items():
                    if tensor is not None:
                        names.append(f"{path}.{name}" if path else name)
                        tensors.append(tensor)
                        roles.append(role)  # type: ignore[arg-type]
    for place, name, tensor in guard.tensors:
        path = guard.paths[place]
        names.append(f"{path}.{name}" if path else name)
        tensors.append(tensor)
        roles.append("buffer")
    return names, tensors, roles


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
