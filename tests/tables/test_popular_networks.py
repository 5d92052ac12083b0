"""Table 2.2: ours against an independent recount, the published figures within their digits.

``data/table2_2_checked.csv`` holds the recount, cell by cell, made without steelyard.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from steelyard.errors import UsageError
from steelyard.report.render import to_csv, to_json, to_markdown, to_text
from steelyard.tables import PopularNetworks, popular_networks
from steelyard.tables.popular_networks import MODELS, matches

DATA = Path(__file__).parent / "data"
CHECKED = list(csv.DictReader((DATA / "table2_2_checked.csv").read_text().splitlines()))
METRICS = [row["metric"] for row in CHECKED]
COLUMNS = {
    "alexnet": "AlexNet",
    "overfeat_fast": "Overfeat fast",
    "vgg16": "VGG-16",
    "googlenet": "GoogLeNet v1",
    "resnet50_v1": "ResNet-50",
}
LENETS = ("lenet5", "lenet5_dense", "lenet_caffe")


@pytest.fixture(scope="module")
def table() -> PopularNetworks:
    return popular_networks()


def checked(metric: str, column: str) -> str:
    """The recounted cell without its remark, e.g. 1024-4096 or 15346630656."""
    text = next(row[column] for row in CHECKED if row["metric"] == metric)
    return text.partition(" (")[0]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("model", COLUMNS)
def test_every_numeric_cell_equals_the_recount(
    table: PopularNetworks, metric: str, model: str
) -> None:
    expected = checked(metric, COLUMNS[model])
    cell = table.cell(metric, model)
    if re.fullmatch(r"\d{1,3}(,\d{3})+|\d+", expected):
        assert cell.values == (int(expected.replace(",", "")),)
    elif "-" in expected:
        low, high = map(int, expected.split("-"))
        assert (cell.values[0], cell.values[-1]) == (low, high)
    else:
        assert cell.values == tuple(map(int, expected.split(",")))


LENET_CHECKED: dict[str, tuple[tuple[int, ...], tuple[int, ...] | None, tuple[int, ...]]] = {
    # metric: 1998, with a dense C3 where the recount has it, Caffe's
    "# of CONV layers": ((2,), (2,), (2,)),
    "Depth in # of CONV layers": ((2,), (2,), (2,)),
    "CONV filter sizes": ((5,), (5,), (5,)),
    "CONV # of channels": ((1, 6), (1, 6), (1, 20)),
    "CONV # of filters": ((6, 16), (6, 16), (20, 50)),
    "CONV stride": ((1,), (1,), (1,)),
    "CONV weights": ((1650,), (2550,), (25_500,)),
    "CONV MACs": ((267_600,), (357_600,), (1_888_000,)),
    "# of FC layers": ((2,), None, (2,)),
    "FC filter sizes": ((1, 5), (1, 5), (1, 4)),
    "FC # of channels": ((16, 120), None, (50, 500)),
    "FC # of filters": ((84, 120), None, (10, 500)),
    "FC weights": ((58_080,), None, (405_000,)),
    "FC MACs": ((58_080,), None, (405_000,)),
    "Total weights": ((59_956 - 6 - 16 - 120 - 84,), None, (430_500,)),
    "Total MACs": ((326_520,), (416_520,), (2_293_000,)),
}
"""The recount's LeNet column and footnote; its 59,956 includes the biases of C1, C3, C5 and F6."""


@pytest.mark.parametrize("metric", METRICS)
def test_lenets_equal_the_recount(table: PopularNetworks, metric: str) -> None:
    for model, expected in zip(LENETS, LENET_CHECKED[metric], strict=True):
        if expected is not None:
            assert table.cell(metric, model).values == expected


def test_published_and_ours_agree_or_the_difference_is_stated(table: PopularNetworks) -> None:
    for row in table.rows:
        for cell in row.cells:
            if cell.agrees is False:
                assert cell.note, (row.metric, cell.model)
            if cell.agrees:
                assert cell.note == ""


def test_no_stated_difference_is_stale(table: PopularNetworks) -> None:
    for difference in table.differences:
        for metric in difference.metrics:
            for model in difference.models:
                note = table.cell(metric, model).note
                assert difference.reason in note, (metric, model)


def test_where_the_table_is_right_we_agree(table: PopularNetworks) -> None:
    """The three columns without known errors agree in every cell that can be computed."""
    for model in ("overfeat_fast", "vgg16", "resnet50_v1"):
        verdicts = [c.agrees for row in table.rows for c in row.cells if c.model == model]
        assert verdicts.count(True) == 17
        assert verdicts.count(False) == 0


def test_number_of_differences_outside_lenet(table: PopularNetworks) -> None:
    found = {
        (row.metric, cell.model)
        for row in table.rows
        for cell in row.cells
        if cell.agrees is False and cell.model not in LENETS
    }
    assert found == {
        ("CONV # of channels", "alexnet"),
        ("CONV MACs", "googlenet"),
        ("Total MACs", "googlenet"),
    }


@pytest.mark.parametrize(
    ("published", "values", "expected"),
    [
        ("2.3M", (2_332_704,), True),
        ("2.3M", (2_249_999,), False),
        ("2.3M", (2_350_000,), True),
        ("2.3M", (2_350_001,), False),
        ("16M", (15_984_672,), True),
        ("431k", (430_500,), True),
        ("431k", (430_499,), False),
        ("1.43G", (1_430_532_352,), True),
        ("1.43G", (1_581_647_872,), False),
        ("57", (57,), True),
        ("57", (56,), False),
        ("1024", (1024,), True),
        ("1,6", (1, 6), True),
        ("1,6", (1, 5, 6), False),
        ("3-512", (3, 64, 512), True),
        ("3-512", (3, 64, 511), False),
        ("28x28", (28,), True),
        ("28x28", (32,), False),
    ],
)
def test_matches_within_the_printed_digits(
    published: str, values: tuple[int, ...], expected: bool
) -> None:
    assert matches(published, values) is expected


def test_printed_with_all_digits_at_80_columns(table: PopularNetworks) -> None:
    text = to_text(table, width=80)
    assert str(table).splitlines()[0] == "popular networks"
    assert max(map(len, text.splitlines())) <= 80
    for figure in ("326,520", "724,406,816", "2,801,403,904", "15,470,264,320", "3,857,973,248"):
        assert figure in text
    assert re.search(r"1\.43G +1,582,671,872 \[\d+\]", text)
    assert "Sze, Chen, Yang, Emer" in text
    for heading, _ in MODELS.values():
        assert all(word in text for word in heading.split())


def test_every_mark_has_its_reason_below(table: PopularNetworks) -> None:
    text = to_text(table, width=200)
    body, _, notes = text.partition("\n[1] ")
    used = set(re.findall(r"\[(\d+)\]", body))
    stated = {"1", *re.findall(r"^\[(\d+)\] ", notes, flags=re.MULTILINE)}
    assert used == stated


def test_json_csv_and_markdown(table: PopularNetworks) -> None:
    data = json.loads(to_json(table))
    assert data["schema"] == "steelyard.table.popular-networks/1"
    assert data["rows"][-1]["cells"][3]["values"] == [724_406_816]
    records = list(csv.DictReader(to_csv(table).splitlines()))
    assert len(records) == len(table.rows) * len(table.models)
    known = {(r["network"], r["metric"]): r for r in records}
    assert known["vgg16", "Total MACs"]["ours"] == "15,470,264,320"
    assert known["googlenet", "Total MACs"]["agrees"] == "no"
    assert known["resnet50_v1", "Total weights"]["published"] == "25.5M"
    assert "| Total MACs" in to_markdown(table)


def test_no_such_cell(table: PopularNetworks) -> None:
    with pytest.raises(UsageError, match="the table has no cell 'Total MACs' of 'resnet18'"):
        table.cell("Total MACs", "resnet18")
