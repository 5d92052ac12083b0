from __future__ import annotations

import csv
import io
from math import prod

from steelyard.report.escape import csv_text
from steelyard.report.render import to_csv
from steelyard.report.table import Column, Table


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_every_number_reads_back_exactly(alexnet):
    rows = read(to_csv(alexnet))
    assert [row["layer"] for row in rows] == [layer.name for layer in alexnet.layers]
    for row, layer in zip(rows, alexnet.layers, strict=True):
        out = alexnet.tensor(layer.outputs[0])
        assert int(row["macs"]) == layer.macs
        assert int(row["params"]) == sum(alexnet.tensor(p).numel for p in layer.params)
        assert int(row["ops"]) == layer.ops
        assert int(row["activation_bytes"]) == (0 if layer.kind == "view" else 4 * prod(out.shape))
        assert float(row["macs_share"]) == layer.macs / 724_406_816
    assert sum(int(row["macs"]) for row in rows) == 724_406_816
    assert sum(int(row["params"]) for row in rows) == 60_965_224


def test_lines_end_as_rfc_4180_says():
    text = to_csv(
        Table("", (Column("a", "a"), Column("n", "n", "count")), (('x,"y"', 1), ("z", None)))
    )
    assert text == 'a,n\r\n"x,""y""",1\r\nz,\r\n'


def test_formulas_are_inert(hostile):
    text = to_csv(Table("", (Column("a", "a"), Column("n", "n", "count")), ((hostile, -5),)))
    (row,) = read(text)
    assert row["a"] == csv_text(hostile)
    assert row["n"] == "-5"
    assert not row["a"].startswith(("=", "+", "-", "@"))


def test_floats_keep_all_digits():
    value = 0.1 + 0.2
    (row,) = read(to_csv(Table("", (Column("r", "r", "ratio"),), ((value,),))))
    assert float(row["r"]) == value
