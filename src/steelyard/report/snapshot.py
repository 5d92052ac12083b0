"""`Snapshot`: what of a network is held against an earlier report of it; made from results or read from JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.cost import Cost, CostReport, LayerCost
from steelyard.errors import FileFormatError
from steelyard.workload import Layer

if TYPE_CHECKING:
    from steelyard.report.placed import Placed

REPORT, COST, WORKLOAD = "steelyard.report/1", "steelyard.cost/1", "steelyard.workload/1"

_COUNTS = ("params", "macs", "ops", "activation_bytes", "access_bytes", "param_bytes")
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class OnDevice:
    """A network on a device, in a few numbers.

    Attributes:
        settings: what its mappings minimise and of which dataflow; of rooflines nothing.
        unit: of the energy: ``pJ`` or ``MAC``.
        energy: of one pass; None where it is unknown.
        latency_s: of one pass; the least that the ceilings allow where only those are known.
    """

    settings: str
    unit: str
    energy: float | None
    latency_s: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A network in the numbers that reports are compared by.

    Attributes:
        name, digest: of the workload.
        batch: samples of one pass.
        total: its counts.
        peak_bytes: activations that live at once.
        layers: their counts, in order of execution, without loops.
        devices: by name.
    """

    name: str
    digest: str
    batch: int
    total: Cost
    peak_bytes: int
    layers: tuple[LayerCost, ...]
    devices: Mapping[str, OnDevice]


def snapshot(cost: CostReport, placed: Sequence[Placed] = ()) -> Snapshot:
    """Of a result.

    Args:
        cost: the network's.
        placed: the network on devices.
    """
    load = cost.workload
    return Snapshot(
        load.name,
        load.digest,
        load.batch,
        cost.total,
        cost.memory.peak_bytes,
        tuple(_bare(row) for row in cost.rows),
        {one.device.name: _on_device(one) for one in placed},
    )


def _bare(row: LayerCost) -> LayerCost:
    """As it can be read back from a report: without loops and tensors."""
    layer = Layer(row.name, row.kind, row.op, module=row.module, module_type=row.module_type)
    return LayerCost(layer, row.shape, row.cost, row.shared_params)


def _on_device(placed: Placed) -> OnDevice:
    found = placed.estimate
    if found is None:
        return OnDevice("", "pJ", None, placed.roof.time_s)
    settings = _settings(found.objective, found.dataflow)
    return OnDevice(settings, found.device.energy_unit, found.energy_pj, found.latency_s)


def _settings(objective: str, dataflow: str) -> str:
    return f"least {objective}" + (f", dataflow {dataflow}" if dataflow else "")


# ---- reading -----------------------------------------------------------------------------------


def read_report(path: Path) -> tuple[Snapshot, ...] | None:
    """The networks of a JSON file that ``steelyard report`` or ``steelyard cost`` wrote; None if it is a workload's.

    Raises:
        FileFormatError: no such file, no JSON, another schema, or an entry that is missing or of another kind.
    """
    data = _loaded(path)
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema == WORKLOAD:
        return None
    try:
        if schema == COST:
            return (_network(data, "the cost"),)
        if schema == REPORT:
            networks = _entry(data, "networks", list, "the report")
            return tuple(_network(net, f"networks[{n}]") for n, net in enumerate(networks))
    except _MalformedError as error:
        raise FileFormatError(
            f"{path}: {error}", expected="a report as steelyard wrote it", hint=_AGAIN
        ) from None
    given = f"schema {ascii(schema)[:80]}" if schema is not None else "no schema"
    raise FileFormatError(f"{path} has {given}", expected=f"{REPORT} or {COST}", hint=_AGAIN)


_AGAIN = "steelyard report SOURCE -o old.json with this version of steelyard"


class _MalformedError(Exception):
    """What is wrong, and where."""


def _loaded(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise FileFormatError(f"there is no file {path}", hint=_AGAIN) from None
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not UTF-8: byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise FileFormatError(
            f"{path} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            expected="a whole report",
            hint=_AGAIN,
        ) from None
    except (RecursionError, ValueError):
        raise FileFormatError(f"{path} is not JSON that steelyard wrote", hint=_AGAIN) from None


def _network(data: Any, where: str) -> Snapshot:
    load = _entry(data, "workload", dict, where)
    memory = _entry(data, "memory", dict, where)
    rows = _entry(data, "rows", list, where)
    devices = _entry(data, "devices", list, where) if "devices" in data else []
    read = (_device(one, f"{where}.devices[{n}]") for n, one in enumerate(devices))
    return Snapshot(
        _text(load, "name", f"{where}.workload"),
        _text(load, "digest", f"{where}.workload"),
        _count(load, "batch", f"{where}.workload"),
        _cost(_entry(data, "total", dict, where), f"{where}.total"),
        _count(memory, "peak_bytes", f"{where}.memory"),
        tuple(_row(row, f"{where}.rows[{n}]") for n, row in enumerate(rows)),
        dict(found for found in read if found is not None),
    )


def _row(row: Any, where: str) -> LayerCost:
    texts = {key: _text(row, key, where) for key in ("name", "kind", "op", "module", "module_type")}
    shape = _entry(row, "shape", list, where)
    if not all(type(size) is int and 0 <= size <= _LARGEST for size in shape):
        raise _MalformedError(f"{where}.shape is no list of sizes")
    layer = Layer(
        texts["name"],
        texts["kind"],
        texts["op"],
        module=texts["module"],
        module_type=texts["module_type"],
    )
    return LayerCost(layer, tuple(shape), _cost(row, where), row.get("shared_params") is True)


def _cost(data: Any, where: str) -> Cost:
    return Cost(_count(data, "layers", where), *(_count(data, key, where) for key in _COUNTS))


def _device(data: Any, where: str) -> tuple[str, OnDevice] | None:
    """Of a device its name and figures; None where it has neither an estimate nor a roofline."""
    name = _text(data, "device", where)
    estimate, roof = data.get("estimate"), data.get("roofline")
    if isinstance(estimate, dict):
        total = _entry(estimate, "total", dict, f"{where}.estimate")
        settings = _settings(
            _text(estimate, "objective", where), _text(estimate, "dataflow", where)
        )
        unit = _text(estimate, "energy_unit", where)
        energy = _number(total, "energy_pj", f"{where}.estimate.total")
        latency = _number(total, "latency_s", f"{where}.estimate.total")
        return name, OnDevice(settings, unit, energy, latency)
    if isinstance(roof, dict):
        return name, OnDevice("", "pJ", None, _number(roof, "time_s", f"{where}.roofline"))
    return None


def _entry(data: Any, key: str, kind: type, where: str) -> Any:
    if not isinstance(data, dict):
        raise _MalformedError(f"{where} is no object")
    if key not in data:
        raise _MalformedError(f"{where} has no {key!r}")
    if not isinstance(data[key], kind):
        raise _MalformedError(f"{where}.{key} is {ascii(data[key])[:40]}, no {_KINDS[kind]}")
    return data[key]


_KINDS: dict[type, str] = {dict: "object", list: "list", str: "text"}


def _text(data: Any, key: str, where: str) -> str:
    return str(_entry(data, key, str, where))


def _count(data: Any, key: str, where: str) -> int:
    value = _number(data, key, where)
    if value != int(value) or value > _LARGEST:
        raise _MalformedError(f"{where}.{key} is {ascii(value)[:40]}, no count")
    return int(value)


def _number(data: Any, key: str, where: str) -> float:
    if not isinstance(data, dict) or key not in data:
        raise _MalformedError(f"{where} has no {key!r}")
    value = data[key]
    if type(value) not in (int, float) or not 0 <= value < float("inf"):
        raise _MalformedError(f"{where}.{key} is {ascii(value)[:40]}, no number from 0 on")
    return value  # type: ignore[no-any-return]
