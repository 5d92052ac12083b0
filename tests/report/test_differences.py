from __future__ import annotations

import pytest

from steelyard.cost import compare
from steelyard.errors import UsageError
from steelyard.report.differences import (
    changes_table,
    comparison_document,
    groups_table,
    totals_table,
)
from steelyard.report.render import to_csv, to_text


@pytest.fixture(scope="module")
def change(net_builder):
    """A dense 3x3 convolution replaced by a depthwise and a pointwise one."""
    before = (
        net_builder("dense", (1, 32, 8, 8)).conv("a", 32, 3, padding=1).relu("r").conv("b", 64, 1)
    )
    after = net_builder("separable", (1, 32, 8, 8)).conv("a", 32, 3, padding=1, groups=32)
    after.conv("a2", 32, 1).relu("r").conv("b", 64, 1)
    return compare(before.done(), after.done())


def test_groups_add_up_to_the_difference(change):
    for by in ("kind", "layer", "op", "stage", "module", "type"):
        table = groups_table(change, by)
        for index, column in enumerate(table.columns[1:], 1):
            assert sum(row[index] for row in table.rows) == table.total[index], column.key


def test_the_difference_is_the_formulas(change):
    """Dense 3x3: C C 9; depthwise 9 C and pointwise C C (C = 32), on 8x8 positions."""
    total = groups_table(change, "kind").total
    assert total[2] == 64 * (9 * 32 + 32 * 32) - 64 * 9 * 32 * 32
    assert total[1] == (9 * 32 + 32 + 32 * 32 + 32) - (9 * 32 * 32 + 32)


def test_changed_layers_are_listed_and_the_same_ones_counted(change):
    table = changes_table(change)
    assert table.column("layer") == ("a", "a2")
    assert table.column("change") == ("changed", "added")
    assert table.column("a") == ("conv 3×3", "")
    assert table.column("b") == ("conv dw 3×3", "conv 1×1")
    assert table.notes == ("2 layers are the same in both (renamed ones included)",)
    assert len(changes_table(change, show_all=True).rows) == 4


def test_limit_keeps_the_largest_change_and_says_so(change):
    table = changes_table(change, limit=1)
    assert table.column("layer") == ("a",)
    assert table.notes[0].startswith("1 smaller changes are not listed")
    with pytest.raises(UsageError, match="limit=0 leaves no row"):
        changes_table(change, limit=0)


def test_totals_stand_side_by_side(change):
    rows = {row[0]: row[1:] for row in totals_table(change).rows}
    before, after = change.a.total.macs, change.b.total.macs
    assert rows["MACs"][0] == "721 k"
    assert rows["MACs"][1] == "215 k"
    assert rows["MACs"][3] == (after - before) / before
    assert "FLOPs are 2 x MACs" in totals_table(change).notes


def test_all_forms(change):
    text = to_text(change, width=120)
    assert text.startswith("dense (a) against separable (b)")
    assert "-70.2" in text
    assert to_csv(change).startswith("layer,change,a,b,params_delta,macs_delta")
    assert len(comparison_document(change, by="stage").tables) == 3
