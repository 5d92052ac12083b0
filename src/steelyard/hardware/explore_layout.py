"""How an `Exploration` is printed: a row a variant, those of the Pareto front marked."""

from __future__ import annotations

from steelyard.hardware.explore import Exploration, Point
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table


@document.register
def exploration_document(result: Exploration) -> Document:
    """A row a point in the order of the values."""
    paths = [sweep.path for sweep in result.sweeps]
    relative = result.energy_unit == "MAC"
    columns = (
        *(Column(path, path, *(("bytes",) if "capacity_bytes" in path else ())) for path in paths),
        Column("energy_uj", "energy", "ratio", unit="M MAC" if relative else "µJ"),
        Column("latency_ms", "latency", "ratio", unit="ms", fine=True),
        Column("utilization", "utilisation", "share", rank=2),
        Column("dram_accesses", "DRAM accesses", "count", rank=1),
        Column("units", "units", "count", rank=4),
        Column("on_chip_bytes", "on chip", "bytes", rank=3),
        Column("front", "front"),
    )
    front = result.front
    rows = tuple(_row(point, paths, point in front) for point in result.points)
    failed = {point.problem: point for point in result.points if point.problem}
    notes = [
        f"{len(front)} of {len(rows)} points are on the front: no other is as good in energy, latency, memory "
        "on the chip and units.",
        f"{len(rows) - result.solved} points were known before."
        if result.solved < len(rows)
        else "",
        "Energies are multiples of the energy of one MAC, not joules." if relative else "",
        *(f"No figures where {problem}." for problem in failed),
    ]
    return Document(
        title=f"{result.workload} on variants of {result.device}",
        lead=(f"Batch {result.batch}; each layer's mapping minimises {result.objective}.",),
        tables=(Table("", columns, rows),),
        notes=tuple(note for note in notes if note),
        warnings=result.notes,
    )


def _row(point: Point, paths: list[str], on_front: bool) -> tuple[Cell, ...]:
    energy, latency = point.energy_pj, point.latency_s
    values: list[Cell] = [
        value if "capacity_bytes" in path else f"{value:,}" if not isinstance(value, str) else value
        for path, value in ((path, point.settings[path]) for path in paths)
    ]
    return (
        *values,
        None if energy is None else energy * 1e-6,
        None if latency is None else latency * 1e3,
        point.utilization,
        point.dram_accesses,
        point.units,
        point.on_chip_bytes,
        "*" if on_front else "",
    )
