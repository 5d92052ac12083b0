"""The knobs of networks and devices: what can be turned, of what type, and the range that a slider should have."""

from __future__ import annotations

import dataclasses
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from steelyard.hardware.device import Accelerator, Memory
from steelyard.zoo.registry import default_registry

BITS = {4: "int4", 8: "int8", 16: "float16", 32: "float32", 64: "float64"}
"""Data types by the bits that a knob offers."""


def network_knobs(name: str) -> list[dict[str, Any]]:
    """The settings of a network of the zoo that a request may give.

    Each has ``name``, ``type`` (``int``, ``float``, ``bool``, ``choice``, ``ints``, ``text``), ``optional`` (null fits, too),
    ``default``, ``low``, ``high`` (null: no bound), ``choices`` (of a choice), ``doc`` and ``slider`` (``min``, ``max``, ``step``;
    of ``ints`` for each; null where a slider makes no sense).

    Raises:
        UnknownNameError: no such network.
    """
    family, model = default_registry().find(name)
    hints = get_type_hints(family.config)
    knobs = []
    for field in dataclasses.fields(family.config):
        kind, optional, choices = _kind(hints[field.name])
        default = model.defaults.get(field.name, field.default)
        if not field.init or not kind or (kind == "text" and not isinstance(default, str)):
            continue
        low, high = field.metadata.get("low"), field.metadata.get("high")
        knobs.append(
            {
                "name": field.name,
                "type": kind,
                "optional": optional,
                "default": list(default) if isinstance(default, tuple) else default,
                "low": low,
                "high": high,
                "choices": choices,
                "doc": str(field.metadata.get("doc", "")),
                "slider": _slider(field.name, kind, default, low, high),
            }
        )
    return knobs


def device_knobs(device: Accelerator) -> list[dict[str, Any]]:
    """What can be turned on an accelerator: sizes of its array and memories, bandwidths, clock.

    Each has ``name``, ``type``, ``unit``, ``default`` and ``slider`` (with ``scale``: ``log`` or ``linear``).
    """
    knobs = [
        _knob(f"{axis.name}.size", "int", "", axis.size)
        for array in device.arrays
        for axis in array.axes
    ]
    for memory in device.memories:
        knobs += _memory_knobs(memory)
    return [*knobs, _knob("clock_hz", "float", "Hz", device.clock_hz)]


def _memory_knobs(memory: Memory) -> list[dict[str, Any]]:
    found = []
    cycle = "elements/cycle"
    units = {"capacity_bytes": "B", "read_bandwidth": cycle, "write_bandwidth": cycle}
    for field, unit in units.items():
        value = getattr(memory, field)
        kind = "int" if field == "capacity_bytes" else "float"
        if isinstance(value, (int, float)):
            found.append(_knob(f"{memory.name}.{field}", kind, unit, value))
        elif value is not None:
            found += [
                _knob(f"{memory.name}.{field}.{operand}", kind, unit, number)
                for operand, number in value.items()
            ]
    return [knob for knob in found if 0 < knob["default"] < float("inf")]


def _knob(name: str, kind: str, unit: str, default: float) -> dict[str, Any]:
    low, high = default / 8, default * 8
    if kind == "int":
        low, high = max(1, int(low)), int(high)
    step = 1 if kind == "int" else default / 64
    slider = {"min": low, "max": high, "step": step, "scale": "log"}
    return {"name": name, "type": kind, "unit": unit, "default": default, "slider": slider}


def _kind(hint: Any) -> tuple[str, bool, list[Any] | None]:
    """(type in a word or "", whether None fits, choices)."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        options = get_args(hint)
        rest = [option for option in options if option is not NoneType]
        kind, _, choices = _kind(rest[0])
        return kind, len(rest) < len(options), choices
    if origin is Literal:
        return "choice", False, list(get_args(hint))
    if origin is tuple:
        return ("ints" if get_args(hint)[0] is int else ""), False, None
    words = {int: "int", float: "float", bool: "bool", str: "text"}
    return words.get(hint, ""), False, None


def _slider(name: str, kind: str, default: Any, low: Any, high: Any) -> dict[str, Any] | None:
    most = float("inf") if high is None else high
    least = 0 if low is None else low
    if name == "resolution":
        step = 4 if default < 100 else 8
        smallest = max(step * 4, default // 4 // step * step)
        return {"min": smallest, "max": min(most, default * 2), "step": step}
    if kind == "float" and isinstance(default, (int, float)):
        if default in (0, 1) and most == 1 and least == 0:
            return {"min": 0, "max": 1, "step": 0.05}
        if not default:
            return None
        return {"min": max(least, default / 4), "max": min(most, default * 2), "step": default / 20}
    if kind == "int" and isinstance(default, int):
        return {
            "min": max(least, default // 4),
            "max": min(most, max(default * 4, default + 8)),
            "step": 1,
        }
    if kind == "ints" and isinstance(default, tuple) and default:
        largest = max(default)
        return {
            "min": max(least, 1),
            "max": min(most, max(largest * 2, largest + 4)),
            "step": 1,
        }
    return None
