"""``steelyard roofline``: the ceilings, the seven bounds, and mistakes."""

import csv
import json

import pytest

import steelyard as sy


def test_the_layers_under_the_roof(run_cli) -> None:
    done = run_cli("roofline", "lenet5", "--device", "h100", "--json")
    assert done.code == 0
    data = json.loads(done.out)
    expected = sy.roofline(sy.capture("lenet5"), "h100").to_dict()
    assert data == expected
    assert "ridge is at" in run_cli("roofline", "lenet5", "--device", "h100").out


def test_another_type_has_another_peak(run_cli) -> None:
    args = ("roofline", "lenet5", "--device", "h100", "--json", "--dtype", "float16")
    assert json.loads(run_cli(*args).out)["peak_macs_per_s"] == pytest.approx(494.7e12)


def test_seven_steps(run_cli) -> None:
    args = ("roofline", "lenet5", "--device", "tpu_v1", "--steps")
    data = json.loads(run_cli(*args, "--json").out)
    assert data == sy.bounds(sy.capture("lenet5"), "tpu_v1").to_dict()
    rows = list(csv.DictReader(run_cli(*args, "--format", "csv").out.splitlines()))
    assert len(rows) == len(data["layers"])
    assert {"step1", "step7", "limit"} <= set(rows[0])
    free = json.loads(
        run_cli(
            "roofline", "lenet5", "--device", "eyeriss", "--steps", "--dataflow", "any", "--json"
        ).out
    )
    assert free == sy.bounds(sy.capture("lenet5"), "eyeriss", dataflow="").to_dict()


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("--device", "h100", "--steps"), 2, "--steps on h100, a roofline"),
        (("--device", "h100", "--dataflow", "RS"), 2, "--dataflow without --steps"),
        (("--device", "eyeriss", "--steps", "--dataflow", "RX"), 3, "no dataflow is named 'RX'"),
        (("--device", "eyeris"), 3, "nearest: eyeriss"),
        (("--device", "xeon_platinum_8180", "--dtype", "float16"), 2, "has no peak for float16"),
        ((), 2, "Missing option '--device'"),
    ],
)
def test_mistakes(run_cli, args, code, says) -> None:
    done = run_cli("roofline", "lenet5", *args)
    assert done.code == code
    assert says in done.err
