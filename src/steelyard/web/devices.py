"""Devices as the API tells them: the list as ``steelyard devices --json`` has it, and one with its knobs."""

from __future__ import annotations

from typing import Any

import steelyard
from steelyard.errors import UnknownNameError
from steelyard.hardware.registry import MEASURED
from steelyard.web.knobs import device_knobs


def all_devices() -> dict[str, Any]:
    """Every device that has a name, with the same keys as ``steelyard devices --json``."""
    rows: list[dict[str, Any]] = []
    for name in steelyard.list_devices():
        if name == MEASURED:
            title = "This machine, measured when it is asked for"
            rows.append({"name": name, "kind": "roofline", "title": title})
            continue
        found = steelyard.device(name)
        accelerator = isinstance(found, steelyard.Accelerator)
        rows.append(
            {
                "name": name,
                "kind": "accelerator" if accelerator else "roofline",
                "title": found.title,
                "peak_macs_per_s": found.pes * found.clock_hz
                if isinstance(found, steelyard.Accelerator)
                else next(iter(found.peak_macs_per_s.values())),
                "node_nm": found.node_nm,
                "units": found.pes if isinstance(found, steelyard.Accelerator) else None,
            }
        )
    return {"schema": "steelyard.devices/1", "devices": rows}


def one_device(name: str) -> dict[str, Any]:
    """A device as ``steelyard devices NAME --json`` has it, under ``device``, and its ``knobs``.

    Raises:
        UnknownNameError: no such name.
    """
    if name not in steelyard.list_devices():
        raise UnknownNameError(
            "device", name[:80], steelyard.list_devices(), hint="GET /api/devices"
        )
    found = steelyard.device(name)
    knobs = device_knobs(found) if isinstance(found, steelyard.Accelerator) else []
    return {"schema": "steelyard.device-knobs/1", "device": found.to_dict(), "knobs": knobs}
