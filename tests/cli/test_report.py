"""``steelyard report``: files by suffix, stdout without -o."""

import json
from pathlib import Path

import pytest

import steelyard as sy


def test_an_html_page_with_every_network(run_cli, tmp_path: Path) -> None:
    file = tmp_path / "two.html"
    done = run_cli("report", "lenet5", "lenet_caffe", "--no-rewrites", "-o", file)
    assert (done.code, done.out) == (0, "")
    assert done.err == f"report: {file}\n"
    page = file.read_text("utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert "lenet5" in page
    assert "lenet_caffe" in page
    assert [p.name for p in tmp_path.iterdir()] == ["two.html"]


def test_quiet_says_nothing(run_cli, tmp_path: Path) -> None:
    done = run_cli("report", "lenet5", "--no-rewrites", "-q", "-o", tmp_path / "x.html")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_without_a_file_the_page_goes_to_stdout(run_cli) -> None:
    done = run_cli("report", "lenet5")
    assert done.code == 0
    assert done.out.lower().startswith("<!doctype html>")
    assert "steelyard rewrite lenet5 depthwise_separable" in done.out


def test_json_holds_the_costs(run_cli) -> None:
    data = json.loads(run_cli("report", "lenet5", "--no-rewrites", "--json").out)
    cost = sy.cost(sy.capture("lenet5")).to_dict()
    assert data["schema"] == "steelyard.report/1"
    assert data["networks"][0]["total"] == cost["total"]


@pytest.mark.parametrize(("suffix", "start"), [("md", "# "), ("csv", "network,"), ("json", "{")])
def test_the_suffix_chooses_the_form(run_cli, tmp_path: Path, suffix: str, start: str) -> None:
    file = tmp_path / f"report.{suffix}"
    assert run_cli("report", "lenet5", "--no-rewrites", "-o", file).code == 0
    assert file.read_text("utf-8").startswith(start)


def test_an_unknown_suffix_is_a_usage_error(run_cli, tmp_path: Path) -> None:
    done = run_cli("report", "lenet5", "-o", tmp_path / "report.docx")
    assert done.code == 2
    assert "report.docx" in done.err
    assert "expected: a name that ends in" in done.err
    assert list(tmp_path.iterdir()) == []


def test_what_changed_and_a_limit_that_breaks(run_cli, tmp_path: Path) -> None:
    """LeNet-5 has 60,000 parameters (LeCun et al. 1998), Caffe's has 431,080."""
    old = tmp_path / "old.json"
    assert run_cli("report", "lenet5", "--no-rewrites", "-o", old).code == 0
    same = ("report", "lenet5", "--no-rewrites", "--against", old)
    kept = run_cli(*same, "--max-macs", "+0%", "--max-params", "100k", "--markdown")
    assert kept.code == 0
    assert "Nothing changed against" in kept.out
    data = json.loads(run_cli(*same, "--json").out)
    assert data["networks"][0]["against"]["schema"] == "steelyard.against/1"
    assert data["command"].startswith("steelyard ")

    file = tmp_path / "pull.md"
    broken = run_cli(
        "report", "lenet_caffe", "--no-rewrites", "--against", "lenet5", "--max-params", "+2%", "--max-macs",
        "400k", "-o", file,
    )  # fmt: skip
    assert broken.code == 1
    assert "error: 2 limits are exceeded" in broken.err
    assert (
        "parameters: 431 k against 60.0 k before, +618.5 %; --max-params allows +2%" in broken.err
    )
    assert "over --max-macs 400k" in broken.err
    assert "431 k (+618.5 %)" in file.read_text("utf-8")


def test_what_it_cannot_be_held_against_is_said(run_cli, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    assert run_cli("report", "lenet5", "--no-rewrites", "-o", old).code == 0
    other = run_cli("report", "lenet_caffe", "--no-rewrites", "--against", old, "--markdown")
    assert other.code == 3
    assert "has lenet5, not lenet_caffe" in other.err
    old.write_text(old.read_text("utf-8")[:2000], "utf-8")
    cut = run_cli("report", "lenet5", "--no-rewrites", "--against", old, "--markdown")
    assert cut.code == 3
    assert "is not JSON" in cut.err
    assert (
        run_cli("report", "lenet5", "--max-macs", "many", "--markdown", "--no-rewrites").code == 2
    )
    relative = run_cli("report", "lenet5", "--no-rewrites", "--max-macs", "+2%", "--markdown")
    assert relative.code == 2
    assert "--max-macs +2% is relative" in relative.err
