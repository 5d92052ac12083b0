"""``steelyard systolic``: a device, an array given by its size, and mistakes."""

from __future__ import annotations

import csv
import json

import pytest

import steelyard as sy


def test_a_device(run_cli) -> None:
    done = run_cli("systolic", "lenet5", "--device", "tpu_v1", "--json")
    assert done.code == 0
    assert json.loads(done.out) == sy.systolic(sy.capture("lenet5"), "tpu_v1").to_dict()
    assert "lenet5 on tpu_v1, 256 x 256" in run_cli("systolic", "lenet5", "--device", "tpu_v1").out


def test_an_array_of_ones_own(run_cli) -> None:
    done = run_cli("systolic", "lenet5", "--array", "16x8", "--dataflow", "os", "--format", "csv")
    rows = list(csv.DictReader(done.out.splitlines()))
    expected = sy.systolic(sy.capture("lenet5"), (16, 8), "OS")
    assert [int(row["apart"]) for row in rows] == [layer.apart for layer in expected.layers]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        ((), 2, "neither of --device and --array\n  expected: one of them"),
        (("--device", "tpu_v1", "--array", "4x4"), 2, "one of them"),
        (("--array", "4"), 2, "32x64"),
        (("--array", "0x4"), 2, "at least one row"),
        (("--array", "4x4", "--dataflow", "RS"), 3, "WS, IS or OS"),
        (("--device", "eyeriss"), 2, "no systolic array"),
    ],
)
def test_mistakes(run_cli, args: tuple[str, ...], code: int, says: str) -> None:
    done = run_cli("systolic", "lenet5", *args)
    assert done.code == code
    assert says in done.err
