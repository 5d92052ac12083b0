"""`to_yaml`: a device as the YAML that `steelyard.hardware.yamlfile` reads back as the same device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from steelyard.errors import UsageError
from steelyard.hardware.device import OPERANDS, Accelerator, Array, Axis, Device, Memory, Roofline
from steelyard.hardware.yamlfile import SCHEMA


def to_dict(device: Device) -> dict[str, Any]:
    """The document as plain data: what is at its default is left out.

    Raises:
        UsageError: neither an accelerator nor a roofline.
    """
    if isinstance(device, Roofline):
        fields: dict[str, Any] = {
            "title": device.title,
            "clock_hz": device.clock_hz,
            "node_nm": device.node_nm,
            "area_mm2": device.area_mm2,
            "peak_macs_per_s": dict(device.peak_macs_per_s),
            "bandwidth_bytes_per_s": dict(device.bandwidth_bytes_per_s),
            "memory_bytes": device.memory_bytes,
            "power_w": device.power_w,
            "sources": dict(device.sources),
        }
        kind = "roofline"
    elif isinstance(device, Accelerator):
        fields = {
            "title": device.title,
            "clock_hz": device.clock_hz,
            "node_nm": device.node_nm,
            "area_mm2": device.area_mm2,
            "dataflow": device.dataflow,
            "bits": dict(device.bits),
            "mac_pj": device.mac_pj,
            "energy_unit": device.energy_unit if device.energy_unit != "pJ" else "",
            "zeros": _said(
                {
                    "gate": list(device.zeros.gate) or None,
                    "skip": list(device.zeros.skip) or None,
                    "compress": dict(device.zeros.compress),
                }
            ),
            "levels": {level.name: _level(level) for level in device.levels},
            "sources": dict(device.sources),
        }
        kind = "accelerator"
    else:
        raise UsageError(
            f"a {type(device).__name__} has no file", expected="an Accelerator or a Roofline"
        )
    return {"schema": SCHEMA, "kind": kind, "name": device.name, **_said(fields)}


def to_yaml(device: Device) -> str:
    """The device as a file's text.

    Raises:
        UsageError: as `to_dict`.
    """
    return "".join(f"{line}\n" for line in _lines(to_dict(device), ""))


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value not in (None, "", {}, ())}


def _level(level: Memory | Array) -> dict[str, Any]:
    if isinstance(level, Array):
        return {"axes": {axis.name: _axis(axis) for axis in level.axes}}
    fields = _said(
        {
            "capacity_bytes": _plain(level.capacity_bytes),
            "word_bits": level.word_bits,
            "psum_bits": level.psum_bits,
            "read_bandwidth": _plain(level.read_bandwidth),
            "write_bandwidth": _plain(level.write_bandwidth),
            "double_buffered": list(level.double_buffered) or None,
        }
    )
    holds = {} if level.holds == OPERANDS else {"holds": list(level.holds)}
    energy = {"read_pj": _plain(level.read_pj), "write_pj": _plain(level.write_pj)}
    return {**holds, **energy, **fields}


def _axis(axis: Axis) -> dict[str, Any]:
    links = {
        operand: {"kind": link.kind, **({"pj": link.pj} if link.pj else {})}
        for operand, link in axis.links.items()
    }
    dims = None if axis.dims is None else list(axis.dims)
    return _said({"size": axis.size, "links": links, "dims": dims})


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _lines(entries: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Block style; mappings of scalars and lists in one line."""
    for key, value in entries.items():
        if isinstance(value, dict) and any(isinstance(inner, dict) for inner in value.values()):
            yield f"{indent}{_key(key)}:"
            yield from _lines(value, indent + "  ")
        elif key == "sources":
            yield f"{indent}{key}:"
            yield from (f"{indent}  {_key(path)}: {_text(text)}" for path, text in value.items())
        else:
            yield f"{indent}{_key(key)}: {_flow(value)}"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return value if value in OPERANDS or len(value) == 1 else _text(value)
    return (
        repr(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
    )


def _key(key: str) -> str:
    return key if key.replace(".", "").replace("_", "").isalnum() and key.isascii() else _text(key)


def _text(text: str) -> str:
    """Double-quoted, whatever is in it."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in quoted) + '"'
