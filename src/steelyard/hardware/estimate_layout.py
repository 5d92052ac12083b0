"""How an `Estimate` is printed, alone or several side by side: energy by level, cycles, utilisation, DRAM."""

from __future__ import annotations

from collections.abc import Sequence

from steelyard.errors import UsageError
from steelyard.hardware.energy_units import (
    comparable,
    format_energy,
    format_power,
    million,
    unit_note,
)
from steelyard.hardware.estimate_result import Estimate, LayerEstimate
from steelyard.hardware.fusion_layout import fusion_table
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.units import format_bytes, format_si

MICRO = 1e-6
"""From pJ to µJ, the unit of the tables."""

_WORDS = {"I": "inputs", "W": "weights", "O": "outputs", "MAC": "operations"}


def dram_bytes(layer: LayerEstimate, estimate: Estimate) -> float:
    """Bytes that a layer reads from and writes to the outermost memory."""
    bits = estimate.device.bits
    return sum(moved * bits[operand] / 8 for operand, moved in layer.dram.items())


@document.register
def estimate_document(result: Estimate) -> Document:
    """A row a layer, then where the energy goes."""
    return Document(
        title=f"{result.workload} on {result.device.name}",
        lead=(_how(result),),
        tables=(_layers(result), *_fused(result), _parts(result)),
        notes=_notes(result),
        warnings=result.notes,
    )


def _fused(result: Estimate) -> tuple[Table, ...]:
    return (fusion_table(result.fusion, result.device),) if result.fusion else ()


def estimates_document(results: Sequence[Estimate]) -> Document:
    """The totals of several estimates, a row each; the best of each column is named below.

    Raises:
        UsageError: fewer than two.
    """
    if len(results) < 2:
        raise UsageError(f"{len(results)} estimates to compare", expected="at least 2")
    devices = [result.device for result in results]
    shown = [result for result in results if comparable(result.device, devices)]
    unit = million(shown[0].device)
    columns = (
        Column("device", "device"),
        Column("energy_uj", "energy", "ratio", unit=unit),
        Column("per_image_uj", "per image", "ratio", unit=unit, rank=4),
        Column("latency_ms", "latency", "ratio", unit="ms", fine=True),
        Column("per_s", "images/s", "ratio", rank=2),
        Column("power_w", "power", "ratio", unit="W", rank=3),
        Column("utilization", "utilisation", "share", rank=1),
        Column("dram_bytes", "DRAM", "bytes", rank=1),
    )
    rows = tuple(
        (
            result.device.name,
            result.energy_pj * MICRO if comparable(result.device, devices) else None,
            result.energy_pj * MICRO / result.batch if comparable(result.device, devices) else None,
            result.latency_s * 1e3,
            result.throughput_per_s,
            result.power_w,
            result.utilization,
            _dram(result),
        )
        for result in results
    )
    leasts = {
        "least energy": min(shown, key=lambda r: r.energy_pj),
        "least latency": min(results, key=lambda r: r.latency_s),
        "least DRAM traffic": min(results, key=_dram),
    }
    first = results[0]
    return Document(
        title=f"{first.workload} on {len(results)} devices",
        lead=(_how(first),),
        tables=(Table("", columns, rows),),
        notes=(
            "; ".join(f"{what}: {best.device.name}" for what, best in leasts.items()),
            "Process nodes and what the energies include differ between devices: steelyard devices NAME.",
            *(note for result in results for note in unit_note(result.device)),
        ),
        warnings=tuple(dict.fromkeys(note for result in results for note in result.notes)),
    )


def _how(result: Estimate) -> str:
    flow = f"dataflow {result.dataflow}" if result.dataflow else "any dataflow"
    flow += "; uneven mappings" if result.mapspace == "uneven" else ""
    fused = "; consecutive layers fused" if result.fusion else ""
    return (
        f"Batch {result.batch}; each layer's mapping minimises {result.objective}; {flow}{fused}."
    )


def _layers(result: Estimate) -> Table:
    levels = list(result.energy_by_level())
    apart = result.folds_apart()
    unit = million(result.device)
    columns = (
        Column("layer", "layer"),
        Column("macs", "MACs", "count", rank=4),
        Column("energy_uj", "energy", "ratio", unit=unit),
        *(
            Column(f"{level}_uj", level, "ratio", unit=unit, rank=3 if level == "MAC" else 2)
            for level in levels
        ),
        Column("cycles", "cycles", "count"),
        *((Column("cycles_apart", "folds apart", "count"),) if apart else ()),
        Column("utilization", "utilisation", "share", rank=1),
        Column("dram_bytes", "DRAM", "bytes", rank=1),
    )
    shown = [layer for layer in result.layers if layer.energy_pj or layer.cycles]
    rows = tuple(_row(layer, levels, apart, dram_bytes(layer, result)) for layer in shown)
    by_level = result.energy_by_level()
    total: tuple[Cell, ...] = (
        "total",
        result.macs,
        result.energy_pj * MICRO,
        *(by_level[level] * MICRO for level in levels),
        result.cycles,
        *((sum(apart.values()),) if apart else ()),
        result.utilization,
        _dram(result),
    )
    hidden = len(result.layers) - len(shown)
    notes = []
    if hidden:
        notes.append(f"{hidden} layers that cost nothing here are not shown")
    if apart:
        notes.append(
            "folds apart: the systolic array alone, filled and drained for every fold, as SCALE-Sim counts"
        )
    return Table("", columns, rows, total=total, notes=tuple(notes))


def _row(
    layer: LayerEstimate, levels: list[str], apart: dict[str, int], moved: float
) -> tuple[Cell, ...]:
    return (
        layer.name,
        layer.macs or None,
        layer.energy_pj * MICRO,
        *(layer.levels.get(level, 0.0) * MICRO for level in levels),
        layer.cycles,
        *((apart.get(layer.name),) if apart else ()),
        layer.utilization if layer.macs else None,
        moved,
    )


def _parts(result: Estimate) -> Table:
    """Shares of the energy by level and by operand."""
    whole = result.energy_pj or 1.0
    rows: list[tuple[Cell, ...]] = [
        (name, pj * MICRO, pj / whole) for name, pj in result.energy_by_level().items()
    ]
    rows += [
        (_WORDS[name], pj * MICRO, pj / whole)
        for name, pj in result.energy_by_operand().items()
        if name != "MAC"
    ]
    columns = (
        Column("part", "by level, then by operand"),
        Column("energy_uj", "energy", "ratio", unit=million(result.device)),
        Column("share", "share", "share", bar=True),
    )
    return Table("where the energy goes", columns, tuple(rows))


def _notes(result: Estimate) -> tuple[str, ...]:
    total = (
        f"{format_energy(result.energy_pj, result.device)} and {format_si(result.latency_s, 's')} for "
        f"{result.batch} image{'' if result.batch == 1 else 's'}: "
        f"{result.throughput_per_s:,.4g} images/s, {format_power(result.power_w)}; "
        f"DRAM traffic {format_bytes(_dram(result))}."
    )
    if result.gap < 1e-9:
        proven = "Every mapping is proven the best of its mapspace"
    else:
        proven = f"The search was cut short: a layer may be up to {result.gap:.2%} from its best"
    known = result.problems - result.searched
    search = f"{proven}: {result.problems} different layers, {known} known before, {result.seconds:.1f} s."
    moved = (
        "Other layers only move data; those of one map's shape are applied on the way (fused)."
        if result.pointwise == "fused"
        else "Other layers only move data, each through DRAM."
    )
    return (total, search, moved, *unit_note(result.device))


def _dram(result: Estimate) -> float:
    return sum(dram_bytes(layer, result) for layer in result.layers)
