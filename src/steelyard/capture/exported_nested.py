"""Graphs inside a torch.export graph: cond, while_loop, scan, map, and wrappers that only change a mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from steelyard.capture.builder import Builder
from steelyard.capture.exported_json import Field
from steelyard.capture.exported_values import Scope, Value, read_argument, tensor_names

if TYPE_CHECKING:
    from steelyard.capture.exported_graph import GraphReader


class _Nested:
    """One node with graphs among its arguments."""

    def __init__(
        self, reader: GraphReader, node: Field, scope: Scope, path: str, times: int
    ) -> None:
        self.reader = reader
        self.node = node
        self.scope = scope
        self.path = path
        self.times = times
        self.graphs: list[Field] = []
        self.groups: list[list[Value]] = []  # tensors of each argument, in order
        for field in node.get("inputs").elements():
            tag, value = field.get("arg").union()
            if tag == "as_graph":
                self.graphs.append(value.get("graph"))
                continue
            tensors: list[Value] = []
            read_argument(field.get("arg"), scope, tensors)
            self.groups.append(tensors)
        outputs = node.get("outputs").elements()
        self.names = [name for field in outputs for name in tensor_names(field)]

    @property
    def tensors(self) -> list[Value]:
        """All tensors among the arguments."""
        return [value for group in self.groups for value in group]

    def run(self, graph: Field, values: Sequence[Value], *, times: int = 1) -> list[Value] | None:
        """Reads ``graph`` inline with its inputs bound to ``values``; None where they do not fit."""
        inner = self.reader.scope(graph)
        names = _inputs(graph)
        if len(names) != len(values):
            return None
        for name, value in zip(names, values, strict=True):
            inner.define(
                name, value._replace(operand=inner.operand(name, is_param=value.operand.is_param))
            )
        self.reader.walk(graph, inner, module=self.path, times=self.times * times)
        outputs = graph.get("outputs").elements()
        found = [name for field in outputs for name in tensor_names(field) if name is not None]
        return [inner.lookup(name) for name in found]

    def bind(self, values: Sequence[Value], names: Sequence[Field] | None = None) -> None:
        """Gives the node's results (or those of ``names``) the values of an inner graph."""
        if names is None:
            names = [name for name in self.names if name is not None]
        if len(names) > len(values):
            raise self.node.wrong(f"has {len(names)} results and its graph {len(values)}")
        for name, value in zip(names, values, strict=False):
            operand = self.scope.operand(name, is_param=value.operand.is_param)
            self.scope.define(name, value._replace(operand=operand))

    def weigh(self, graph: Field, values: Sequence[Value]) -> tuple[int, int]:
        """(MACs, element operations) of ``graph``, without adding it."""
        from steelyard.capture.exported_graph import GraphReader

        known = self.reader.weighed.get(id(graph.value))
        if known is not None:
            return known
        trial = GraphReader(
            Builder("", "pt2"), self.reader.rules, self.reader.modules, self.reader.symbols
        )
        trial.weighed = self.reader.weighed
        trial.depth = self.reader.depth
        copies = [
            Value(trial.builder.tensor(v.name, v.operand.shape, v.operand.dtype), *v[1:])
            for v in values
        ]
        _Nested(trial, self.node, self.scope, self.path, 1).run(graph, copies)
        self.reader.weighed[id(graph.value)] = (trial.macs, trial.ops)
        return trial.macs, trial.ops

    def warn(self, text: str) -> None:
        """Adds a sentence to the workload's warnings."""
        where = f" in {self.path}" if self.path else ""
        self.reader.warnings[text.format(where=where)] = None


def read_nested(
    reader: GraphReader, node: Field, scope: Scope, op: str, path: str, times: int
) -> bool:
    """Reads a higher-order operator with its graphs inline; False where its kind is not known."""
    nested = _Nested(reader, node, scope, path, times)
    name = op.partition(".")[2]
    if name == "cond" and len(nested.graphs) == 2:
        return _cond(nested)
    if name == "while_loop" and len(nested.graphs) == 2:
        return _while(nested)
    if name in ("scan", "map_impl", "map", "associative_scan") and len(nested.graphs) == 1:
        return _loop(nested, name, op)
    if len(nested.graphs) != 1 or not _fits(nested.graphs[0], nested.tensors):
        return False
    results = nested.run(nested.graphs[0], nested.tensors)
    nested.bind(results or ())
    return True


def _inputs(graph: Field) -> list[Field]:
    found = (name for field in graph.get("inputs").elements() for name in _tensor_inputs(field))
    return list(found)


def _tensor_inputs(field: Field) -> list[Field]:
    tag, _ = field.union()
    tensors = tag in ("as_tensor", "as_tensors", "as_optional_tensor", "as_optional_tensors")
    return [name for name in tensor_names(field) if name is not None] if tensors else []


def _fits(graph: Field, values: Sequence[Value]) -> bool:
    return len(_inputs(graph)) == len(values)


def _cond(nested: _Nested) -> bool:
    """The branch with more MACs (then more element operations) is counted."""
    operands = [value for group in nested.groups[1:] for value in group]
    if not all(_fits(graph, operands) for graph in nested.graphs):
        return False
    weights = [nested.weigh(graph, operands) for graph in nested.graphs]
    chosen = 0 if weights[0] >= weights[1] else 1
    heavy, light = weights[chosen][0], weights[1 - chosen][0]
    nested.warn(
        f"torch.cond{{where}}: the {('true', 'false')[chosen]} branch is counted, with {heavy} MACs "
        f"against {light}"
    )
    nested.bind(nested.run(nested.graphs[chosen], operands) or ())
    return True


def _while(nested: _Nested) -> bool:
    """Condition and body are counted once; how often they run depends on values."""
    carried = nested.tensors
    if not all(_fits(graph, carried) for graph in nested.graphs):
        return False
    nested.run(nested.graphs[0], carried)
    results = nested.run(nested.graphs[1], carried)
    nested.warn("while_loop{where}: how often it runs depends on values; one round is counted")
    nested.bind(results or ())
    return True


def _loop(nested: _Nested, name: str, op: str) -> bool:
    """The body is counted once for each slice of the scanned tensors' first axis."""
    groups = nested.groups
    if name == "scan":
        carried = groups[0] if groups else []
        scanned = groups[1] if len(groups) > 1 else []
        others = [value for group in groups[2:] for value in group]
    else:
        carried, scanned = [], groups[0] if groups else []
        others = [value for group in groups[1:] for value in group]
    values = [*carried, *scanned, *others]
    if name == "associative_scan":  # combines pairs of slices
        values = [*scanned, *scanned, *others]
    if not scanned or not scanned[0].operand.shape or not _fits(nested.graphs[0], values):
        return False
    rounds = scanned[0].operand.shape[0]
    rounds = max(rounds - 1, 0) if name == "associative_scan" else rounds
    results = nested.run(nested.graphs[0], values, times=rounds) or []
    nested.warn(
        f"{name}{{where}}: its body is counted {rounds} times, each layer once with all rows"
    )
    names = [field for field in nested.names if field is not None]
    if len(names) > len(results):
        raise nested.node.wrong(f"has {len(names)} results and its graph {len(results)}")
    nested.bind(results[: len(carried)], names[: len(carried)])
    for field, piece in zip(names[len(carried) :], results[len(carried) :], strict=False):
        nested.reader.stack(op, field, piece, nested.scope, module=nested.path)
    return True
