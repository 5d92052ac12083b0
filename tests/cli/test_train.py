"""``steelyard train`` as it is typed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard import cli
from steelyard.train import api

SETTINGS = [
    "--set",
    "epochs=2",
    "--set",
    "schedule.warmup_epochs=0",
    "--set",
    "data.batch=256",
    "--set",
    "ema.decay=0.0",
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "save_curves", lambda *_, **__: None)


def test_it_trains_says_each_epoch_and_prints_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", "digits_lenet", *SETTINGS]) == 0
    out, err = capfd.readouterr()
    assert (
        "digits_lenet: lenet_caffe on digits" in out and "everything is in runs/digits_lenet" in out
    )
    assert "epoch 1/2  loss" in err and "epoch 2/2" in err
    assert cli.run(["train", "digits_lenet", *SETTINGS]) == 2
    assert "--resume, or --run NAME" in capfd.readouterr().err
    assert cli.run(["train", "runs/digits_lenet", "--resume", "--json", "-q"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["schema"] == "steelyard.run/1" and err == ""
    assert cli.run(["train", "digits_lenet", *SETTINGS, "--set", "seed=9", "--resume"]) == 2
    assert "seed: 1 before, 9 now" in capfd.readouterr().err


def test_recipes_are_listed_and_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", "--list"]) == 0
    assert "digits_lenet" in capfd.readouterr().out
    assert cli.run(["train", "--list", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["schema"] == "steelyard.recipes/1"
    assert cli.run(["train", "digits_lenet", "--show", "--set", "optimizer.lr=0.5"]) == 0
    assert "lr = 0.5" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "no recipe"),
        (["digits_lenett"], 3, "nearest: digits_lenet"),
        (["digits_lenet", "--set", "optimizer.rate=1"], 2, "no setting 'rate'"),
        (["digits_lenet", "--set", "epochs"], 2, "expected: key=value"),
        (["digits_lenet", "--resume"], 2, "no run in runs/digits_lenet"),
        (["digits_lenet", "--set", "network.config.num_classes=9"], 3, "has 9 classes"),
    ],
)
def test_what_is_typed_wrong_is_told(
    words: list[str], code: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["train", *words]) == code
    assert said in capfd.readouterr().err
    assert not Path("runs/digits_lenet").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends_with_130(number: signal.Signals, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "steelyard", "train", "digits_lenet", "--set", "epochs=500"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr is not None
        assert "epoch 1/500" in process.stderr.readline()
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait() == 130
    assert f"{number.name}: saved at step" in rest and "interrupted" in rest
    assert len(list((tmp_path / "runs/digits_lenet/checkpoints").iterdir())) >= 1
