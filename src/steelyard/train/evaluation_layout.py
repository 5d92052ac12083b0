"""How evaluations are printed: the outputs, the classes, and what was confused."""

from __future__ import annotations

from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.train.evaluation import Evaluation, OutputScore

_MOST_CLASSES = 20
_MOST_CONFUSED = 8

_OUTPUT_COLUMNS = (
    Column("output", "output"),
    Column("top1", "top-1", "share"),
    Column("top1_low", "from", "share", rank=2),
    Column("top1_high", "to", "share", rank=2),
    Column("top5", "top-5", "share", rank=1),
    Column("loss_nats", "loss", "ratio", "nats", fine=True),
    Column("expected_error", "calibration error", "share"),
    Column("maximum_error", "worst bin", "share", rank=3),
    Column("adaptive_error", "bins of equal size", "share", rank=3),
)
_CLASS_COLUMNS = (
    Column("class", "class"),
    Column("samples", "samples", "count"),
    Column("correct", "correct", "count", rank=2),
    Column("predicted", "predicted", "count", rank=2),
    Column("recall", "recall", "share", bar=True),
    Column("precision", "precision", "share", bar=True, rank=1),
)
_CONFUSED_COLUMNS = (
    Column("class", "class"),
    Column("taken_for", "taken for"),
    Column("samples", "samples", "count"),
)


@document.register
def evaluation_document(result: Evaluation) -> Document:
    """The outputs' figures, the weakest classes and the most frequent mistakes."""
    about = result.about
    tables = [Table("", _OUTPUT_COLUMNS, tuple(map(_output_row, result.outputs)))]
    tables.append(classes_table(result.output, limit=_MOST_CLASSES))
    confused = result.output.confused(_MOST_CONFUSED)
    if confused:
        tables.append(Table("Most frequent mistakes", _CONFUSED_COLUMNS, tuple(confused)))
    name = about.network or "network"
    data = f" on {about.data}, {about.split}" if about.data else ""
    return Document(
        f"{name}{data}: top-1 {result.top1:.2f} %",
        lead=origin(result),
        tables=tuple(tables),
        notes=("top-1 from and to: 95 % interval (Wilson); errors are 100 % less the accuracy.",),
        warnings=result.notes,
    )


def origin(result: Evaluation) -> tuple[str, ...]:
    """What was evaluated on what, in sentences."""
    about = result.about
    lines = [f"{result.samples:,} samples, {len(result.output.classes):,} classes"]
    if about.fingerprint:
        lines[0] += f"; data SHA-256 {about.fingerprint[:16]}…"
    if about.preprocessing:
        lines.append(f"preprocessing: {about.preprocessing}")
    if about.weights_sha256:
        source = f"{about.weights}, " if about.weights else ""
        lines.append(f"weights: {source}SHA-256 {about.weights_sha256[:16]}…; {about.precision}")
    return tuple(lines)


def classes_table(output: OutputScore, *, limit: int | None = None) -> Table:
    """A row a class, in order; of more than ``limit`` the ones of lowest recall."""
    every = output.per_class
    shown = list(every)
    notes: tuple[str, ...] = ()
    if limit is not None and len(every) > limit:
        seen = [one for one in every if one.recall is not None]
        shown = sorted(seen, key=lambda one: one.recall or 0.0)[:limit]
        notes = (f"{len(every) - len(shown):,} more classes are in --json and --format csv",)
    rows: list[tuple[Cell, ...]] = [
        (one.name, one.samples, one.correct, one.predicted, _share(one.recall), _share(one.precision))
        for one in shown
    ]  # fmt: skip
    title = "Classes" if not notes else "Classes of lowest recall"
    return Table(title, _CLASS_COLUMNS, tuple(rows), notes=notes)


def records(result: Evaluation) -> Table:
    """Every class of every output as one flat table."""
    columns = (Column("output", "output"), *_CLASS_COLUMNS)
    tables = [(output.name, classes_table(output)) for output in result.outputs]
    return Table("", columns, tuple((name, *row) for name, table in tables for row in table.rows))


def _output_row(output: OutputScore) -> tuple[Cell, ...]:
    low, high = output.interval
    fit = output.calibration
    return (
        output.name or "logits", output.top1 / 100, low / 100, high / 100, output.top5 / 100, output.loss,
        fit.expected_error, fit.maximum_error, fit.adaptive_error,
    )  # fmt: skip


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100
