"""How devices, rooflines and bounds are printed."""

from __future__ import annotations

from math import isfinite

from steelyard.hardware.bounds import STEPS, Bounds, LayerBounds
from steelyard.hardware.device import (
    OPERANDS,
    Accelerator,
    Array,
    Axis,
    Memory,
    PerOperand,
    Roofline,
)
from steelyard.hardware.energy_units import unit_note
from steelyard.hardware.roofline import Point, RooflineReport
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.units import format_bytes, format_si


def _levels(unit: str) -> tuple[Column, ...]:
    return (
        Column("level", "level"),
        Column("instances", "instances", "count"),
        Column("holds", "holds", rank=1),
        Column("capacity_bytes", "capacity"),
        Column("read_pj", f"read ({unit})"),
        Column("write_pj", f"write ({unit})", rank=2),
        Column("read_bandwidth", "read (elements/cycle)", rank=3),
        Column("write_bandwidth", "write (elements/cycle)", rank=3),
        Column("double_buffered", "double buffered", rank=4),
    )


_AXES = (
    Column("axis", "axis"),
    Column("size", "size", "count"),
    Column("dims", "loops", rank=1),
    *(Column(f"link_{operand}", operand) for operand in OPERANDS),
)


@document.register
def accelerator_document(device: Accelerator) -> Document:
    """Its levels from the outside in, then where each number comes from."""
    memories = [_memory_row(memory, device.instances(memory.name)) for memory in device.memories]
    axes = [
        _axis_row(array, axis, device.energy_unit) for array in device.arrays for axis in array.axes
    ]
    widths = ", ".join(f"{operand} {bits}" for operand, bits in device.bits.items())
    facts = [
        f"{device.pes:,} multiply-accumulate units at {format_si(device.clock_hz, 'Hz')}: "
        f"{format_si(device.pes * device.clock_hz)}MAC/s; {device.mac_pj:g} {device.energy_unit} each; "
        f"bits: {widths}",
    ]
    return Document(
        f"{device.name}: {device.title}" if device.title else device.name,
        lead=(
            *facts,
            *_physical(device.node_nm, device.area_mm2, device.dataflow),
            *([f"zeros: {device.zeros}"] if str(device.zeros) else []),
        ),
        tables=(
            Table("memories, outermost first", _levels(device.energy_unit), tuple(memories)),
            Table("arrays, outermost first", _AXES, tuple(axes)),
            _sources_table(device),
        ),
        notes=unit_note(device),
    )


@document.register
def roofline_device_document(device: Roofline) -> Document:
    """Its ceilings, then where each number comes from."""
    rows: list[tuple[Cell, ...]] = [
        (f"peak {dtype}", f"{format_si(rate)}MAC/s")
        for dtype, rate in device.peak_macs_per_s.items()
    ]
    rows += [
        (f"bandwidth {name}", f"{format_bytes(rate)}/s")
        for name, rate in device.bandwidth_bytes_per_s.items()
    ]
    if device.memory_bytes:
        rows.append(("memory", format_bytes(device.memory_bytes)))
    if device.power_w:
        rows.append(("power", f"{device.power_w:g} W"))
    if device.clock_hz:
        rows.append(("clock", format_si(device.clock_hz, "Hz")))
    return Document(
        f"{device.name}: {device.title}" if device.title else device.name,
        lead=_physical(device.node_nm, device.area_mm2, ""),
        tables=(
            Table("", (Column("quantity", "quantity"), Column("value", "value")), tuple(rows)),
            _sources_table(device),
        ),
        notes=("FLOPs are 2 x MACs.",),
    )


def _physical(node_nm: float | None, area_mm2: float | None, dataflow: str) -> tuple[str, ...]:
    parts = [f"{node_nm:g} nm"] if node_nm else []
    parts += [f"{area_mm2:g} mm2"] if area_mm2 else []
    parts += [f"dataflow {dataflow}"] if dataflow else []
    return (", ".join(parts),) if parts else ()


def _memory_row(memory: Memory, count: int) -> tuple[Cell, ...]:
    capacity = memory.capacity_bytes
    if capacity is None:
        room = "unbounded"
    elif isinstance(capacity, (int, float)):
        room = format_bytes(capacity)
    else:
        room = ", ".join(f"{operand} {format_bytes(size)}" for operand, size in capacity.items())
    return (
        memory.name, count, _held(memory), room, _each(memory.read_pj),
        _each(memory.write_pj), _each(memory.read_bandwidth), _each(memory.write_bandwidth),
        " ".join(memory.double_buffered),
    )  # fmt: skip


def _held(memory: Memory) -> str:
    sums = f" ({memory.psum_bits} bits)" if memory.psum_bits else ""
    return " ".join(operand + (sums if operand == "O" else "") for operand in memory.holds)


def _each(value: PerOperand | None) -> str:
    if value is None:
        return "any"
    if isinstance(value, (int, float)):
        return f"{value:g}"
    return " ".join(f"{operand} {number:g}" for operand, number in value.items())


def _axis_row(array: Array, axis: Axis, unit: str) -> tuple[Cell, ...]:
    links = [axis.link(operand) for operand in OPERANDS]
    dims = "any" if axis.dims is None else " ".join(axis.dims)
    shown = [link.kind + (f" {link.pj:g} {unit}" if link.pj else "") for link in links]
    return (f"{array.name}.{axis.name}", axis.size, dims, *shown)


def _sources_table(device: Accelerator | Roofline) -> Table:
    columns = (Column("path", "number"), Column("source", "where it comes from", wrap=True))
    return Table("sources", columns, tuple(device.sources.items()))


# ---- rooflines -------------------------------------------------------------------------------

_POINTS = (
    Column("layer", "layer"),
    Column("macs", "MACs", "count", rank=2),
    Column("access_bytes", "access", "bytes", rank=2),
    Column("intensity_macs_per_byte", "intensity", "ratio", unit="MAC/B", rank=1),
    Column("attainable_macs_per_s", "attainable", "count", unit="MAC/s"),
    Column("time_us", "time", "ratio", unit="us"),
    Column("limit", "limit"),
)


@document.register
def roofline_document(result: RooflineReport) -> Document:
    """The layers that take time, and the whole."""
    shown = [point for point in result.layers if point.time_s]
    total = (
        "total", result.macs, sum(point.access_bytes for point in result.layers), None,
        result.attainable_macs_per_s, result.time_s * 1e6, "",
    )  # fmt: skip
    notes = [
        f"Peak {format_si(result.peak_macs_per_s)}MAC/s ({result.dtype})"
        + (
            f", {format_bytes(result.bandwidth_bytes_per_s)}/s: the ridge is at {result.ridge:.3g} MAC/B."
            if isfinite(result.bandwidth_bytes_per_s)
            else "; the memory outside is never waited for."
        ),
        f"Memory is the limit for {100 * result.memory_share:.0f} % of the time.",
        "An upper bound: every tensor moves once, every unit works in every cycle.",
    ]
    return Document(
        f"roofline of {result.workload} on {result.device}",
        tables=(Table("", _POINTS, tuple(_point_row(point) for point in shown), total=total),),
        notes=tuple(notes),
    )


def _point_row(point: Point) -> tuple[Cell, ...]:
    return (
        point.name, point.macs, point.access_bytes, point.intensity,
        point.attainable_macs_per_s if point.macs else None, point.time_s * 1e6, point.limit,
    )  # fmt: skip


# ---- bounds ----------------------------------------------------------------------------------


@document.register
def bounds_document(result: Bounds) -> Document:
    """Attainable MACs per cycle after each step; the first is left out where the table is narrow."""
    columns = (
        Column("layer", "layer"),
        *(
            Column(
                f"step{number}",
                str(number),
                "count" if number < 3 else "ratio",
                rank=2 * (number < 3),
            )
            for number in range(1, len(STEPS) + 1)
        ),
        Column("utilization", "of PEs", "share"),
        Column("limit", "what costs most", rank=1),
    )
    return Document(
        f"{result.workload} on {result.device}: MACs per cycle after each step",
        lead=("; ".join(f"{number} {step}" for number, step in enumerate(STEPS, 1)),),
        tables=(
            Table(
                "",
                columns,
                tuple(_bounds_row(layer) for layer in result.layers),
                total=_bounds_row(result.network) if result.layers else None,
            ),
        ),
        notes=(f"The device has {result.pes:,} multiply-accumulate units.",),
    )


def _bounds_row(layer: LayerBounds) -> tuple[Cell, ...]:
    return (layer.name, *layer.macs_per_cycle, layer.utilization, layer.limit)
