"""Devices as YAML files: `read_device`, `parse_device` and `to_yaml`, with an error for every mistake.

A file of an accelerator::

    schema: steelyard.device/1
    kind: accelerator                 # or roofline: a CPU or GPU of which only the ceilings are known
    name: tiny
    clock_hz: 200 MHz
    mac_pj: 1
    levels:                           # outermost first
      dram: {read_pj: 200, write_pj: 200}
      buffer: {capacity_bytes: 64 KiB, read_pj: 6, write_pj: 6, double_buffered: [I]}
      pes:
        axes:
          x: {size: 16, links: {W: {kind: multicast, pj: 2}}, dims: [M, C]}
      spad: {capacity_bytes: {I: 24, W: 448, O: 48}, read_pj: 1, write_pj: 1}
    sources:                          # where the numbers come from: path -> text; a path covers what is below
      levels.pes: a paper, table 1

Keys are the fields of `steelyard.hardware.device`'s classes. A number may carry its unit (``64 KiB``,
``1.2 GHz``, ``0.2 nJ``, ``128 GB/s``); without one it is in the unit that ends its key. Where only ratios of
energies are known, ``energy_unit: MAC`` says that they are multiples of one operation's and not pJ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar, cast

from steelyard.errors import InputError, nearest
from steelyard.hardware.dataflows import DATAFLOWS
from steelyard.hardware.device import (
    DIMENSIONS,
    ENERGY_UNITS,
    OPERANDS,
    Accelerator,
    Array,
    Axis,
    EnergyUnit,
    Link,
    LinkKind,
    Memory,
    Operand,
    Roofline,
)
from steelyard.hardware.quantities import (
    MAX_WHOLE,
    bytes_per_second,
    hertz,
    macs_per_second,
    picojoules,
    positive,
    whole,
    whole_bytes,
)
from steelyard.hardware.yamltree import Node, parse_tree, read_tree
from steelyard.hardware.zero_means import SCHEMES, Scheme, Sparsity

SCHEMA = "steelyard.device/1"

_COMMON = ("schema", "kind", "name", "title", "sources", "clock_hz", "node_nm", "area_mm2")
_ACCELERATOR = (*_COMMON, "dataflow", "bits", "mac_pj", "energy_unit", "levels", "zeros")
_ROOFLINE = (*_COMMON, "peak_macs_per_s", "bandwidth_bytes_per_s", "memory_bytes", "power_w")
_MEMORY = (
    "holds", "capacity_bytes", "read_pj", "write_pj", "word_bits", "read_bandwidth", "write_bandwidth",
    "double_buffered", "psum_bits",
)  # fmt: skip
_AXIS = ("size", "links", "dims")
_LINKS: tuple[LinkKind, ...] = ("unicast", "multicast", "neighbour", "reduce")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}\Z")

_Made = TypeVar("_Made")


def read_device(path: str | Path) -> Accelerator | Roofline:
    """The device that a file describes.

    Raises:
        FileFormatError: the file is missing, not YAML, or says something that no device can be; the message
            names the file, the line, the path in the document and what was expected.
    """
    return _device(read_tree(path))


def parse_device(text: str, file: str = "text") -> Accelerator | Roofline:
    """The device that ``text`` describes; ``file`` is its name in messages.

    Raises:
        FileFormatError: as `read_device`.
    """
    return _device(parse_tree(text, file))


def _device(top: Node) -> Accelerator | Roofline:
    entries = top.mapping()
    for key in ("schema", "kind"):
        if key not in entries:
            raise top.error(
                f"no {key}", expected=f"schema: {SCHEMA} and kind: accelerator or roofline"
            )
    if entries["schema"].value != SCHEMA:
        raise entries["schema"].error(f"{entries['schema'].shown}", expected=SCHEMA)
    kind = _choice(entries["kind"], ("accelerator", "roofline"))
    return _accelerator(top) if kind == "accelerator" else _roofline(top)


# ---- accelerators ----------------------------------------------------------------------------


def _accelerator(top: Node) -> Accelerator:
    entries = top.known(_ACCELERATOR, ("name", "clock_hz", "mac_pj", "levels"))
    nodes = entries["levels"].mapping()
    if not nodes:
        raise entries["levels"].error("no levels", expected="DRAM first, then what is inside it")
    levels = tuple(_level(name, node) for name, node in nodes.items())
    if not any(isinstance(level, Memory) for level in levels):
        raise entries["levels"].error(
            "no memory among the levels", expected="DRAM as the first level"
        )
    bits = dict.fromkeys(OPERANDS, 16)
    if (node := entries.get("bits")) is not None:
        bits = (
            {operand: whole(node) for operand in OPERANDS}
            if not isinstance(node.value, dict)
            else {cast(Operand, k): whole(n) for k, n in node.known(OPERANDS, OPERANDS).items()}
        )
    device = _make(
        top,
        lambda: Accelerator(
            name=_name(entries["name"]),
            levels=levels,
            mac_pj=picojoules(entries["mac_pj"]),
            bits=bits,
            clock_hz=hertz(entries["clock_hz"]),
            title=_optional(entries, "title", Node.text) or "",
            node_nm=_optional(entries, "node_nm", positive),
            area_mm2=_optional(entries, "area_mm2", positive),
            dataflow=_optional(entries, "dataflow", lambda node: _choice(node, tuple(DATAFLOWS)))
            or "",
            zeros=_optional(entries, "zeros", _zeros) or Sparsity(),
            energy_unit=cast(
                EnergyUnit,
                _optional(entries, "energy_unit", lambda node: _choice(node, ENERGY_UNITS)) or "pJ",
            ),
            sources=_sources(top),
        ),
    )
    if device.pes > MAX_WHOLE:
        raise entries["levels"].error(
            f"the arrays multiply to {device.pes:,} units", expected=f"at most {MAX_WHOLE:,}"
        )
    return device


def _zeros(node: Node) -> Sparsity:
    entries = node.known(("gate", "skip", "compress"))
    idle: dict[str, tuple[Operand, ...]] = {}
    for use in ("gate", "skip"):
        items = entries[use].items() if use in entries else []
        idle[use] = tuple(cast(Operand, _choice(item, ("I", "W"))) for item in items)
    compress = entries["compress"].known(OPERANDS) if "compress" in entries else {}
    return Sparsity(
        idle["gate"],
        idle["skip"],
        {cast(Operand, o): cast(Scheme, _choice(n, SCHEMES)) for o, n in compress.items()},
    )


def _level(name: str, node: Node) -> Memory | Array:
    if not _NAME.match(name):
        raise node.error(f"the name {name!r}", expected="letters, digits and _ . + -")
    if "axes" in node.mapping():
        axes = node.known(("axes",))["axes"].mapping()
        return _make(node, lambda: Array(name, tuple(_axis(key, axes[key]) for key in axes)))
    return _memory(name, node)


def _axis(name: str, node: Node) -> Axis:
    entries = node.known(_AXIS, ("size",))
    if not _NAME.match(name):
        raise node.error(f"the name {name!r}", expected="letters, digits and _ . + -")
    links: dict[Operand, Link] = {}
    if "links" in entries:
        for operand, link in entries["links"].known(OPERANDS).items():
            links[cast(Operand, operand)] = _link(link)
    dims = None
    if "dims" in entries:
        dims = tuple(_choice(item, DIMENSIONS) for item in entries["dims"].items())
        if not dims or len(set(dims)) < len(dims):
            raise entries["dims"].error("no dimension, or one twice", expected="some of NGMCPQRS")
    return _make(node, lambda: Axis(name, whole(entries["size"]), links, dims))


def _link(node: Node) -> Link:
    entries = node.known(("kind", "pj"), ("kind",))
    kind = cast(LinkKind, _choice(entries["kind"], _LINKS))
    return Link(kind, _optional(entries, "pj", picojoules) or 0.0)


def _memory(name: str, node: Node) -> Memory:
    entries = node.known(_MEMORY, ("read_pj", "write_pj"))
    holds = OPERANDS
    if "holds" in entries:
        holds = _operands(entries["holds"])
    buffered: tuple[Operand, ...] = ()
    if "double_buffered" in entries:
        buffered = _operands(entries["double_buffered"])
        if outside := [operand for operand in buffered if operand not in holds]:
            raise entries["double_buffered"].error(
                f"{name} does not hold {', '.join(outside)}", expected="some of " + ", ".join(holds)
            )
    return _make(
        node,
        lambda: Memory(
            name=name,
            holds=holds,
            capacity_bytes=_per_operand(entries, "capacity_bytes", whole_bytes, holds),
            read_pj=_per_operand(entries, "read_pj", picojoules, holds) or 0.0,
            write_pj=_per_operand(entries, "write_pj", picojoules, holds) or 0.0,
            word_bits=_optional(entries, "word_bits", whole) or 16,
            read_bandwidth=_per_operand(entries, "read_bandwidth", positive, holds),
            write_bandwidth=_per_operand(entries, "write_bandwidth", positive, holds),
            double_buffered=buffered,
            psum_bits=_optional(entries, "psum_bits", whole),
        ),
    )


def _operands(node: Node) -> tuple[Operand, ...]:
    found = [_choice(item, OPERANDS) for item in node.items()]
    if not found or len(set(found)) < len(found):
        raise node.error("no operand, or one twice", expected="some of I, W, O, each once")
    return tuple(cast(Operand, operand) for operand in found)


def _per_operand(
    entries: Mapping[str, Node], key: str, read: Callable[[Node], float], holds: tuple[Operand, ...]
) -> float | dict[Operand, float] | None:
    node = entries.get(key)
    if node is None or node.value is None:
        return None
    if isinstance(node.value, dict):
        return {cast(Operand, k): read(n) for k, n in node.known(holds, holds).items()}
    return read(node)


# ---- rooflines -------------------------------------------------------------------------------


def _roofline(top: Node) -> Roofline:
    entries = top.known(_ROOFLINE, ("name", "peak_macs_per_s", "bandwidth_bytes_per_s"))
    peaks, bandwidths = entries["peak_macs_per_s"], entries["bandwidth_bytes_per_s"]
    return _make(
        top,
        lambda: Roofline(
            name=_name(entries["name"]),
            peak_macs_per_s={k: macs_per_second(n) for k, n in peaks.mapping().items()},
            bandwidth_bytes_per_s={k: bytes_per_second(n) for k, n in bandwidths.mapping().items()},
            title=_optional(entries, "title", Node.text) or "",
            memory_bytes=_optional(entries, "memory_bytes", whole_bytes),
            power_w=_optional(entries, "power_w", positive),
            clock_hz=_optional(entries, "clock_hz", hertz),
            node_nm=_optional(entries, "node_nm", positive),
            area_mm2=_optional(entries, "area_mm2", positive),
            sources=_sources(top),
        ),
    )


# ---- what both share -------------------------------------------------------------------------


def _make(node: Node, build: Callable[[], _Made]) -> _Made:
    """What ``build`` returns; a complaint of the data model is told with the place in the file."""
    try:
        return build()
    except InputError as error:
        if error.given.startswith(f"{node.file}, line "):
            raise
        raise node.error(error.given, expected=error.expected, hint=error.hint) from error


def _sources(top: Node) -> dict[str, str]:
    """Path -> text; every path must exist, and say something: what is null is written out no more."""
    entries = top.mapping()
    if "sources" not in entries:
        return {}
    known = [path for path in _paths(top) if not path.startswith("sources")]
    for path, node in entries["sources"].mapping().items():
        if path not in known:
            near = nearest(path, known, n=1)
            raise node.error(
                f"a source for {path!r}, which the file does not have",
                expected="a path such as levels.dram.read_pj",
                hint=f"{near[0]}:" if near else "",
            )
    return {path: node.text() for path, node in entries["sources"].mapping().items()}


def _paths(node: Node) -> list[str]:
    if node.value is None:
        return []
    inner = node.value.values() if isinstance(node.value, dict) else ()
    return [node.path, *(path for entry in inner for path in _paths(entry))]


def source_of(sources: Mapping[str, str], path: str) -> str:
    """The source of the value at ``path``: its own, else that of what it stands in; "" for none.

    >>> source_of({"levels.glb": "table 1"}, "levels.glb.read_pj")
    'table 1'
    """
    while path:
        if path in sources:
            return sources[path]
        path = path.rpartition(".")[0]
    return ""


def _optional(entries: Mapping[str, Node], key: str, read: Callable[[Node], _Made]) -> _Made | None:
    node = entries.get(key)
    return None if node is None or node.value is None else read(node)


def _name(node: Node) -> str:
    text = str(node.value) if isinstance(node.value, int) else node.text()
    if not _NAME.match(text):
        raise node.error(f"the name {node.shown}", expected="letters, digits and _ . + -")
    return text


def _choice(node: Node, known: tuple[str, ...]) -> str:
    if node.value in known and isinstance(node.value, str):
        return node.value
    near = nearest(node.value, known, n=1) if isinstance(node.value, str) else ()
    raise node.error(
        f"{node.shown} is not known",
        expected="one of " + ", ".join(known),
        hint=near[0] if near else "",
    )
