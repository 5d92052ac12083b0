"""ONNX's control flow (If, Loop, Scan, SequenceMap), constants, and sequences of tensors.

- ``If``: the branch that is taken where the file fixes the condition, else the heavier one.
- ``Loop``: unrolled where the trip count is fixed and the result small, else its body is counted
  once and multiplied by the trip count; with an unknown trip count it is counted once, with a warning.
- ``Scan``: the body's counts times the length of the scanned axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from steelyard.capture.onnx_model import Graph, Node, Tensor, TypeInfo, dtype_name
from steelyard.capture.onnx_run import Run, Scope, join, subgraphs
from steelyard.capture.onnx_value import Site, Stored, Value, axis_of
from steelyard.errors import ShapeError

Control = Callable[[Run, Site, Scope], list[Value]]

MAX_UNROLLED = 5_000
"""Nodes that one loop may unroll to; longer ones are counted once and multiplied."""

MAX_ITEMS = 4_096
"""Entries of a sequence."""


def branch_of(site: Site, name: str) -> Graph:
    """A graph attribute.

    Raises:
        ShapeError: it is missing.
    """
    graph = site.attrs.get(name)
    if not isinstance(graph, Graph):
        raise ShapeError(f"attribute {name} is no graph")
    return graph


def if_(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``If``."""
    condition = site.value(0).data
    name = site.node.name or site.node.outputs[0] if site.node.outputs else "If"
    if condition is not None and condition.size == 1:
        which = "then_branch" if condition.reshape(-1)[0] else "else_branch"
        return run.graph(branch_of(site, which), scope.inner(join(scope.path, name)))
    start = len(run.steps)
    outcomes = []
    for which in ("then_branch", "else_branch"):
        outputs = run.graph(
            branch_of(site, which), scope.inner(join(scope.path, f"{name}/{which[:4]}"))
        )
        steps = run.steps[start:]
        del run.steps[start:]
        cost = sum(s.times * (sum(n.macs for n in s.draft.nests) + s.draft.ops) for s in steps)
        outcomes.append((cost, len(steps), outputs, steps))
    best = max(outcomes, key=lambda o: o[:2])
    run.steps.extend(best[3])
    run.warn("an If depends on the data; its heavier branch is counted")
    return [without_data(value) for value in best[2]]


def loop(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``Loop``: inputs M, condition, carried; body (i, condition, carried) -> (condition, carried, scanned)."""
    body = branch_of(site, "body")
    carried = [v for v in site.inputs[2:] if v is not None]
    if len(body.inputs) < 2 + len(carried) or len(body.outputs) < 1 + len(carried):
        raise ShapeError(f"a loop body with {len(body.inputs)} inputs for {len(carried)} values")
    limit = site.value(0).data if site.has(0) else None
    trips = int(limit.reshape(-1)[0]) if limit is not None and limit.size == 1 else None
    if trips is not None and trips >= 2**31:
        trips = None  # "for ever": what ends the loop is its condition
    if (
        site.has(1)
        and (go := site.value(1).data) is not None
        and go.size == 1
        and not go.reshape(-1)[0]
    ):
        trips = 0
    path = join(scope.path, site.node.name or "Loop")
    if trips is not None and trips <= 0:
        scanned = _declared_scans(body, len(carried))
        return [*carried, *scanned]
    if trips is not None and trips * max(count_nodes(body), 1) <= MAX_UNROLLED:
        return _unrolled(run, body, carried, trips, scope, path)
    if trips is None:
        run.warn("the trip count of a Loop depends on the data; its body is counted once")
    else:
        run.warn(f"a Loop of {trips} trips is counted as {trips} times its first trip")
    before = run.times
    run.times = before * (trips or 1)
    index = Value((), "int64")
    start = [index, Value((), "bool"), *(without_data(v) for v in carried)]
    outputs = _trip(run, body, start, scope, path)
    run.times = before
    scanned = [Value((trips or 1, *v.shape), v.dtype) for v in outputs[1 + len(carried) :]]
    for value, source in zip(scanned, outputs[1 + len(carried) :], strict=True):
        run.step(_stack_site(site, [source]), [value])
    return [*outputs[1 : 1 + len(carried)], *scanned]


def _unrolled(
    run: Run, body: Graph, carried: list[Value], trips: int, scope: Scope, path: str
) -> list[Value]:
    scans: list[list[Value]] = [[] for _ in body.outputs[1 + len(carried) :]]
    for trip in range(trips):
        index = Value((), "int64", np.array(trip, np.int64), fixed=True)
        start = [index, Value((), "bool", np.array(True), fixed=True), *carried]
        outputs = _trip(run, body, start, scope, f"{path}/{trip}")
        carried = outputs[1 : 1 + len(carried)]
        for collected, value in zip(scans, outputs[1 + len(carried) :], strict=True):
            collected.append(value)
        go = outputs[0].data
        if go is None:
            run.warn(f"a Loop may end before its {trips} trips; all are counted")
        elif go.size == 1 and not go.reshape(-1)[0]:
            break
    stacked = []
    for values in scans:
        shape = (len(values), *values[0].shape)
        if all(v.data is not None for v in values) and len({v.shape for v in values}) == 1:
            data = np.stack([v.data for v in values if v.data is not None])
            stacked.append(Value(shape, values[0].dtype, data, fixed=True))
            continue
        out = Value(shape, values[0].dtype)
        run.step(_stack_site(None, values), [out])
        stacked.append(out)
    return [*carried, *stacked]


def _stack_site(site: Site | None, values: Iterable[Value]) -> Site:
    """The joining of a loop's scanned outputs, as a node."""
    node = Node(op="Concat", name=f"{site.node.name or 'Loop'}/stack" if site else "")
    inputs: list[Value | None] = list(values)
    return Site(node, inputs, {}, 1, 1)


def _trip(run: Run, body: Graph, values: list[Value], scope: Scope, path: str) -> list[Value]:
    inner = scope.inner(path)
    for info, value in zip(body.inputs, values, strict=False):
        inner.values[info.name] = value
    return run.graph(body, inner)


def _declared_scans(body: Graph, carried: int) -> list[Value]:
    scans = []
    for info in body.outputs[1 + carried :]:
        dims = tuple(d for d in info.type.dims or () if isinstance(d, int))
        code = info.type.dtype_code or 1
        scans.append(Value((0, *dims), dtype_name(code, "a scanned output"), fixed=True))
    return scans


def without_data(value: Value) -> Value:
    """The value with contents that later trips change."""
    if value.data is None:
        return value
    return Value(value.shape, value.dtype, None, value.stored, False, value.items, value.sure)


def scan(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``Scan``; version 8 has a batch axis and sequence lengths in front."""
    body = branch_of(site, "body")
    old = site.opset < 9
    inputs = [v for v in site.inputs[1 if old else 0 :] if v is not None]
    count = site.int("num_scan_inputs", 0)
    if not 1 <= count <= len(inputs):
        raise ShapeError(f"{count} scanned of {len(inputs)} inputs")
    states, scanned = inputs[: len(inputs) - count], inputs[len(inputs) - count :]
    axes = site.ints("scan_input_axes") or [0] * count
    if old:
        axes = [1] * count
    lead = 1 if old else 0
    slices_, lengths = [], set()
    for value, axis in zip(scanned, axes, strict=False):
        axis = axis_of(axis, value.rank)
        lengths.add(value.shape[axis])
        shape = tuple(s for i, s in enumerate(value.shape) if i != axis)[lead:]
        # a slice is a view of the sequence
        part = Value(shape, value.dtype)
        run.step(Site(_named("Slice", site), [value], {}, 1, 1), [part])
        slices_.append(part)
    if len(lengths) != 1:
        raise ShapeError(f"scanned inputs of lengths {sorted(lengths)}")
    trips = lengths.pop()
    batch = scanned[0].shape[0] if old else 1
    before = run.times
    run.times = before * trips * batch
    start = [
        Value(v.shape[lead:], v.dtype, None, v.stored) if old else without_data(v) for v in states
    ]
    path = join(scope.path, site.node.name or "Scan")
    if len(start) + len(slices_) != len(body.inputs) or len(body.outputs) < len(start):
        raise ShapeError(f"a scan body with {len(body.inputs)} inputs for {len(inputs)} values")
    outputs = _trip(run, body, [*start, *slices_], scope, path)
    run.times = before
    finals = outputs[: len(start)]
    if old:
        finals = [Value((batch, *v.shape), v.dtype) for v in finals]
    out_axes = site.ints("scan_output_axes") or []
    stacked = []
    for i, value in enumerate(outputs[len(start) :]):
        axis = axis_of(out_axes[i] if i < len(out_axes) else 0, value.rank + 1)
        shape = (*value.shape[:axis], trips, *value.shape[axis:])
        out = Value((batch, *shape) if old else shape, value.dtype)
        run.step(Site(_named("Concat", site), [value], {}, 1, 1), [out])
        stacked.append(out)
    return [*finals, *stacked]


def _named(op: str, site: Site) -> Node:
    return Node(op=op, name=join(site.node.name or "Scan", op.lower()))


def count_nodes(graph: Graph) -> int:
    """Nodes of a graph and the graphs within it."""
    total, pending = 0, [graph]
    while pending:
        here = pending.pop()
        total += len(here.nodes)
        for node in here.nodes:
            pending.extend(subgraphs(node))
    return total


# ---- constants and sequences -------------------------------------------------------------------


def constant(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``Constant`` in all its attribute forms."""
    name = site.node.outputs[0] if site.node.outputs else ""
    for key, value in site.attrs.items():
        if isinstance(value, Tensor):
            value = Tensor(name, value.dims, value.dtype_code, value.raw, value.packed, value.loose,
                           value.strings, value.location, value.external)  # fmt: skip
            return [run.initializer(value, given=False)]
        dtype = {"value_int": "int64", "value_ints": "int64", "value_float": "float32",
                 "value_floats": "float32", "value_string": "string",
                 "value_strings": "string"}.get(key)  # fmt: skip
        if dtype is None:
            continue
        many = isinstance(value, list)
        shape = (len(value),) if many else ()
        stored = Stored(name, shape, dtype, given=False)
        run.stored.append(stored)
        if dtype == "string":
            return [Value(shape, dtype, None, (stored,), fixed=True)]
        kind = np.int64 if dtype == "int64" else np.float32
        small = not many or len(value) <= 4096
        data = np.array(value, kind) if small else None
        return [Value(shape, dtype, data, (stored,), fixed=True)]
    raise ShapeError("no value is given", expected="attribute value, value_int, value_floats ...")


def items_of(value: Value) -> list[Value]:
    """The entries of a sequence.

    Raises:
        ShapeError: it is none.
    """
    if value.items is None:
        raise ShapeError("a tensor is given", expected="a sequence")
    return value.items


def sequence(items: list[Value]) -> list[Value]:
    """A sequence of these entries.

    Raises:
        ShapeError: too many.
    """
    if len(items) > MAX_ITEMS:
        raise ShapeError(f"a sequence of {len(items)} tensors", expected=f"at most {MAX_ITEMS}")
    return [Value(items=items, fixed=all(v.fixed for v in items))]


def position_of(site: Site, index: int, length: int, default: int) -> int:
    """A position in a sequence; its first entry stands for one that the data chooses.

    Raises:
        ShapeError: outside the sequence.
    """
    if not site.has(index):
        return default
    data = site.value(index).data
    if data is None or data.size != 1:
        return 0
    position = int(data.reshape(-1)[0])
    if not -length <= position <= length:
        raise ShapeError(f"position {position} of a sequence of {length}")
    return position + length if position < 0 else position


def sequence_at(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``SequenceAt``."""
    items = items_of(site.value(0))
    position = position_of(site, 1, len(items), 0)
    if position >= len(items):
        raise ShapeError(f"position {position} of a sequence of {len(items)}")
    return [items[position]]


def sequence_insert(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``SequenceInsert``."""
    items = items_of(site.value(0))
    position = position_of(site, 2, len(items), len(items))
    return sequence([*items[:position], site.value(1), *items[position:]])


def sequence_erase(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``SequenceErase``."""
    items = items_of(site.value(0))
    position = position_of(site, 1, len(items), len(items) - 1)
    return sequence([v for i, v in enumerate(items) if i != position])


def sequence_length(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``SequenceLength``."""
    return [Value((), "int64", np.array(len(items_of(site.value(0)))), fixed=True)]


def split_to_sequence(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``SplitToSequence``: views of one tensor."""
    value = site.value(0)
    if not value.rank:
        raise ShapeError("a scalar is split")
    axis = site.axis("axis", 0, value.rank)
    size, parts = value.shape[axis], None
    if (data := site.const(1)) is not None:
        step = int(data.reshape(-1)[0]) if data.size else 0
        if data.ndim:
            parts = [int(v) for v in data]
        elif step < 1:
            raise ShapeError(f"a split into parts of {step}")
        elif -(-size // step) <= MAX_ITEMS:
            parts = [min(step, size - i) for i in range(0, size, step)]
    elif size <= MAX_ITEMS:
        parts = [1] * size
    if parts is None:
        raise ShapeError(f"{size} entries are split", expected=f"at most {MAX_ITEMS} parts")
    if sum(parts) != size or min(parts, default=0) < 0:
        raise ShapeError(f"parts {parts[:8]} of {size} entries")
    squeeze = data is None and not site.int("keepdims", 1)
    items = []
    for part in parts:
        middle = () if squeeze else (part,)
        items.append(Value((*value.shape[:axis], *middle, *value.shape[axis + 1 :]), value.dtype))
    if items:
        run.step(site, items)
    return sequence(items)


def concat_from_sequence(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``ConcatFromSequence``: joined or stacked."""
    items = items_of(site.value(0))
    if not items:
        raise ShapeError("an empty sequence is joined")
    first = items[0].shape
    stack = site.int("new_axis", 0)
    axis = axis_of(site.int("axis", 0), len(first) + (1 if stack else 0))
    if any(v.rank != len(first) for v in items):
        raise ShapeError("tensors of different ranks are joined")
    if stack:
        shape = (*first[:axis], len(items), *first[axis:])
    else:
        shape = (*first[:axis], sum(v.shape[axis] for v in items), *first[axis + 1 :])
    out = Value(shape, items[0].dtype)
    run.step(site, [out])
    return [out]


def sequence_map(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``SequenceMap``: the body once for every entry."""
    body = branch_of(site, "body")
    first = items_of(site.value(0))
    path = join(scope.path, site.node.name or "SequenceMap")
    columns: list[list[Value]] = [[] for _ in body.outputs]
    for i in range(len(first)):
        row = [
            value if value.items is None else value.items[min(i, len(value.items) - 1)]
            for value in site.inputs
            if value is not None
        ]
        for column, out in zip(columns, _trip(run, body, row, scope, f"{path}/{i}"), strict=True):
            column.append(out)
    return [sequence(column)[0] for column in columns]


def optional(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``Optional``: its content, or an empty one of the declared type."""
    if site.has(0):
        return [site.value(0)]
    info = site.attrs.get("type")
    if isinstance(info, TypeInfo) and info.kind == "sequence":
        return sequence([])
    return [Value(fixed=True)]


def has_element(run: Run, site: Site, scope: Scope) -> list[Value]:
    """``OptionalHasElement``."""
    return [Value((), "bool", np.array(site.has(0)), fixed=True)]


CONTROL: dict[str, Control] = {
    "onnx.If": if_,
    "onnx.Loop": loop,
    "onnx.Scan": scan,
    "onnx.Constant": constant,
    "onnx.ConcatFromSequence": concat_from_sequence,
    "onnx.Optional": optional,
    "onnx.OptionalGetElement": lambda run, site, scope: [site.value(0)],
    "onnx.OptionalHasElement": has_element,
    "onnx.SequenceAt": sequence_at,
    "onnx.SequenceConstruct": lambda run, site, scope: sequence(
        [v for v in site.inputs if v is not None]
    ),
    "onnx.SequenceEmpty": lambda run, site, scope: sequence([]),
    "onnx.SequenceErase": sequence_erase,
    "onnx.SequenceInsert": sequence_insert,
    "onnx.SequenceLength": sequence_length,
    "onnx.SequenceMap": sequence_map,
    "onnx.SplitToSequence": split_to_sequence,
}
"""Operators that are more, or less, than one layer."""
