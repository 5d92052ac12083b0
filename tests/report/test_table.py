from __future__ import annotations

import pytest

from steelyard.errors import UsageError
from steelyard.report.table import Column, Scale, Table, headers, scale_of, scales

COUNT = Column("macs", "MACs", "count")
BYTES = Column("bytes", "memory", "bytes")


@pytest.mark.parametrize(
    ("column", "values", "printed"),
    [
        (COUNT, [105_415_200, 223_948_800], ["105.4", "223.9"]),
        (COUNT, [0, 1, 9_999], ["0", "1", "9,999"]),
        (COUNT, [4_800, 2_359_296, 1_000_000], ["<0.01", "2.36", "1.00"]),
        (COUNT, [1, 37_752_832, 16_781_312], ["<0.01", "37.75", "16.78"]),
        (BYTES, [1_161_600, 4_000, 746_496], ["1,161.6", "4.0", "746.5"]),
        (Column("s", "share", "share"), [0.5, 1.0, 0.00001], ["50.0", "100.0", "<0.1"]),
        (Column("r", "ratio", "ratio"), [1.234, 5.0], ["1.23", "5.00"]),
        (Column("d", "change", "count", signed=True), [5, -7, 0], ["+5", "-7", "0"]),
        (
            Column("d", "change", "count", signed=True),
            [50_000, -70_000, -3],
            ["+50.00", "-70.00", ">-0.01"],
        ),
    ],
)
def test_a_column_has_one_unit_and_never_shows_something_as_zero(column, values, printed):
    scale = scale_of(column, values)
    assert [scale.format(value) for value in values] == printed


def test_units_stand_in_the_heading():
    table = Table("t", (Column("n", "layer"), COUNT, BYTES), (("a", 2_000_000, 5_000_000),))
    assert headers(table, scales(table)) == ["layer", "MACs (M)", "memory (MB)"]


def test_unknown_is_blank_and_not_zero():
    assert Scale("M", 1e6, 1).format(None) == ""


@pytest.mark.parametrize("value", [1, 17, 999, 123_456, 98_765_432_109])
def test_a_printed_number_times_its_unit_is_the_number_within_rounding(value):
    scale = scale_of(COUNT, [value])
    read = float(scale.format(value).replace(",", "")) * scale.factor
    assert read == pytest.approx(value, rel=0.006)


def test_rows_must_fit_the_columns():
    with pytest.raises(
        UsageError, match="table 't': a row has 1 cells\nexpected: 2, one per column"
    ):
        Table("t", (Column("a", "a"), COUNT), (("x",),))


def test_columns_are_found_by_key():
    table = Table("t", (Column("a", "a"), COUNT), (("x", 1), ("y", 2)), total=("total", 3))
    assert table.column("macs") == (1, 2)
    with pytest.raises(UsageError, match="has no column 'flops'\nexpected: one of a, macs"):
        table.column("flops")
