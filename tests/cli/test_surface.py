"""``steelyard surface``: table, JSON, CSV, pictures and mistakes."""

from __future__ import annotations

import csv
import json

import pytest

LINE = (
    "surface", "lenet5_dense:in_channels=1,num_classes=10", "--weights", "random", "--data", "digits",
    "--transforms", "resize:32", "--transforms", "normalize", "--steps", 3, "--samples", 32,
)  # fmt: skip


def test_table_json_csv_and_pictures(run_cli, tmp_path) -> None:
    line = (*LINE, "--store", tmp_path / "points.sqlite")
    done = run_cli(*line)
    assert done.code == 0
    assert "over two random directions" in done.out
    data = json.loads(run_cli(*line, "--json").out)
    assert data["x"] == [-1, 0, 1]
    rows = list(csv.DictReader(run_cli(*line, "--format", "csv").out.splitlines()))
    assert len(rows) == 9
    centre = [row for row in rows if float(row["x"]) == float(row["y"]) == 0]
    assert float(centre[0]["loss_nats"]) == data["loss"][1][1]
    assert "wrote" in run_cli(*line, "-o", tmp_path / "a.png").err
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    run_cli(*line, "-o", tmp_path / "a.html")
    assert "data:image/png;base64," in (tmp_path / "a.html").read_text()


def test_a_line_and_the_way_between_two(run_cli, tmp_path) -> None:
    store = ("--store", tmp_path / "points.sqlite")
    done = run_cli(*LINE, *store, "--dimensions", 1, "--range", 0, 2)
    assert "along a random direction" in done.out
    run_cli(*LINE, *store, "--dimensions", 1, "-o", tmp_path / "line.svg")
    assert "loss (nats), logarithmic" in (tmp_path / "line.svg").read_text()


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["--range", 1, 0], 2, "low below high"),
        (["--dimensions", 3], 2, "3 is not in the range"),
        (["--towards", "nothing.pt"], 2, "does not exist"),
    ],
)
def test_mistakes(run_cli, args, code, says) -> None:
    done = run_cli(*LINE, *args)
    assert (done.code, done.out) == (code, "")
    assert says in done.err
