"""`placed`: what bounds say at once about a network on a device, without a search for mappings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import steelyard
from steelyard.cost import CostReport
from steelyard.errors import UsageError
from steelyard.hardware.device import Accelerator
from steelyard.hardware.sweep import variant
from steelyard.web.knobs import device_knobs


def placed(report: CostReport, device: str, knobs: Mapping[str, int | float]) -> dict[str, Any]:
    """The shortest time that the device allows the network, by layer.

    Of an accelerator the seven bounds (`steelyard.bounds`) of layers that multiply and accumulate; of a CPU or GPU
    the roofline. What no mapping or program can beat: a whole mapping is `steelyard.estimate`'s.

    Args:
        report: the network.
        device: a name.
        knobs: numbers that are changed: ``glb.capacity_bytes``, ``x.size`` ...

    Raises:
        UnknownNameError: no such device or knob.
        UsageError: knobs of a device whose inside is not known, or no peak for the network's data type.
        InputError: a value that no device can have.
    """
    found = device_with(device, knobs)
    shared = {
        "schema": "steelyard.placed/1",
        "workload": report.workload.name,
        "device": found.name,
        "device_knobs": dict(knobs),
    }
    if not isinstance(found, Accelerator):
        roof = steelyard.roofline(report.workload, found)
        layers = [
            {"name": p.name, "time_s": p.time_s, "limit": p.limit, "utilization": None}
            for p in roof.layers
        ]
        limit = "memory" if roof.memory_share > 0.5 else "compute"
        utilization = roof.attainable_macs_per_s / roof.peak_macs_per_s
        return {
            **shared, "kind": "roofline", "latency_s": roof.time_s, "utilization": utilization, "limit": limit,
            "layers": layers, "roofline": roof.to_dict(), "bounds": None,
        }  # fmt: skip
    bounds = steelyard.bounds(report.workload, found)
    layers = [
        {
            "name": layer.name,
            "time_s": layer.macs / layer.attainable / bounds.clock_hz,
            "limit": layer.limit,
            "utilization": layer.utilization,
        }
        for layer in bounds.layers
    ]
    network = bounds.network if bounds.layers else None
    return {
        **shared, "kind": "accelerator", "latency_s": sum(layer["time_s"] for layer in layers),
        "utilization": network.utilization if network else None, "limit": network.limit if network else "nothing",
        "layers": layers, "roofline": None, "bounds": bounds.to_dict(),
    }  # fmt: skip


def device_with(name: str, knobs: Mapping[str, int | float]) -> Any:
    """A device, changed where asked; raises as `placed`."""
    if "/" in name or name.lower().endswith((".yaml", ".yml")):
        raise UsageError(f"{name!r} is no device's name", expected="one of GET /api/devices")
    found = steelyard.device(name)
    if not knobs:
        return found
    if not isinstance(found, Accelerator):
        raise UsageError(f"{name} has no knobs: its inside is not known", expected="an accelerator")
    now = {knob["name"]: knob["default"] for knob in device_knobs(found)}
    turned = {key: _whole(value) for key, value in knobs.items() if now.get(key) != value}
    return variant(found, turned)


def _whole(value: int | float) -> int | float:
    """Sizes of axes are whole numbers, also where a slider sends 14.0."""
    return int(value) if float(value).is_integer() else value
