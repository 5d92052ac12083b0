"""ONNX's control flow: If, Loop, Scan, SequenceMap; `CONTROL` is the table of all that are no layers.

- ``If``: the branch that is taken where the file fixes the condition, else the heavier one.
- ``Loop``: unrolled where the trip count is fixed and the result small, else its body is counted
  once and multiplied by the trip count; with an unknown trip count it is counted once, with a warning.
- ``Scan``: the body's counts times the length of the scanned axis.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from steelyard.capture.onnx_model import Graph, Node, dtype_name
from steelyard.capture.onnx_run import Control, Run
from steelyard.capture.onnx_scope import Scope, join, subgraphs
from steelyard.capture.onnx_sequences import (
    concat_from_sequence,
    constant,
    has_element,
    items_of,
    optional,
    sequence,
    sequence_at,
    sequence_erase,
    sequence_insert,
    sequence_length,
    split_to_sequence,
)
from steelyard.capture.onnx_value import Site, Value, axis_of
from steelyard.errors import ShapeError

MAX_UNROLLED = 5_000
"""Nodes that one loop may unroll to; longer ones are counted once and multiplied."""


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
