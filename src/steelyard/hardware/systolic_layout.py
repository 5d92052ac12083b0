"""How a `Systolic` is printed: a row a layer, both ways of counting side by side."""

from __future__ import annotations

from steelyard.hardware.systolic import Systolic, SystolicLayer
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table

_WORDS = {
    "WS": "weights stay",
    "IS": "inputs stay",
    "OS": "outputs stay",
}


@document.register
def systolic_document(result: Systolic) -> Document:
    """Folds and cycles of each layer, and the operands that cross the array's edges."""
    where = result.device or "a systolic array"
    columns = (
        Column("layer", "layer"),
        Column("macs", "MACs", "count", rank=2),
        Column("folds", "folds", "count"),
        Column("filled", "filled", "share", rank=3),
        Column("apart", "cycles, folds apart", "count"),
        Column("apart_utilization", "utilisation", "share", rank=1),
        Column("pipelined", "cycles, pipelined", "count"),
        Column("pipelined_utilization", "utilisation", "share", rank=1),
        Column("inputs", "inputs", "count", rank=4),
        Column("weights", "weights", "count", rank=4),
        Column("outputs", "outputs", "count", rank=4),
    )
    moved = [layer.moved for layer in result.layers]
    total: tuple[Cell, ...] = (
        "total",
        result.macs,
        sum(layer.folds for layer in result.layers),
        None,
        result.apart,
        result.utilization(result.apart),
        result.pipelined,
        result.utilization(result.pipelined),
        *(sum(each[operand] for each in moved) for operand in "IWO"),
    )
    rows = tuple(_row(layer, result) for layer in result.layers)
    return Document(
        title=f"{result.workload} on {where}, {result.array.rows} x {result.array.columns}",
        lead=(f"Dataflow {result.dataflow}: {_WORDS[result.dataflow]}.",),
        tables=(Table("", columns, rows, total=total),),
        notes=(
            "Folds apart: each begins when the one before has left the array, as SCALE-Sim counts; pipelined: "
            "each follows on the heels of the one before.",
            "The array alone: memories are taken to keep up. Inputs, weights and outputs are elements that "
            "cross its edges, partial sums counted.",
        ),
    )


def _row(layer: SystolicLayer, result: Systolic) -> tuple[Cell, ...]:
    units = result.array.units
    return (
        layer.name,
        layer.macs,
        layer.folds,
        layer.filled,
        layer.apart,
        layer.macs / (layer.apart * units),
        layer.pipelined,
        layer.macs / (layer.pipelined * units),
        *layer.moved.values(),
    )
