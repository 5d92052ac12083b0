"""A network among the zoo's: fronts and neighbours by brute force over figures made up for the purpose."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, log2

import pytest

from steelyard.report.neighbours import neighbours, neighbours_chart, neighbours_table


@dataclass(frozen=True)
class Row:
    model: str
    macs_m: float | None
    top1_error: float | None
    settings: str = ""
    params_m: float | None = 1.0
    dataset: str = "ImageNet"
    protocol: str = "1 crop"
    convention: str = "multiply-accumulates of convolutions and linear layers"
    source: str = "a paper"


ROWS = [
    Row("a", 100, 30.0), Row("b", 200, 25.0), Row("c", 400, 26.0), Row("d", 800, 20.0),
    Row("e", 90, 40.0), Row("f", 150, 28.0), Row("f", 300, 24.0, "width=2"), Row("g", 6000, 15.0),
    Row("h", None, 10.0), Row("i", 100, None), Row("j", 100, 1.0, dataset="CIFAR-10"),
    Row("k", 100, 1.0, protocol="10 crops"), Row("l", 100, 1.0, convention="additions, too"),
]  # fmt: skip
KNOWN = ["a", "b", "c", "d", "e", "f", "f:width=2", "g"]
OUTPUT = [(1, 1000)]


def test_only_comparable_figures_are_taken():
    found = neighbours("mine", 200e6, OUTPUT, ROWS)
    assert [one.name for one in found.others] == KNOWN
    assert found.top1_error is None
    assert "not known here" in found.sentence()
    assert found.best.name == "b"


def test_networks_that_tell_no_1000_classes_apart_are_not_compared():
    assert neighbours("mine", 200e6, [(1, 10)], ROWS) is None
    assert neighbours("mine", 0, OUTPUT, ROWS) is None


def test_the_published_error_counts_where_name_settings_and_counts_agree():
    assert neighbours("f", 150e6, OUTPUT, ROWS, "f").top1_error == 28.0
    assert neighbours("f", 300e6, OUTPUT, ROWS, "f:width=2").top1_error == 24.0
    # another input size, or a network that only has the name
    assert neighbours("f", 600e6, OUTPUT, ROWS, "f").top1_error is None
    assert neighbours("f", 150e6, OUTPUT, ROWS).top1_error is None


@pytest.mark.parametrize("own", ["b", "d", "e"])
def test_nearest_and_better_are_those_of_brute_force(own):
    me = next(row for row in ROWS if row.model == own)
    found = neighbours(own, me.macs_m * 1e6, OUTPUT, ROWS, own)
    others = [row for row in ROWS[:8] if row.model != own]
    far = sorted(
        others,
        key=lambda row: hypot(log2(row.macs_m / me.macs_m), (row.top1_error - me.top1_error) / 2),
    )
    assert {one.macs for one in found.nearest} == {row.macs_m * 1e6 for row in far[:6]}
    better = [r for r in others if r.macs_m <= me.macs_m and r.top1_error < me.top1_error]
    if better:
        best = min(better, key=lambda row: row.top1_error)
        assert f"{len(better)} of the zoo's networks" in found.sentence()
        assert f"most accurate {best.model}" in found.sentence()
    elif own != "e":
        assert "no network of the zoo is more accurate with no more MACs" in found.sentence()


def test_the_chart_has_everyone_once_and_the_front_of_brute_force():
    found = neighbours("c", 400e6, OUTPUT, ROWS, "c")
    chart = neighbours_chart([found])
    assert sorted(dot.name for dot in chart.dots) == KNOWN
    assert [dot.name for dot in chart.dots if dot.colour == "stall"] == ["c"]
    points = ROWS[:8]
    front = {
        row.model + (f":{row.settings}" if row.settings else "")
        for row in points
        if not any(
            other.macs_m <= row.macs_m and other.top1_error <= row.top1_error and other is not row
            for other in points
        )
    }
    assert {dot.name for dot in chart.dots if dot.colour == "busy"} == front
    assert len(chart.line) == len(front)
    unknown = neighbours("mine", 400e6, OUTPUT, ROWS)
    assert neighbours_chart([unknown]).mark[2] == "mine"


def test_the_table_has_the_network_first():
    table = neighbours_table(neighbours("c", 400e6, OUTPUT, ROWS, "c"))
    assert table.rows[0][:3] == ("c", 400e6, 1.0)
    assert table.column("error_difference")[1:] == tuple(
        error - 26.0 for error in table.column("top1_error")[1:]
    )
