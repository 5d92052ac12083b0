"""What the charts show, as pure data: bars by layer, the tree of modules, the memory timeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from steelyard.cost import Cost, CostReport, LayerCost
from steelyard.report.describe import family, operator
from steelyard.workload import MAC_KINDS

Metric = Literal["memory", "params", "macs"]

METRICS: dict[Metric, tuple[str, str]] = {
    "memory": ("memory of the outputs", "B"),
    "params": ("parameters", ""),
    "macs": ("MACs", ""),
}
"""The three quantities of the bar charts and the treemap: what they are called, and their unit."""

_DEEPEST = 40


def metric(cost: Cost, which: Metric) -> int:
    """``activation_bytes``, ``params`` or ``macs`` of ``cost``."""
    return {"memory": cost.activation_bytes, "params": cost.params, "macs": cost.macs}[which]


@dataclass(frozen=True, slots=True)
class Bar:
    """One layer in the bar charts.

    Attributes:
        index: position among all layers of the workload.
        name: the layer.
        operator: what it does, e.g. ``conv 3×3 /2``.
        family: a key of `steelyard.report.describe.FAMILIES`.
        cost: its counts.
    """

    index: int
    name: str
    operator: str
    family: str
    cost: Cost


def layer_bars(report: CostReport) -> tuple[Bar, ...]:
    """The layers that multiply and accumulate, or have unknown cost, in order of execution.

    A workload without any such layer has a bar for each layer that is not free.
    """
    rows = list(enumerate(report.rows))
    chosen = [(i, row) for i, row in rows if row.kind in MAC_KINDS or row.kind == "unknown"]
    if not chosen:
        chosen = [(i, row) for i, row in rows if row.kind not in ("view", "create")]
    return tuple(_bar(i, row) for i, row in chosen)


def _bar(index: int, row: LayerCost) -> Bar:
    return Bar(index, row.name, operator(row.layer), family(row.layer), row.cost)


@dataclass(slots=True)
class ModuleNode:
    """A module or, without children, a layer.

    Attributes:
        name: last part of the path; several parts where a module has a single child.
        path: the whole path, or the layer's name.
        cost: its counts with everything below.
        children: modules and layers inside.
        bar: the layer, for a leaf.
    """

    name: str
    path: str
    cost: Cost = field(default_factory=Cost)
    children: list[ModuleNode] = field(default_factory=list)
    bar: Bar | None = None

    def leaves(self) -> Iterator[ModuleNode]:
        """All layers at or below this node."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()

    def to_dict(self) -> dict[str, object]:
        """Compact plain data for the treemap's script: n name, p path, v values, c children, f family,
        o operator, i index of the layer."""
        data: dict[str, object] = {
            "n": self.name,
            "p": self.path,
            "v": {which: metric(self.cost, which) for which in METRICS},
        }
        if self.bar is not None:
            data |= {"f": self.bar.family, "o": self.bar.operator, "i": self.bar.index}
        else:
            data["c"] = [child.to_dict() for child in self.children]
        return data


def module_tree(report: CostReport) -> ModuleNode:
    """The tree of modules with the layers as leaves; every layer is in it exactly once."""
    root = ModuleNode(report.workload.name, "")
    groups: dict[tuple[str, ...], ModuleNode] = {(): root}
    for index, row in enumerate(report.rows):
        bar = _bar(index, row)
        parts = tuple(row.module.split(".", _DEEPEST)) if row.module else ()
        # the layer of a leaf module stands for the module
        inside = parts[:-1] if parts and _stands_for(row.name, row.module) else parts
        prefix = ".".join(inside) + "." if inside else ""
        name = row.name.removeprefix(prefix) or row.name
        parent = _group(groups, inside)
        parent.children.append(ModuleNode(name, row.name, row.cost, bar=bar))
    _finish(root)
    return root


def _stands_for(name: str, module: str) -> bool:
    return name == module or name.startswith(module + "#")


def _group(groups: dict[tuple[str, ...], ModuleNode], parts: tuple[str, ...]) -> ModuleNode:
    if parts not in groups:
        parent = _group(groups, parts[:-1])
        groups[parts] = ModuleNode(parts[-1], ".".join(parts))
        parent.children.append(groups[parts])
    return groups[parts]


def _finish(node: ModuleNode) -> None:
    """Sums costs upwards and joins a module with its only child."""
    for position, child in enumerate(node.children):
        if child.bar is None:
            _finish(child)
            if len(child.children) == 1:
                only = child.children[0]
                only.name = f"{child.name}.{only.name}"
                node.children[position] = only
    node.cost = sum((child.cost for child in node.children), Cost())
