"""`graph`: a network as blocks that open into blocks and layers, with what each costs, and who reads whose output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from steelyard.cost import CostReport, LayerCost
from steelyard.report.describe import family, operator

_COUNTS = ("layers", "params", "macs", "ops", "activation_bytes", "access_bytes", "param_bytes")

_MANY = 60
"""Layers side by side without a module around them are put into stages."""


def graph(report: CostReport, times: Mapping[str, float]) -> dict[str, Any]:
    """Nodes and edges, schema ``steelyard.graph/1``.

    ``nodes``: ``id``, ``parent`` (the id of the block that it is in, null at the top), ``label``, ``type`` (``block``,
    ``layer``, ``input`` or ``output``), ``kind`` (of a layer; of a block the class of its module), of a layer ``family`` and ``detail`` as the report
    colours and names it, the counts, and
    ``live_bytes`` (activations that are live while it runs; of a block the most). Blocks come before what is in them.
    ``edges``: ``[from, to, bytes]`` between layers, inputs and outputs; an edge between closed blocks is that of what
    is in them.

    Args:
        report: the network.
        times: seconds by layer on a device, for ``time_s``; empty: none.
    """
    load = report.workload
    rows = report.rows
    paths = _paths(rows)
    blocks = _blocks(rows, paths)
    live = dict(zip((row.name for row in rows), report.memory.timeline, strict=True))
    nodes = [_special(f"in:{name}", "input", name, load.tensor(name).shape) for name in load.inputs]
    nodes += [_block(path, inside, live, times) for path, inside in blocks.items()]
    nodes += [_layer(row, paths[row.name], live, times) for row in rows]
    nodes += [
        _special(f"out:{name}", "output", name, load.tensor(name).shape) for name in load.outputs
    ]
    return {
        "schema": "steelyard.graph/1",
        "workload": load.name,
        "total": report.total.to_dict(),
        "peak_activation_bytes": report.memory.peak_bytes,
        "nodes": nodes,
        "edges": _edges(report),
    }


def _paths(rows: tuple[LayerCost, ...]) -> dict[str, tuple[str, ...]]:
    """The blocks around each layer, outermost first; a module that is but one layer is no block.

    Nor is one without modules in it that is called at several places, as an activation often is: as a block it would
    draw what lies between its calls as a circle.
    """
    members: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        for path in _prefixes(row.module):
            members.setdefault(path, []).append(at)
    blocks = {path for path, places in members.items() if _is_block(path, places, rows)}
    paths = {
        row.name: tuple(path for path in _prefixes(row.module) if path in blocks) for row in rows
    }
    flat = [row for row in rows if not paths[row.name]]
    if len(flat) == len(rows) > _MANY:
        return {row.name: (_stage(row),) for row in rows}
    return paths


def _is_block(path: str, places: list[int], rows: tuple[LayerCost, ...]) -> bool:
    together = places[-1] - places[0] == len(places) - 1
    return len(places) > 1 and (together or any(rows[at].module != path for at in places))


def _stage(row: LayerCost) -> str:
    return f"{row.shape[2]} x {row.shape[3]}" if len(row.shape) == 4 else "vectors"


def _prefixes(module: str) -> list[str]:
    parts = module.split(".") if module else []
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def _blocks(
    rows: tuple[LayerCost, ...], paths: Mapping[str, tuple[str, ...]]
) -> dict[str, list[LayerCost]]:
    blocks: dict[str, list[LayerCost]] = {}
    for row in rows:
        for path in paths[row.name]:
            blocks.setdefault(path, []).append(row)
    return blocks


def _block(
    path: str, rows: list[LayerCost], live: Mapping[str, int], times: Mapping[str, float]
) -> dict[str, Any]:
    counts = {key: sum(getattr(row.cost, key) for row in rows) for key in _COUNTS}
    owner, _, label = path.rpartition(".")
    types = {row.module_type for row in rows if row.module == path}
    return {
        "id": f"b:{path}",
        "parent": f"b:{owner}" if owner else None,
        "label": label,
        "type": "block",
        "kind": types.pop() if len(types) == 1 else "",
        "shape": list(rows[-1].shape),
        **counts,
        "live_bytes": max(live[row.name] for row in rows),
        "time_s": sum(times.get(row.name, 0.0) for row in rows) if times else None,
    }


def _layer(
    row: LayerCost, path: tuple[str, ...], live: Mapping[str, int], times: Mapping[str, float]
) -> dict[str, Any]:
    parent = path[-1] if path else None
    label = row.name.removeprefix(f"{parent}.") if parent else row.name
    return {
        "id": f"l:{row.name}",
        "parent": f"b:{parent}" if parent else None,
        "label": label,
        "type": "layer",
        "kind": row.kind,
        "op": row.op,
        "family": family(row.layer),
        "detail": operator(row.layer),
        "module_type": row.module_type,
        "shape": list(row.shape),
        **{key: getattr(row.cost, key) for key in _COUNTS},
        "live_bytes": live[row.name],
        "time_s": times.get(row.name, 0.0) if times else None,
        "loops": [asdict(nest) for nest in row.layer.nests],
        "inplace": row.layer.inplace,
    }


def _special(name: str, kind: str, label: str, shape: tuple[int, ...]) -> dict[str, Any]:
    return {
        "id": name, "parent": None, "label": label, "type": kind, "kind": kind, "shape": list(shape),
        **dict.fromkeys(_COUNTS, 0), "live_bytes": 0, "time_s": None,
    }  # fmt: skip


def _edges(report: CostReport) -> list[list[str | int]]:
    load = report.workload
    made = {name: f"in:{name}" for name in load.inputs}
    edges: list[list[str | int]] = []
    for layer in load.layers:
        here = f"l:{layer.name}"
        read = [name for name in dict.fromkeys(layer.inputs) if name in made]
        edges += [[made[name], here, load.tensor(name).nbytes] for name in read]
        made.update(dict.fromkeys(layer.outputs, here))
    edges += [
        [made[name], f"out:{name}", load.tensor(name).nbytes]
        for name in load.outputs
        if name in made
    ]
    return edges
