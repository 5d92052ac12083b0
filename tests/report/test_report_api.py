from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from steelyard.cost import cost
from steelyard.errors import InputError, SteelyardError, UsageError
from steelyard.report.api import Report, report


def test_a_report_takes_workloads_costs_and_names(alexnet):
    by_hand = report(alexnet, cost(alexnet), title="twice")
    assert [c.total.macs for c in by_hand.costs] == [724_406_816] * 2
    assert by_hand.title == "twice"


def test_a_name_or_module_is_captured_with_the_shape_given():
    from torch import nn

    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    made = report(net, "alexnet", input_shape=(1, 3, 227, 227))
    assert made.costs[0].total.macs == 8 * 3 * 9 * 225 * 225
    assert made.costs[1].total.macs == 724_406_816


def test_without_a_network_it_says_what_to_type():
    with pytest.raises(
        UsageError, match=r"report\(\) was given no network\nexpected: one or several"
    ):
        report()


def test_errors_of_capture_come_through():
    with pytest.raises(SteelyardError, match="alexnot"):
        report("alexnot")


@pytest.mark.parametrize("suffix", [".html", ".htm", ".md", ".txt", ".json", ".csv", ".HTML"])
def test_the_suffix_chooses_the_form(alexnet, tmp_path, suffix):
    made = report(alexnet)
    path = made.save(tmp_path / f"r{suffix}")
    text = path.read_text(encoding="utf-8")
    start = {
        ".html": "<!DOCTYPE html>",
        ".htm": "<!DOCTYPE html>",
        ".md": "# The cost of alexnet",
        ".txt": "alexnet: cost by layer",
        ".json": "{",
        ".csv": "network,layer,",
    }[suffix.lower()]
    assert text.startswith(start)
    assert "conv5" in text
    assert [p.name for p in tmp_path.iterdir()] == [f"r{suffix}"]


def test_what_cannot_be_saved_is_explained_and_leaves_nothing(alexnet, tmp_path):
    made = report(alexnet)
    with pytest.raises(
        UsageError, match=r"cannot save a report as .*r\.pdf'\nexpected: .*\.html, .*\.csv"
    ):
        made.save(tmp_path / "r.pdf")
    with pytest.raises(UsageError, match="cannot save a report as"):
        made.save(tmp_path / "r")
    with pytest.raises(InputError, match="is a directory"):
        made.save(tmp_path)
    with pytest.raises(InputError, match=r"the folder .* does not exist"):
        made.save(tmp_path / "no" / "r.html")
    assert list(tmp_path.iterdir()) == []


def test_json_holds_every_network_with_its_schema(alexnet, deep):
    made = report(alexnet, deep)
    data = json.loads(made.to_json())
    assert data["schema"] == "steelyard.report/1"
    assert [net["schema"] for net in data["networks"]] == ["steelyard.cost/1"] * 2
    assert data["networks"][0]["total"]["macs"] == 724_406_816
    assert data["networks"][0]["training_memory"]["optimizer"] == "sgd"
    assert datetime.fromisoformat(data["created"]).tzinfo is not None
    assert data == made.to_dict()


def test_csv_holds_the_layers_of_every_network(alexnet, deep):
    rows = list(csv.DictReader(io.StringIO(report(alexnet, deep).to_csv(), newline="")))
    assert len(rows) == 19 + 61
    assert sum(int(row["macs"]) for row in rows if row["network"] == "alexnet") == 724_406_816
    assert sum(int(row["macs"]) for row in rows if row["network"] == "deep") == deep.macs


def test_several_networks_are_set_side_by_side(alexnet, deep):
    made = report(alexnet, deep)
    for text in (str(made), made._repr_html_()):
        assert "Totals of each network" in text
        assert "60.97" in text
    assert made.title == "The cost of alexnet and deep"
    assert report(*[alexnet] * 6).title.endswith("alexnet and 2 more")
    assert repr(made) == "<Report 'The cost of alexnet and deep': alexnet, deep>"


def test_the_time_is_the_one_given(alexnet):
    when = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    made = Report((cost(alexnet),), "t", when)
    assert "2026-01-02 03:04 UTC" in made.to_html()
    assert made.to_dict()["created"] == "2026-01-02T03:04:00+00:00"
    assert made.to_html() == Report((cost(alexnet),), "t", when).to_html()


def test_it_prints_through_rich(alexnet, deep):
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=120).print(report(alexnet, deep))
    assert "Totals of each network" in out.getvalue()
    assert "60,965.2" in out.getvalue()
