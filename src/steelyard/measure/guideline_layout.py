"""How the guideline experiments are printed: this machine beside the paper's two, and what holds."""

from __future__ import annotations

from steelyard.measure.guideline_designs import CLAIMS
from steelyard.measure.guideline_trials import GuidelineTrials, TrialRow
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table

_COLUMNS = (
    Column("guideline", "guideline"),
    Column("row", "network"),
    Column("channels", "channels", rank=3),
    Column("macs", "MACs", "count", rank=3),
    Column("images_per_s", "images/s", "ratio", rank=2),
    Column("relative", "speed here", "ratio"),
    Column("interval", "95 % interval"),
    Column("outcome", "so it is"),
    Column("arm", "ARM 2018", "ratio"),
    Column("gpu", "GPU 2018", "ratio"),
)

_WORDS = {
    "holds here": "slower",
    "does not hold here": "not slower",
    "cannot be told (noise)": "noise",
}


@document.register
def trials_document(result: GuidelineTrials) -> Document:
    """A row for each network, and a sentence for each guideline."""
    about = result.environment
    plural = "s" if result.threads != 1 else ""
    return Document(
        title=f"ShuffleNet V2's guidelines on this machine, channels x{result.scale}, batch {result.batch}, "
        f"{result.threads} thread{plural}",
        lead=(f"{about.get('processor', 'this machine')}; {result.ran}",),
        tables=(Table("", _COLUMNS, tuple(_row(row, result.batch) for row in result.rows)),),
        notes=(
            *sentences(result),
            "Speeds are over that of the first network of each experiment, at equal MACs; ours are medians over "
            "rounds. ARM 2018: Snapdragon 810, 1 thread; GPU 2018: GTX 1080 Ti, batch 8, its own widths "
            "(Ma et al. 2018, tables 1 to 4).",
        ),
        warnings=result.warnings,
    )


def sentences(result: GuidelineTrials) -> tuple[str, ...]:
    """What came out, guideline by guideline."""
    return tuple(
        f"{guideline}, {CLAIMS[guideline]}: {outcome} ({row.row} at {row.relative:.2f} of the speed, "
        f"{row.interval[0]:.2f} to {row.interval[1]:.2f}; ARM {row.arm:.2f}, GPU {row.gpu:.2f})."
        for guideline, (row, outcome) in result.outcomes().items()
    )


def _row(row: TrialRow, batch: int) -> tuple[Cell, ...]:
    first = row.relative == 1.0 and row.arm == 1.0 and row.gpu == 1.0
    return (
        row.guideline,
        row.row,
        row.channels,
        row.macs,
        batch / row.timing.median_s,
        row.relative,
        "" if first else f"{row.interval[0]:.2f} .. {row.interval[1]:.2f}",
        "" if first else _WORDS[row.outcome],
        row.arm,
        row.gpu,
    )
