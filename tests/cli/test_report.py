"""``steelyard report``: files by suffix, stdout without -o."""

import json
from pathlib import Path

import pytest

import steelyard as sy


def test_an_html_page_with_every_network(run_cli, tmp_path: Path) -> None:
    file = tmp_path / "two.html"
    done = run_cli("report", "lenet5", "lenet_caffe", "-o", file)
    assert (done.code, done.out) == (0, "")
    assert done.err == f"report: {file}\n"
    page = file.read_text("utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert "lenet5" in page
    assert "lenet_caffe" in page
    assert [p.name for p in tmp_path.iterdir()] == ["two.html"]


def test_quiet_says_nothing(run_cli, tmp_path: Path) -> None:
    done = run_cli("report", "lenet5", "-q", "-o", tmp_path / "x.html")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_without_a_file_the_page_goes_to_stdout(run_cli) -> None:
    done = run_cli("report", "lenet5")
    assert done.code == 0
    assert done.out.lower().startswith("<!doctype html>")


def test_json_holds_the_costs(run_cli) -> None:
    data = json.loads(run_cli("report", "lenet5", "--json").out)
    cost = sy.cost(sy.capture("lenet5")).to_dict()
    assert data["schema"] == "steelyard.report/1"
    assert data["networks"][0]["total"] == cost["total"]


@pytest.mark.parametrize(("suffix", "start"), [("md", "# "), ("csv", "network,"), ("json", "{")])
def test_the_suffix_chooses_the_form(run_cli, tmp_path: Path, suffix: str, start: str) -> None:
    file = tmp_path / f"report.{suffix}"
    assert run_cli("report", "lenet5", "-o", file).code == 0
    assert file.read_text("utf-8").startswith(start)


def test_an_unknown_suffix_is_a_usage_error(run_cli, tmp_path: Path) -> None:
    done = run_cli("report", "lenet5", "-o", tmp_path / "report.docx")
    assert done.code == 2
    assert "report.docx" in done.err
    assert "expected: a name that ends in" in done.err
    assert list(tmp_path.iterdir()) == []
