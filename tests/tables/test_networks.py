"""The table of networks: rows, differences and reasons, against the published file and a count by hooks."""

from __future__ import annotations

import csv
import io
import json

import pytest

from steelyard.cli import run
from steelyard.errors import UnknownNameError
from steelyard.report.render import to_csv, to_json, to_markdown, to_text
from steelyard.tables import Networks, networks
from steelyard.zoo.published import published_figures


@pytest.fixture(scope="module")
def table() -> Networks:
    return networks("lenet*")


def test_every_published_row_of_the_matching_networks_is_there(table: Networks) -> None:
    figures = published_figures()
    expected = [row for name, rows in figures.items() if name.startswith("lenet") for row in rows]
    assert sorted((e.published for e in table.entries), key=repr) == sorted(expected, key=repr)


def test_differences(table: Networks) -> None:
    """LeNet-5: 60,000 parameters; 326,520 MACs where 341 k connections are printed."""
    (entry,) = [e for e in table.entries if e.source == "lenet5"]
    assert (entry.params, entry.macs) == (60_000, 326_520)
    assert entry.params_difference == 0
    assert entry.macs_difference == pytest.approx(326_520 / 341_000 - 1)
    assert "connections" in entry.published.reason


def test_settings_are_those_of_the_row() -> None:
    table = networks("mobilenet_v1")
    entry = next(e for e in table.entries if e.source == "mobilenet_v1:width=0.25,resolution=128")
    assert (entry.params, entry.macs) == (470_072, 13_570_048)


def test_progress_names_each_network_once() -> None:
    told: list[str] = []
    networks("lenet*", progress=told.append)
    assert sorted(told) == ["lenet5", "lenet_caffe"]


def test_printed_forms_agree(table: Networks) -> None:
    assert "-4.2" in to_text(table, width=160)
    assert "bias taps and both subsampling layers" in to_markdown(table)
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert [int(row["macs"]) for row in rows] == [entry.macs for entry in table.entries]
    data = json.loads(to_json(table))
    assert data["schema"] == "steelyard.networks/1"
    assert [row["params"] for row in data["networks"]] == [e.params for e in table.entries]


def test_a_pattern_without_networks() -> None:
    with pytest.raises(UnknownNameError, match="nearest: lenet5"):
        networks("lenet55")


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tables", "networks", "lenet*", "-q"]) == 0
    assert "LeNet" in capsys.readouterr().out
