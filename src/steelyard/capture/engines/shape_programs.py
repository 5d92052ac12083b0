"""`Program`: what a function without a rule of its own did, to be done again for operands of the same shapes.

A function of torch.nn.functional is a few others, most of which have rules: it is run through, and what
came into the trace is its program. Any other runs on meta tensors under the meta engine's recorder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.utils import _pytree as pytree

from steelyard.capture.engines.composites import Composites, transparent
from steelyard.capture.engines.dispatched import OnMeta, meta_like
from steelyard.capture.engines.recorder import Recorder, dtype_name
from steelyard.capture.engines.shape_tensor import CannotFollowError, ShapeTensor, Strides
from steelyard.capture.engines.trace import Counted, Event, Trace, Value

if TYPE_CHECKING:
    from steelyard.capture.engines.shapes import ShapeEngine

Step = tuple[str, Counted, tuple[int, ...], tuple[int, ...], tuple[int, ...], bool]
"""An `Event` without its module."""


class Program(NamedTuple):
    """What one function did to operands of known shapes; values are numbered from the operands on.

    Attributes:
        operands: how many tensors it took.
        values: the values that it made.
        results: strides, and types, of the values that it returns, by their number.
        events: operators, with values by local number.
        leaves: what it returns: local numbers, or other objects as they are.
        spec: how the leaves are nested.
        written: operands that it overwrote -> their new local number.
        elements: elements of the largest value made.
    """

    operands: int
    values: list[Value]
    results: dict[int, tuple[Strides, torch.dtype]]
    events: list[Step]
    leaves: list[tuple[bool, Any]]
    spec: Any
    written: dict[int, int]
    elements: int


def recorded(
    engine: ShapeEngine,
    func: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    tensors: list[torch.Tensor],
) -> Program:
    """Runs the function on meta tensors and writes down what it did."""
    trace = Trace()
    recorder = Recorder(trace, engine.rules, engine.real)
    metas: dict[int, torch.Tensor] = {}
    for tensor in tensors:
        known = engine.trace.values[engine.value_of(tensor)]
        meta = metas[id(tensor)] = meta_like(tensor)
        recorder.bind(meta, trace.value(tuple(meta.shape), dtype_name(meta.dtype), known.role))
    operands = list(metas.values())
    before = [(meta.shape, meta.stride()) for meta in operands]
    meta_args = _swap(args, metas)
    meta_kwargs = _swap(kwargs, metas)
    with OnMeta(), Composites(recorder), recorder:
        out = func(*meta_args, **meta_kwargs)
    if before != [(meta.shape, meta.stride()) for meta in operands]:
        raise engine.fail(f"{getattr(func, '__name__', func)} changes a tensor's shape in place")
    flat, spec = pytree.tree_flatten(out)
    made: dict[int, torch.Tensor] = {}
    leaves: list[tuple[bool, Any]] = []
    for leaf in flat:
        if isinstance(leaf, torch.Tensor):
            same = next((i for i, meta in enumerate(operands) if meta is leaf), None)
            local = same if same is not None else recorder.value_of(leaf)
            made.setdefault(local, leaf)
            leaves.append((True, local))
        else:
            leaves.append((False, leaf))
    written = {i: new for i, meta in enumerate(operands) if (new := recorder.value_of(meta)) != i}
    count = len(operands)
    return Program(
        operands=count,
        values=[trace.values[i] for i in range(count, len(trace.values))],
        results={
            local: (None if leaf.is_contiguous() else leaf.stride(), leaf.dtype)
            for local, leaf in made.items()
        },
        events=[(*event[:5], event.inplace) for event in trace.events],
        leaves=leaves,
        spec=spec,
        written=written,
        elements=max((t.numel() for t in (*made.values(), *operands)), default=0),
    )


def run_through(
    engine: ShapeEngine,
    func: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    tensors: list[torch.Tensor],
) -> tuple[Any, Program | None]:
    """What a function of torch.nn.functional answers, and what it did if that can be done again."""
    trace = engine.trace
    before = [engine.value_of(tensor) for tensor in tensors]  # a constant becomes a value here
    first, place = len(trace.values), len(trace.log)
    try:
        with engine:
            out = transparent(func)(*args, **kwargs)
    except CannotFollowError:
        raise
    except Exception:
        engine.fail(f"{func.__name__} raised an error half-way")
        raise
    local = {value: i for i, value in enumerate(before)}
    if len(local) < len(before) or not trace.values.roots.keys().isdisjoint(before):
        return out, None
    count = len(before)
    local |= {value: value - first + count for value in range(first, len(trace.values))}
    flat, spec = pytree.tree_flatten(out)
    try:
        leaves, results = _leaves(flat, tensors, local)
        written = {
            i: local[engine.value_of(tensor)]
            for i, tensor in enumerate(tensors)
            if engine.value_of(tensor) != before[i]
        }
        values = [_renumbered(trace.values[i], local) for i in range(first, len(trace.values))]
        fields = zip(*[iter(trace.log[place:])] * len(Event._fields), strict=True)
        events = [_step(event, local) for event in fields]
    except KeyError:  # it used a tensor that it was not given
        return out, None
    return out, Program(count, values, results, events, leaves, spec, written, 0)


def _leaves(
    flat: list[Any], tensors: list[torch.Tensor], local: dict[int, int]
) -> tuple[list[tuple[bool, Any]], dict[int, tuple[Strides, torch.dtype]]]:
    """As `Program` has them.

    Raises:
        KeyError: a tensor that was neither given nor made as one of shapes only.
    """
    leaves: list[tuple[bool, Any]] = []
    results: dict[int, tuple[Strides, torch.dtype]] = {}
    for leaf in flat:
        same = next((i for i, tensor in enumerate(tensors) if tensor is leaf), None)
        if same is not None:
            leaves.append((True, same))
        elif type(leaf) is ShapeTensor:
            number = local[leaf.value]
            results[number] = leaf.strides, leaf.dtype
            leaves.append((True, number))
        elif isinstance(leaf, torch.Tensor):
            raise KeyError
        else:
            leaves.append((False, leaf))
    return leaves, results


def _renumbered(value: Value, local: dict[int, int]) -> Value:
    alias = local[value.alias] if value.alias >= 0 else -1
    return value._replace(alias=alias, root=local[value.root] if value.root >= 0 else -1)


def _step(event: tuple[Any, ...], local: dict[int, int]) -> Step:
    op, counts, inputs, outputs, params, inplace, _ = event
    numbers = [tuple([local[i] for i in values]) for values in (inputs, outputs, params)]
    return (op, counts, numbers[0], numbers[1], numbers[2], inplace)


def replayed(engine: ShapeEngine, program: Program, tensors: list[torch.Tensor]) -> Any:
    """Writes the program's events for these operands and returns its results."""
    trace = engine.trace
    outer = trace.values.roots
    mapped = [engine.value_of(tensor) for tensor in tensors]
    for shape, dtype, role, name, alias, root in program.values:
        if alias >= 0:
            alias = mapped[alias]
        if root >= 0:
            root = mapped[root]
            root = outer.get(root, root)
        mapped.append(trace.value(shape, dtype, role, name, alias, root))
    for op, counts, inputs, outputs, params, inplace in program.events:
        read = tuple([mapped[i] for i in inputs])
        made = tuple([mapped[i] for i in outputs])
        roots = [mapped[i] for i in params]
        trace.event(op, counts, read, made, tuple([outer.get(i, i) for i in roots]), inplace)
    for slot, number in program.written.items():
        target = tensors[slot]
        if type(target) is ShapeTensor:
            target.value = mapped[number]
        elif id(target) not in engine.owned:
            raise engine.fail("a tensor with known values is overwritten by one without")
    results = {
        number: engine.make(
            (value := program.values[number - program.operands]).shape,
            dtype,
            mapped[number],
            strides,
            root=value.root >= 0,
        )
        for number, (strides, dtype) in program.results.items()
        if number >= program.operands
    }
    answers = [
        leaf if not is_tensor else tensors[leaf] if leaf < program.operands else results[leaf]
        for is_tensor, leaf in program.leaves
    ]
    if program.spec.is_leaf():
        return answers[0]
    return pytree.tree_unflatten(answers, program.spec)


def _swap(arg: Any, metas: dict[int, torch.Tensor]) -> Any:
    """``arg`` with the meta tensor in place of every tensor."""
    if isinstance(arg, torch.Tensor):
        return metas[id(arg)]
    if type(arg) in (tuple, list):
        return type(arg)(_swap(item, metas) for item in arg)
    if isinstance(arg, slice):
        return slice(*(_swap(item, metas) for item in (arg.start, arg.stop, arg.step)))
    if isinstance(arg, tuple) and hasattr(arg, "_fields"):
        return type(arg)(*(_swap(item, metas) for item in arg))
    if isinstance(arg, Mapping):
        return {key: _swap(value, metas) for key, value in arg.items()}
    return arg
