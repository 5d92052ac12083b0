"""``steelyard evaluate``: table, JSON, CSV, page, picture, limits and mistakes."""

from __future__ import annotations

import csv
import json
import re

import pytest
import torch

import steelyard as sy


@pytest.fixture(scope="module")
def line(tmp_path_factory) -> tuple[str, ...]:
    """LeNet-5 with its linear layer fitted, so that some digits are right."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "net.pt"
    torch.save(sy.create("lenet5_dense", in_channels=1, num_classes=10).state_dict(), file)
    return (
        "evaluate", "lenet5_dense:in_channels=1,num_classes=10", "--data", "digits", "--weights", str(file),
        "--transforms", "resize:32", "--transforms", "normalize",
    )  # fmt: skip


def test_table_and_csv(run_cli, line) -> None:
    done = run_cli(*line)
    assert done.code == 0
    assert "on digits, test: top-1" in done.out
    assert "360 samples, 10 classes; data SHA-256" in done.out
    assert "preprocessing: resize: the shorter side to 32, bilinear with antialias; normalize:" in (
        done.out.replace("\n", " ")
    )
    rows = list(csv.DictReader(run_cli(*line, "--format", "csv").out.splitlines()))
    assert [row["class"] for row in rows] == list("0123456789")
    assert sum(int(row["samples"]) for row in rows) == 360


def test_json_is_the_same_as_to_dict(run_cli, line) -> None:
    data = json.loads(run_cli(*line, "--json").out)
    ours = sy.evaluate(
        line[1], data="digits", weights=line[5], transforms=["resize:32", "normalize"]
    )
    assert data == json.loads(json.dumps(ours.to_dict()))
    assert data["top1"] + data["top1_error"] == 100
    assert data["top5"] + data["top5_error"] == 100


def test_page_and_picture(run_cli, line, tmp_path) -> None:
    done = run_cli(*line, "-o", tmp_path / "a.html")
    assert "wrote" in done.err
    page = (tmp_path / "a.html").read_text("utf-8")
    assert "<script src" not in page
    assert 'aria-label="confusion matrix of 10 classes"' in page
    assert re.search(r"weights, SHA-256</dt><dd>[0-9a-f]{64}", page)
    # every count of the matrix stands in its cell
    counts = sorted(map(int, re.findall(r'text-anchor="middle" style="fill:[^"]*">(\d+)<', page)))
    matrix = json.loads(run_cli(*line, "--json").out)["outputs"][0]["confusion"]
    assert counts == sorted(count for _, _, count in matrix)
    run_cli(*line, "-o", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_limit(run_cli, line) -> None:
    done = run_cli(*line, "--min-top1", 99.9)
    assert done.code == 1
    assert "expected: at least 99.9 %" in done.err
    assert run_cli(*line, "--min-top1", 0).code == 0


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["lenet5", "--data", "digits"], 2, "no published weights are known for lenet5"),
        (["lenet5", "--weights", "random"], 2, "no data to evaluate on"),
        (["nonsense", "--data", "digits"], 3, "no network is named 'nonsense'"),
        (["lenet5", "--weights", "random", "--data", "digit"], 3, "nearest: digits"),
        (["lenet5_dense:num_classes=7", "--weights", "random", "--data", "digits", "--transforms", "resize:32"], 3, "num_classes=10"),
        (["a.onnx", "--data", "digits"], 3, "no file 'a.onnx'"),
    ],
)  # fmt: skip
def test_mistakes(run_cli, args, code, says) -> None:
    done = run_cli("evaluate", *args)
    assert (done.code, done.out) == (code, "")
    assert says in done.err
