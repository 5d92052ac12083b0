"""``steelyard scorecard``: the card, cards side by side, and mistakes."""

import csv
import json

import pytest

import steelyard as sy


def test_the_card(run_cli) -> None:
    args = ("scorecard", "lenet5", "--device", "eyeriss", "--pes", "1")
    data = json.loads(run_cli(*args, "--json").out)
    assert data == sy.scorecard("lenet5", "eyeriss", pe_factors=(1,)).to_dict()
    rows = list(csv.DictReader(run_cli(*args, "--format", "csv").out.splitlines()))
    assert {row["metric"] for row in rows} == {metric["name"] for metric in data["metrics"]}
    text = run_cli(*args).out
    for said in ("x utilisation of the active", "DRAM energy", "no other size was asked for"):
        assert said in text


def test_side_by_side(run_cli) -> None:
    done = run_cli("scorecard", "lenet5", "--device", "eyeriss", "--device", "h100", "--pes", "1")
    assert done.code == 0
    assert "2 scorecards" in done.out
    assert "found how: modelled: each layer with its best mapping (eyeriss)" in done.out


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("lenet5", "--device", "eyeriss", "--measured"), 2, "--measured without this machine"),
        (
            ("lenet5", "alexnet", "--device", "eyeriss", "--run", "r"),
            2,
            "--run with several networks",
        ),
        (("lenet5", "--device", "eyeriss", "--run", "nowhere"), 3, "is no run"),
        (("lenet5", "--device", "eyeriss", "--pes", "1,x"), 2, "powers of two with commas"),
        (("lenet5", "--device", "eyeriss", "--pes", "1,3"), 2, "3 times as many PEs"),
        (("lenet5", "--device", "eyeris"), 3, "nearest: eyeriss"),
        (("lenet5", "--device", "eyeriss", "--zoo", "nothing*"), 3, "no network is named"),
        (("lenet5",), 2, "Missing option '--device'"),
    ],
)
def test_mistakes(run_cli, args: tuple[str, ...], code: int, says: str) -> None:
    done = run_cli("scorecard", *args)
    assert (done.code, says in done.err) == (code, True), done.err


def test_published_training_costs(run_cli) -> None:
    data = json.loads(run_cli("tables", "training-costs", "--json").out)
    assert data["trainings"][0]["usd"] == 245_760
    assert "XLNet-Large" in run_cli("tables", "training-costs").out
