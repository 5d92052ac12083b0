"""How the search for the fastest recipe is printed: what was tried, the fastest first, and why others were refused."""

from __future__ import annotations

from steelyard.measure.optimize_result import Optimized, Trial, settled
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table

_COLUMNS = (
    Column("recipe", "recipe"),
    Column("median_ms", "median", "ratio", unit="ms"),
    Column("gain", "gain", "ratio", unit="x"),
    Column("deviation", "deviation"),
    Column("agreement", "agreement", "share"),
    Column("samples", "samples", "count", rank=2),
    Column("took_s", "tried in", "ratio", unit="s", rank=1),
)


@document.register
def optimized_document(result: Optimized) -> Document:
    """A row each."""
    chosen = result.chosen
    columns = tuple(c for c in _COLUMNS if c.key != "agreement" or result.photographs)
    shown = [t for t in settled((result.baseline, *result.trials)) if t.median_s is not None]
    rows = tuple(_row(result, trial) for trial in shown)
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
        notes=("gain: times as fast as the network as it is.", *_refusals(result), *result.notes),
    )


def _row(result: Optimized, trial: Trial) -> tuple[Cell, ...]:
    cells: list[Cell] = [
        str(trial.recipe),
        (trial.median_s or 0.0) * 1e3,
        result.gain(trial),
        "" if trial.deviation is None else f"{trial.deviation:.1e}",
    ]
    if result.photographs:
        cells.append(trial.agreement)
    return (*cells, len(trial.samples_s), trial.took_s)


def _refusals(result: Optimized) -> tuple[str, ...]:
    """What was left out, by reason."""
    reasons: dict[str, list[str]] = {}
    for trial in result.trials:
        if trial.refused:
            reasons.setdefault(" ".join(trial.refused.split()), []).append(str(trial.recipe))
    return tuple(f"{'; '.join(recipes)}: {reason}" for reason, recipes in reasons.items())
