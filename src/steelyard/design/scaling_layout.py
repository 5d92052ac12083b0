"""How `Scaling` and `ScalingGrid` are printed: a row for each network."""

from __future__ import annotations

from steelyard.design.scaling import Scaling
from steelyard.design.scaling_grid import ScalingGrid
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table

_COSTS = (
    Column("params", "params", "count", rank=1),
    Column("macs", "MACs", "count"),
    Column("macs_ratio", "MACs ×", "ratio"),
    Column("peak_bytes", "peak memory", "bytes", rank=2),
)


@document.register
def scaling_document(result: Scaling) -> Document:
    """The network, its proposals, and where the latencies come from."""
    columns = (
        Column("label", "proposal"),
        Column("depth", "depth ×", "ratio", rank=3),
        Column("width", "width ×", "ratio", rank=3),
        Column("resolution", "resolution", "count", rank=1),
        Column("expected_ratio", "d w² r²", "ratio", rank=3),
        *_COSTS,
        Column("latency_ms", "latency", "ratio", unit="ms"),
        Column("measured_ms", "measured", "ratio", unit="ms"),
        Column("energy_mj", "energy", "ratio", unit="mJ", fine=True),
        Column("source", "source", rank=4),
    )
    rows = tuple(
        (
            row.label, row.factors.depth, row.factors.width, _number(row.settings["resolution"]), row.factors.macs,
            row.params, row.macs, row.growth, row.peak_bytes, _milli(row.latency_s), _milli(row.measured_s),
            _milli(row.energy_j), row.source,
        )
        for row in result.rows
    )  # fmt: skip
    kept = [i for i, _ in enumerate(columns) if any(row[i] is not None for row in rows)]
    table = Table(
        "", tuple(columns[i] for i in kept), tuple(tuple(row[i] for i in kept) for row in rows)
    )
    notes = [f"{row.label}: {row.source}" for row in result.proposals]
    notes.append(f"{result.clock}.")
    if result.energy_device:
        notes.append(
            f"energy on {result.energy_device}, each layer with its mapping of least energy."
        )
    return Document(
        title=f"{result.network} scaled: {result.rule}",
        tables=(table,),
        notes=tuple(notes),
        warnings=result.warnings,
    )


@document.register
def grid_document(result: ScalingGrid) -> Document:
    """A row for each choice of coefficients."""
    columns: tuple[Column, ...] = (
        Column("alpha", "alpha", "ratio"),
        Column("beta", "beta", "ratio"),
        Column("gamma", "gamma", "ratio"),
        Column("product", "α β² γ²", "ratio"),
        *_COSTS,
        Column("score", "score", "ratio", fine=True),
        Column("source", "source", rank=3),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            p.rule.alpha, p.rule.beta, p.rule.gamma, p.rule.growth, p.params, p.macs, p.growth, p.peak_bytes, p.score,
            p.source,
        )
        for p in result.points
    )  # fmt: skip
    judged = any(point.score is not None for point in result.points)
    if not judged:
        columns = (*columns[:-2], columns[-1])
        rows = tuple((*row[:-2], row[-1]) for row in rows)
    note = (
        ""
        if judged
        else "Costs do not say which choice is best: the paper trained each of them and kept the most accurate."
    )
    return Document(
        title=f"{result.network} at phi 1, alpha × beta² × gamma² within {result.tolerance:g} of 2",
        tables=(Table("", columns, rows),),
        notes=(note,) if note else (),
    )


def _milli(value: float | None) -> float | None:
    return None if value is None else value * 1e3


def _number(value: object) -> int:
    return int(str(value))
