"""``steelyard scale``: the table, JSON, CSV, files, and exit codes."""

from __future__ import annotations

import csv
import json

import pytest

import steelyard as sy

NET = ("scale", "resnet20_cifar", "--device", "h100")


def test_table_names_every_proposal_and_where_latency_comes_from(run_cli) -> None:
    done = run_cli(*NET, "--phi", "1")
    assert done.code == 0
    assert "phi 1" in done.out
    assert "latency on h100" in done.out
    assert "resnet20_cifar:width=1.1,blocks=4x4x4,resolution=37" in done.out


def test_json_is_the_same_as_to_dict(run_cli) -> None:
    done = run_cli(*NET, "--phi", "1", "--phi", "2", "--fast", "--json")
    from steelyard.design import Fast

    ours = sy.scale("resnet20_cifar", phi=(1, 2), rule=Fast(), device="h100").to_dict()
    assert json.loads(done.out) == json.loads(json.dumps(ours))
    assert json.loads(done.out)["schema"] == "steelyard.scaling/1"


def test_csv_and_file(run_cli, tmp_path) -> None:
    target = tmp_path / "out.csv"
    assert run_cli(*NET, "--phi", "1", "-o", target).code == 0
    rows = list(csv.DictReader(target.read_text().splitlines()))
    assert [row["label"] for row in rows] == ["given", "phi 1"]
    assert int(rows[0]["macs"]) == sy.capture("resnet20_cifar").macs


def test_grid(run_cli) -> None:
    done = run_cli("scale", "resnet20_cifar:resolution=8", "--grid", "--step", "0.2")
    assert done.code == 0
    assert "trained each of them" in done.out


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (["resnet20_cifar"], 2, "nothing to scale to"),
        (["resnet2O_cifar", "--phi", "1"], 3, "no network is named"),
        (["alexnet", "--phi", "1"], 2, "no setting for its depth"),
        (["resnet20_cifar", "--phi", "1", "--beta", "3"], 2, "alpha x beta^2 x gamma^2"),
        (["resnet20_cifar", "--phi", "1", "--fast", "--beta", "1"], 2, "--fast with --beta"),
        (["resnet20_cifar", "--phi", "1", "--grid"], 2, "--grid with a target"),
        (["resnet20_cifar", "--phi", "1", "--device", "h10O"], 3, "no device is named"),
    ],
)
def test_mistakes(run_cli, line, code, says) -> None:
    done = run_cli("scale", *line)
    assert (done.code, done.out) == (code, "")
    assert says in done.err
