"""``steelyard search``: table, JSON, CSV, page, export, going on with a store, and exit codes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import steelyard as sy
from stored_trials import stored_trials

SPACE = """
kind = "mobile"
resolution = 8
[settings]
num_classes = 10
in_channels = 1
stem = "cifar"
stem_channels = 8
head_channels = 16
[[stage]]
channels = [8, 16]
kernel = [3, 5]
expansion = 2
[[stage]]
channels = [16, 24, 32]
repeats = [1, 2]
expansion = 2
stride = 2
"""


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(SPACE)
    return path


def test_table(run_cli, space) -> None:
    done = run_cli("search", space, "--objective", "access,params", "--trials", 8)
    assert done.code == 0
    assert "search in tiny: least access, params" in done.out
    assert "8 trials by nsga2, seed 0 (8 done), of 24 networks" in done.out


def test_json_is_the_same_as_to_dict(run_cli, space) -> None:
    line = ("search", space, "--objective", "macs", "--constraint", "params<=3k", "--trials", 5)
    data = json.loads(run_cli(*line, "--json").out)
    ours = json.loads(
        json.dumps(sy.search(space, "macs", constraints="params<=3k", trials=5).to_dict())
    )
    for trial in (*data["trials"], *ours["trials"]):
        del trial["seconds"]
    assert data == ours
    assert data["schema"] == "steelyard.search/1"


def test_csv_and_page(run_cli, space, tmp_path) -> None:
    line = ("search", space, "--objective", "macs,params", "--trials", 6, "--strategy", "random")
    assert run_cli(*line, "-o", tmp_path / "all.csv").code == 0
    rows = list(csv.DictReader((tmp_path / "all.csv").read_text().splitlines()))
    assert [row["trial"] for row in rows] == list("012345")
    assert {"macs", "params", "stage2.repeats", "state"} <= set(rows[0])
    done = run_cli(*line, "-o", tmp_path / "page.html")
    assert "wrote" in done.err
    assert "<polyline" in (tmp_path / "page.html").read_text()


def test_store_and_export(run_cli, space, tmp_path) -> None:
    best = tmp_path / "best.toml"
    line = (
        "search",
        space,
        "--objective",
        "macs",
        "--store",
        tmp_path / "s.db",
        "--recipe",
        "digits_resnet56",
    )
    assert run_cli(*line, "--trials", 4).code == 0
    done = run_cli(*line, "--trials", 9, "--export", best, "--json")
    data = json.loads(done.out)
    assert len(data["trials"]) == 9
    recipe = sy.load_recipe(best)
    load = sy.capture(
        sy.create(recipe.network.name, **recipe.network.settings()), input_shape=(1, 1, 8, 8)
    )
    assert load.macs == min(trial["values"]["macs"] for trial in data["trials"])


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ([], 2, "Missing option '--objective'"),
        (["--objective", "mac"], 2, "try: macs"),
        (["--objective", "macs", "--constraint", "macs<=10"], 3, "the least found is"),
        (["--objective", "error"], 2, "--recipe digits_resnet56"),
        (["--objective", "macs", "--set", "epochs=1"], 2, "--set without --recipe"),
        (["--objective", "macs", "--export", "x.toml"], 2, "--export x.toml without --recipe"),
        (["--objective", "macs", "--export", "x.txt"], 2, "a .toml for the recipe, or a .yaml"),
        (["--objective", "macs", "--address", "auto"], 2, "expected: --engine ray"),
        (["--objective", "macs", "--address", "x", "--engine", "ray"], 2, "HOST:PORT"),
        (["--objective", "energy_mj@h100"], 2, "does not tell joules"),
    ],
)
def test_mistakes(run_cli, space, line, code, says) -> None:
    done = run_cli("search", space, *line)
    assert (done.code, done.out) == (code, "")
    assert says in done.err


def test_no_such_space(run_cli, tmp_path) -> None:
    done = run_cli("search", tmp_path / "none.toml", "--objective", "macs")
    assert (done.code, done.out) == (3, "")
    assert "cannot be read" in done.err


@pytest.mark.slow
def test_a_killed_search_loses_no_finished_trial(run_cli, space, tmp_path) -> None:
    """SIGKILL while it runs; the same line then goes on, and the result is that of a search never killed."""
    store = tmp_path / "s.db"
    line = [
        "search",
        str(space),
        "--objective",
        "access,params",
        "--strategy",
        "evolution",
        "--trials",
        "150",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "steelyard", *line, "--store", str(store)],
        stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    while process.poll() is None and stored_trials(store) < 5:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = stored_trials(store)
    assert kept >= 5
    data = json.loads(run_cli(*line, "--store", store, "--json").out)
    whole = json.loads(run_cli(*line, "--json").out)
    assert [t["number"] for t in data["trials"]] == list(range(150))
    assert [t["key"] for t in data["trials"]] == [t["key"] for t in whole["trials"]]
