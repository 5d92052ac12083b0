"""How a run is printed: a row for each epoch, and what is in the folder."""

from __future__ import annotations

from typing import Any

from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.train.run import Run

_COLUMNS = (
    Column("epoch", "epoch", "count"),
    Column("lr", "learning rate", "ratio", rank=2, fine=True),
    Column("train_loss", "training loss", "ratio", rank=1),
    Column("train_top1", "training top-1 (%)", "ratio", rank=3),
    Column("test_loss", "test loss", "ratio", rank=1),
    Column("test_top1", "test top-1 (%)", "ratio"),
    Column("test_top5", "top-5 (%)", "ratio", rank=2),
)
_SHOWN = 24


@document.register
def run_document(run: Run) -> Document:
    """The epochs, the best of them, and where everything is."""
    recipe, rows = run.recipe, run.metrics("epoch")
    every = max(1, -(-len(rows) // _SHOWN))
    shown = [row for i, row in enumerate(rows, 1) if i % every == 0 or i == len(rows)]
    notes = [] if every == 1 else [f"One epoch in {every} is shown; --json has all."]
    best = run.best
    if best is not None:
        weights = "averaged weights" if best["weights"] == "ema" else "weights"
        images = "images kept from training" if recipe.data.validation else "test images"
        notes.append(
            f"best: {best['test_top1']:.2f} % top-1 on the {images} with the {weights} of epoch "
            f"{best['epoch']}"
        )
    if not run.finished:
        notes.append(f"not finished: {len(rows)} of {recipe.epochs} epochs")
    return Document(
        f"{recipe.name}: {recipe.network.name} on {recipe.data.source}",
        tables=(Table("", _COLUMNS, tuple(_row(row) for row in shown)),),
        notes=(*notes, f"everything is in {run.path}"),
    )


def _row(row: dict[str, Any]) -> tuple[Cell, ...]:
    return tuple(row[column.key] for column in _COLUMNS)
