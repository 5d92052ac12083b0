"""Names visible in an ONNX graph (`Scope`), one layer to be (`Step`), and the order of nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from steelyard.capture.onnx_model import Function, Graph, Node, TypeInfo
from steelyard.capture.onnx_value import Stored, Value
from steelyard.capture.rules import Draft
from steelyard.errors import FileFormatError

MAX_DEPTH = 100
"""Functions and subgraphs within one another."""


@dataclass(slots=True)
class Step:
    """One layer to be.

    Attributes:
        times: how often it runs (the trip count of the loop around it).
        path: names of the function calls and subgraphs around it.
    """

    node: Node
    draft: Draft
    inputs: list[Value]
    stored: list[Stored]
    outputs: list[Value]
    times: int = 1
    path: str = ""


@dataclass(slots=True)
class Scope:
    """Names visible in a graph: its own and those around it."""

    values: dict[str, Value] = field(default_factory=dict)
    parent: Scope | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    opsets: Mapping[str, int] = field(default_factory=dict)
    declared: dict[str, TypeInfo] = field(default_factory=dict)
    path: str = ""
    depth: int = 0

    def find(self, name: str) -> Value | None:
        """The value of that name, searched outwards."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.parent
        return None

    def inner(self, path: str) -> Scope:
        """The scope of a subgraph, which sees the names of this one.

        Raises:
            FileFormatError: nested too deeply.
        """
        return Scope({}, self, self.attrs, self.opsets, {}, path, deeper(self.depth))


def deeper(depth: int) -> int:
    """One level of nesting more.

    Raises:
        FileFormatError: too deep.
    """
    if depth >= MAX_DEPTH:
        raise FileFormatError(
            f"functions and subgraphs are nested more than {MAX_DEPTH} deep",
            expected="no function that calls itself, and no deeper nesting",
        )
    return depth + 1


def join(path: str, name: str) -> str:
    """``path/name`` without empty parts."""
    return f"{path}/{name.strip('/')}" if path else name.strip("/")


def optional_left_out(function: Function, scope: Scope) -> list[Node]:
    """The function's nodes; inputs that the caller left out are empty in them."""
    missing = {name for name in function.inputs if name not in scope.values}
    if not missing:
        return function.nodes
    nodes = []
    for node in function.nodes:
        if missing.isdisjoint(node.inputs):
            nodes.append(node)
            continue
        inputs = ["" if name in missing else name for name in node.inputs]
        nodes.append(
            Node(node.op, node.domain, node.name, node.overload, inputs, node.outputs, node.attrs,
                 node.metadata)
        )  # fmt: skip
    return nodes


def subgraphs(node: Node) -> Iterable[Graph]:
    """Graphs among a node's attributes."""
    for value in node.attrs.values():
        if isinstance(value, Graph):
            yield value
        elif isinstance(value, list):
            yield from (v for v in value if isinstance(v, Graph))


def reads(node: Node) -> set[str]:
    """Names that a node or a graph within it reads."""
    names = {name for name in node.inputs if name}
    pending = list(subgraphs(node))
    while pending:
        graph = pending.pop()
        for inner in graph.nodes:
            names.update(name for name in inner.inputs if name)
            pending.extend(subgraphs(inner))
    return names


def ordered(nodes: list[Node], scope: Scope) -> list[Node]:
    """The nodes, each after those that write what it reads.

    Raises:
        FileFormatError: they run in a circle.
    """
    writer = {name: i for i, node in enumerate(nodes) for name in node.outputs if name}
    late = any(
        writer.get(name, -1) >= i for i, node in enumerate(nodes) for name in node.inputs if name
    )
    if not late:
        return nodes
    sorter: TopologicalSorter[int] = TopologicalSorter(
        {i: {writer[n] for n in reads(node) if n in writer} for i, node in enumerate(nodes)}
    )
    try:
        return [nodes[i] for i in sorter.static_order()]
    except CycleError as error:
        around = [nodes[i].label for i in error.args[1][:4]]
        raise FileFormatError(
            f"the graph has a cycle: {' reads '.join(around)}", expected="a graph without cycles"
        ) from None
