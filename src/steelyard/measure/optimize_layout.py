"""How the search for the fastest recipe is printed: what was tried, the fastest first, and why others were refused."""

from __future__ import annotations

from steelyard.measure.optimize_result import Optimized, Trial, settled
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table

_COLUMNS = (
    Column("recipe", "recipe"),
    Column("median_ms", "median", "ratio", unit="ms"),
    Column("gain", "gain", "ratio", unit="x"),
    Column("deviation", "deviation", rank=2),
    Column("agreement", "agreement", "share", rank=1),
    Column("samples", "samples", "count", rank=4),
    Column("took_s", "tried in", "ratio", unit="s", rank=3),
    Column("refused", "refused"),
)


@document.register
def optimized_document(result: Optimized) -> Document:
    """A row each."""
    chosen = result.chosen
    columns = tuple(c for c in _COLUMNS if c.key != "agreement" or result.photographs)
    rows = tuple(_row(result, trial) for trial in settled((result.baseline, *result.trials)))
    gain = result.gain(chosen) or 1.0
    lead = (
        f"{chosen.recipe}: {(chosen.median_s or 0) * 1e3:.3g} ms, {gain:.2f} times as fast as {result.baseline.recipe}"
        f" ({chosen.ran})",
        f"{' '.join('x'.join(map(str, shape)) for shape in result.input_shapes)}, {result.threads} threads, "
        f"outputs within {result.tolerance:g} of the largest; found in {result.search_s:.0f} s",
    )
    return Document(
        title=f"{result.network}: the fastest here",
        lead=lead,
        tables=(Table("", columns, rows),),
        notes=("gain: times as fast as the network as it is.", *result.notes),
    )


def _row(result: Optimized, trial: Trial) -> tuple[Cell, ...]:
    median = trial.median_s
    cells: list[Cell] = [
        str(trial.recipe),
        None if median is None else median * 1e3,
        result.gain(trial),
        "" if trial.deviation is None else f"{trial.deviation:.1e}",
    ]
    if result.photographs:
        cells.append(trial.agreement)
    return (
        *cells,
        len(trial.samples_s) or None,
        trial.took_s or None,
        " ".join(trial.refused.split()),
    )
