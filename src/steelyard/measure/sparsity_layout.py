"""How measured zeros are printed: a row for each layer."""

from __future__ import annotations

from steelyard.measure.sparsity import LayerSparsity, MeasuredSparsity
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table

_COLUMNS = (
    Column("layer", "layer"),
    Column("input_zeros", "inputs", "share", bar=True),
    Column("input_spread", "+-", "share", rank=2),
    Column("weight_zeros", "weights", "share", rank=1),
    Column("output_zeros", "stored outputs", "share"),
    Column("output_spread", "+-", "share", rank=2),
    Column("input_pairs", "pairs/input", "ratio", rank=3),
)


@document.register
def sparsity_document(result: MeasuredSparsity) -> Document:
    """Zeros of inputs, weights and outputs, with their spread over the images."""
    images = f"{result.images} image{'s' if result.images != 1 else ''}"
    source = f", weights from {result.weights}" if result.weights else ""
    notes: tuple[str, ...] = (
        "Fractions of elements that are exactly zero, mean and standard deviation over the images; outputs as "
        "they are stored, after normalisation and activation.",
    )
    if result.missing:
        notes += ("not told apart in the run: " + ", ".join(result.missing),)
    return Document(
        f"zeros of {result.network} on {images}{source}",
        tables=(Table("", _COLUMNS, tuple(map(_row, result.layers))),),
        notes=notes,
        warnings=result.notes,
    )


def _row(layer: LayerSparsity) -> tuple[Cell, ...]:
    return (
        layer.name, layer.input_zeros, layer.input_spread, layer.weight_zeros, layer.output_zeros,
        layer.output_spread, layer.input_pairs,
    )  # fmt: skip
