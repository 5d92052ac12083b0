"""The curves of a run: loss, accuracy, learning rate over the epochs (extra ``plots``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steelyard.report.figures import save_figure, short

__all__ = ["save_curves"]

_TRAIN, _TEST, _FAINT = "#1f6fb4", "#b3261e", "#9ec3e6"


def save_curves(rows: Sequence[Mapping[str, Any]], path: Path, *, title: str) -> Path:
    """Three charts under one another.

    Args:
        rows: of `steelyard.train.metrics.read_rows`.
        path: where to; .png, .svg or .pdf.
        title: above the charts.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: ``path`` cannot be written.
    """
    return save_figure(path, lambda figure: _draw(figure, rows, title), title=title)


def _draw(figure: Any, rows: Sequence[Mapping[str, Any]], title: str) -> None:
    steps = [row for row in rows if row["kind"] == "step"]
    epochs = [row for row in rows if row["kind"] == "epoch"]
    figure.set_size_inches(8, 8)
    figure.suptitle(short(title, 90), fontsize=11, x=0.01, ha="left")
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True)
    ends = [row["epoch"] for row in epochs]
    loss.plot([row["at"] for row in steps], [row["loss"] for row in steps], color=_FAINT, lw=0.8)
    loss.plot(ends, [row["train_loss"] for row in epochs], color=_TRAIN, label="training")
    loss.plot(ends, [row["test_loss"] for row in epochs], color=_TEST, label="test")
    loss.set_ylabel("loss (nats)")
    accuracy.plot(ends, [row["train_top1"] for row in epochs], color=_TRAIN, label="training")
    accuracy.plot(ends, [row["test_top1"] for row in epochs], color=_TEST, label="test")
    accuracy.set_ylabel("top-1 accuracy (%)")
    rate.plot([row["at"] for row in steps], [row["lr"] for row in steps], color=_TRAIN)
    rate.set_ylabel("learning rate")
    rate.set_xlabel("epochs")
    for axis in (loss, accuracy, rate):
        axis.grid(color="#d5dbe1", linewidth=0.6)
    loss.legend(frameon=False)
