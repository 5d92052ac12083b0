"""`cut`: the graph of a network in stages, each of which computes what its mark needs and no more."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

__all__ = ["Stage", "cut"]

_FRESH = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.Linear)
_FRESH_FUNCTIONS = (operator.add, operator.mul, torch.add, torch.mul, torch.cat)


@dataclass(frozen=True, slots=True)
class Stage:
    """What stands between two marks.

    Attributes:
        run: (network, values that live across the mark before) -> (the value at this mark, values that
            live across it); called with the network whose modules it shall use.
        nodes: names of the operations in it.
    """

    run: Callable[..., tuple[Tensor, tuple[Any, ...]]]
    nodes: tuple[str, ...]


def cut(network: nn.Module, graph: fx.Graph, marks: Sequence[fx.Node]) -> tuple[Stage, ...]:
    """A stage for each mark: the operations that it needs and that no stage before has done.

    Args:
        network: the traced network.
        graph: its operations.
        marks: earliest first, no two the same.
    """
    needs = _needs(network, graph)
    done: set[fx.Node] = {node for node in graph.nodes if node.op == "placeholder"}
    order = {node: i for i, node in enumerate(graph.nodes)}
    parts: list[list[fx.Node]] = []
    for mark in marks:
        found = _closure(mark, needs) - done
        done |= found
        parts.append(sorted(found, key=order.__getitem__))
    stages = []
    carried = [node for node in graph.nodes if node.op == "placeholder"]
    for i, (mark, part) in enumerate(zip(marks, parts, strict=True)):
        later = {
            needed for other in parts[i + 1 :] for node in other for needed in node.all_input_nodes
        }
        later |= set(marks[i + 1 :])
        live = [node for node in [*carried, *part] if node in later]
        stages.append(_stage(network, carried, part, mark, live))
        carried = live
    return tuple(stages)


def _needs(network: nn.Module, graph: fx.Graph) -> dict[fx.Node, set[fx.Node]]:
    """What has to run before each operation.

    An operation that changes a tensor which others may see keeps its place: all before it run before it,
    and all behind it after.
    """
    needs: dict[fx.Node, set[fx.Node]] = {}
    barrier: set[fx.Node] = set()
    for node in graph.nodes:
        needs[node] = {*node.all_input_nodes, *barrier}
        changed = _changed(network, node)
        if changed is not None and not _alone(network, changed):
            needs[node] |= set(needs) - {node}
            barrier = {node}
    return needs


def _closure(mark: fx.Node, needs: dict[fx.Node, set[fx.Node]]) -> set[fx.Node]:
    found: set[fx.Node] = set()
    ahead = [mark]
    while ahead:
        node = ahead.pop()
        if node not in found:
            found.add(node)
            ahead.extend(needs[node])
    return found


def _changed(network: nn.Module, node: fx.Node) -> fx.Node | None:
    """The value that an operation changes in place."""
    if node.op == "call_module":
        inplace = getattr(network.get_submodule(str(node.target)), "inplace", False) is True
    elif node.op == "call_method":
        inplace = str(node.target).endswith("_") and not str(node.target).endswith("__")
    elif node.op == "call_function":
        named = getattr(node.target, "__name__", "")
        inplace = node.kwargs.get("inplace") is True or (
            named.endswith("_") and not named.endswith("__")
        )
    else:
        inplace = False
    first = node.args[0] if node.args else None
    return first if inplace and isinstance(first, fx.Node) else None


def _alone(network: nn.Module, value: fx.Node) -> bool:
    """Whether one operation reads a value and no other value shares its memory."""
    if len(value.users) != 1:
        return False
    if value.op == "call_module":
        return isinstance(network.get_submodule(str(value.target)), _FRESH)
    return value.op == "call_function" and value.target in _FRESH_FUNCTIONS


def _stage(
    network: nn.Module,
    carried: Sequence[fx.Node],
    part: Sequence[fx.Node],
    mark: fx.Node,
    live: Sequence[fx.Node],
) -> Stage:
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in carried:
        copies[node] = graph.placeholder(node.name)
    for node in part:
        changed = _changed(network, node)
        if changed is not None and changed in carried and len(changed.users) == 1:
            # what is handed in stays as it is
            copies[changed] = graph.call_method("clone", (copies[changed],))
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output((copies[mark], tuple(copies[node] for node in live)))
    run: Any = type(fx.GraphModule(network, graph)).forward
    return Stage(run, tuple(node.name for node in part))
