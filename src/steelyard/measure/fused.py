"""`fused_parts`: operators of a runtime that computes several layers at once, as parts of the run time."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from steelyard.cost import CostReport
from steelyard.measure.breakdown import Part
from steelyard.measure.joining import Run
from steelyard.measure.operator_kinds import kind_of
from steelyard.workload import Workload

_ABSORBED = ("activation", "norm", "elementwise", "softmax", "quantize")


def fused_parts(
    load: Workload, runs: Sequence[Run], named: Sequence[int | None]
) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Parts in order of execution, their seconds medians over the runs; and the layers that none computes.

    Args:
        load: of the file that ran.
        runs: of the same operators each.
        named: for each event the layer that it is named after.
    """
    rows = CostReport(load).rows
    seconds = [median(run.events[i].seconds for run in runs) for i in range(len(runs[0].events))]
    owner: dict[int, int] = {}
    for at, own in enumerate(named):
        if own is not None and (own not in owner or seconds[at] > seconds[owner[own]]):
            owner[own] = at  # of several named after one layer, the longest computes it
    absorb(load, owner)
    members: dict[int, list[int]] = {}
    for layer in sorted(owner):
        members.setdefault(owner[layer], []).append(layer)
    parts: list[Part] = []
    for index, event in enumerate(runs[0].events):
        group = members.get(index, [])
        if group:
            main = max(group, key=lambda i: rows[i].cost.macs)
            names = [rows[main].name, *(rows[i].name for i in group if i != main)]
            parts.append(
                Part(
                    " + ".join(names),
                    event.op,
                    kind_of(rows[main].layer),
                    seconds[index],
                    sum(rows[i].cost.macs for i in group),
                    sum(rows[i].cost.access_bytes for i in group) - inner_bytes(load, group),
                )
            )
            continue
        alone = named[index]
        kind = "outside" if alone is None else kind_of(rows[alone].layer)
        parts.append(
            Part("" if alone is None else rows[alone].name, event.op, kind, seconds[index])
        )
    between = median(run.seconds - sum(event.seconds for event in run.events) for run in runs)
    parts.append(Part("", "between operators", "between", between))
    return tuple(parts), tuple(row.name for i, row in enumerate(rows) if i not in owner)


def absorb(load: Workload, owner: dict[int, int]) -> None:
    """Gives layers without an event of their own to the one that they were fused into.

    What multiplies goes to the layer that alone reads it (an operator may be called after the last layer that it
    computes); other arithmetic to that which makes what it reads.
    """
    makers = {name: i for i, layer in enumerate(load.layers) for name in layer.outputs}
    readers: dict[str, list[int]] = {}
    for index, layer in enumerate(load.layers):
        for name in dict.fromkeys(layer.inputs):
            readers.setdefault(name, []).append(index)
    for index in range(len(load.layers) - 1, -1, -1):
        layer = load.layers[index]
        if index in owner or not (layer.nests or layer.kind in _ABSORBED):
            continue
        after = [i for name in layer.outputs for i in readers.get(name, ())]
        if len(after) == 1 and after[0] in owner and load.layers[after[0]].kind in _ABSORBED:
            owner[index] = owner[after[0]]
    for index, layer in enumerate(load.layers):
        if index in owner or layer.kind not in _ABSORBED:
            continue
        made = [makers[name] for name in layer.inputs if name in makers]
        fit = [i for i in made if i in owner]
        if fit:
            owner[index] = owner[max(fit)]


def inner_bytes(load: Workload, group: Sequence[int]) -> int:
    """Bytes that layers of a group would write for one another and read again, if they ran apart."""
    members = set(group)
    readers: dict[str, set[int]] = {}
    for index, layer in enumerate(load.layers):
        for name in layer.inputs:
            readers.setdefault(name, set()).add(index)
    saved = 0
    for index in group:
        for name in load.layers[index].outputs:
            inside = readers.get(name, set()) & members
            kept = name in load.outputs or bool(readers.get(name, set()) - members)
            saved += load.tensor(name).nbytes * (len(inside) + (0 if kept else 1) if inside else 0)
    return saved
