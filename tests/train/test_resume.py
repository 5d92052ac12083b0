"""A training that was killed, stopped or damaged ends with the very bytes of one that was not."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from steelyard.errors import FileFormatError, InputError, UsageError
from steelyard.train import api
from steelyard.train.api import train
from steelyard.train.callbacks import Callback
from steelyard.train.checkpoint import checkpoints
from steelyard.train.recipe import recipe_from
from steelyard.train.run import Run

Tables = dict[str, Any]


def results(folder: Path) -> dict[str, bytes]:
    """What must be the same, bit for bit: rows, weights, optimiser, average, random numbers."""
    last = checkpoints(folder / "checkpoints")[-1]
    files = {path.name: path.read_bytes() for path in sorted(last.glob("*.safetensors"))}
    return files | {"step": last.name.encode(), "metrics": (folder / "metrics.jsonl").read_bytes()}


def begun(tables: Tables, folder: Path, **how: Any) -> Run:
    return train(recipe_from(tables, "small"), run=folder, device="cpu", **how)


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "save_curves", lambda *_, **__: None)


@pytest.fixture(scope="module")
def whole_run(small_tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run of the small recipe that nothing happened to."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "save_curves", lambda *_, **__: None)
        begun(small_tables, folder)
    yield folder


@pytest.fixture
def whole(whole_run: Path) -> dict[str, bytes]:
    return results(whole_run)


class At(Callback):
    """Does something before a step."""

    def __init__(self, step: int, what: Any) -> None:
        self.step, self.what = step, what

    def before_step(self, network: object, step: int, steps: int) -> None:
        if step == self.step:
            self.what()


class AfterEpoch(Callback):
    """Sends a signal after the second epoch's test."""

    def after_epoch(self, row: Mapping[str, Any]) -> None:
        if row["epoch"] == 2:
            os.kill(os.getpid(), signal.SIGTERM)


def killed(folder: Path, tables: Tables, kills: int, seed: int) -> int:
    program = Path(__file__).with_name("killing.py")
    done = subprocess.run(
        [sys.executable, str(program), str(folder), json.dumps(tables), str(kills), str(seed)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["code"] == 0
    return int(said["kills"])


def test_sigkill_at_random_moments_changes_nothing(small: Tables, tmp_path: Path) -> None:
    assert killed(tmp_path, small, 4, seed=1)
    assert results(tmp_path / "killed") == results(tmp_path / "whole")
    assert len(Run(tmp_path / "killed").metrics("epoch")) == 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("kind", ["sgd", "adamw", "rmsprop"])
def test_sigkill_at_very_many_moments_changes_nothing(
    small: Tables, tmp_path: Path, kind: str, seed: int
) -> None:
    small["optimizer"] = {"kind": kind, "lr": 0.003}
    small["precision"] = "bf16" if seed else "fp32"
    small["channels_last"] = not seed
    killed(tmp_path, small, 15, seed)
    assert results(tmp_path / "killed") == results(tmp_path / "whole")


@pytest.mark.parametrize(
    "callback",
    [At(0, lambda: os.kill(os.getpid(), signal.SIGINT)), At(11, lambda: os.kill(os.getpid(), signal.SIGTERM)), AfterEpoch()],
    ids=["first step", "mid-epoch", "after a test"],
)  # fmt: skip
def test_a_signal_saves_and_interrupts(
    small: Tables, tmp_path: Path, whole: dict[str, bytes], callback: Callback
) -> None:
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        begun(small, tmp_path / "run", callbacks=[callback], say=said.append)
    assert any("saved at step" in text and "--resume goes on" in text for text in said)
    run = begun(small, tmp_path / "run", resume=True)
    assert run.finished
    assert results(tmp_path / "run") == whole


def test_a_signal_during_the_test_saves_what_was_before_it(
    small: Tables, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    def watch(moment: Any) -> None:
        if (moment.phase, moment.epoch) == ("test", 2):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        begun(small, tmp_path / "run", progress=watch, say=lambda _: None)
    assert len(Run(tmp_path / "run").metrics("epoch")) == 1
    begun(small, tmp_path / "run", resume=True)
    assert results(tmp_path / "run") == whole


class Crash(Exception):
    """Stands for any end without warning."""


def crash() -> None:
    raise Crash


def crashed(small: Tables, folder: Path, step: int, every: int = 4) -> None:
    with pytest.raises(Crash):
        begun(small, folder, callbacks=[At(step, crash)], checkpoint_steps=every)


@pytest.mark.parametrize("file", ["model.safetensors", "state.safetensors", "manifest.json"])
def test_a_flipped_checkpoint_is_left_aside_and_said(
    small: Tables, tmp_path: Path, whole: dict[str, bytes], file: str
) -> None:
    crashed(small, tmp_path / "run", 22)
    target = tmp_path / "run" / "checkpoints" / "00000020" / file
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 4
    target.write_bytes(content)
    said: list[str] = []
    begun(small, tmp_path / "run", resume=True, say=said.append)
    assert len(said) == 1 and "00000020" in said[0] and "the one before it is used" in said[0]
    assert results(tmp_path / "run") == whole


def test_where_no_checkpoint_is_whole_training_begins_anew(
    small: Tables, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    crashed(small, tmp_path / "run", 22)
    for path in (tmp_path / "run" / "checkpoints").glob("*/model.safetensors"):
        path.write_bytes(b"")
    said: list[str] = []
    begun(small, tmp_path / "run", resume=True, say=said.append)
    assert "no checkpoint is whole: training begins anew" in said[-1]
    assert results(tmp_path / "run") == whole


def test_two_checkpoints_and_the_best_are_kept(small: Tables, tmp_path: Path) -> None:
    run = begun(small, tmp_path / "run", checkpoint_steps=5)
    best = run.best
    assert best is not None
    kept = [int(path.name) for path in checkpoints(run.path / "checkpoints")]
    assert kept == sorted({best["step"], 20, 24})


def test_every_second_epoch_is_kept_and_stays_so_when_gone_on_with(
    small: Tables, tmp_path: Path
) -> None:
    small["epochs"] = 5
    with pytest.raises(Crash):  # in epoch 4, of 8 steps each
        begun(small, tmp_path / "run", callbacks=[At(31, crash)], keep_epochs=2, checkpoint_steps=3)
    run = begun(small, tmp_path / "run", resume=True)
    best = run.best
    assert best is not None
    kept = [int(path.name) for path in checkpoints(run.path / "checkpoints")]
    # steps 27 and 30 were the last two at the crash
    assert kept == sorted({16, 32, 40, best["step"]})


def test_another_recipe_is_refused_with_the_difference(small: Tables, tmp_path: Path) -> None:
    crashed(small, tmp_path / "run", 6)
    small["optimizer"] = {"lr": 0.1, "momentum": 0.8}
    with pytest.raises(UsageError) as error:
        begun(small, tmp_path / "run", resume=True)
    assert "optimizer.lr: 0.05 before, 0.1 now; optimizer.momentum: 0.9 before" in str(error.value)


def test_a_run_is_not_begun_twice_and_nothing_is_not_resumed(small: Tables, tmp_path: Path) -> None:
    crashed(small, tmp_path / "run", 1)
    with pytest.raises(UsageError, match="there is a run in"):
        begun(small, tmp_path / "run")
    with pytest.raises(UsageError, match="no run in"):
        begun(small, tmp_path / "none", resume=True)
    assert not (tmp_path / "none").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo.jpg").touch()
    with pytest.raises(UsageError, match="holds something else than a run"):
        begun(small, tmp_path / "full")


def test_a_finished_run_stays_as_it_is(
    small: Tables, whole_run: Path, whole: dict[str, bytes]
) -> None:
    begun(small, whole_run, resume=True)
    assert results(whole_run) == whole


def test_other_data_and_a_changed_record_are_refused(small: Tables, tmp_path: Path) -> None:
    crashed(small, tmp_path / "run", 14)
    record = tmp_path / "run" / "metrics.jsonl"
    record.write_bytes(record.read_bytes().replace(b"loss", b"lost"))
    with pytest.raises(FileFormatError, match="not as it was when the checkpoint was written"):
        begun(small, tmp_path / "run", resume=True)
    manifest = tmp_path / "run" / "checkpoints" / "00000012" / "manifest.json"
    assert '"fingerprints"' in manifest.read_text()


def test_other_images_are_refused(
    small: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from steelyard.train import feed

    crashed(small, tmp_path / "run", 14)
    real = feed.load_data
    monkeypatch.setattr(
        feed, "load_data", lambda *args, **kw: replace(real(*args, **kw), fingerprint="other")
    )
    with pytest.raises(InputError, match="the data is not what the run was begun with"):
        begun(small, tmp_path / "run", resume=True)


def test_another_number_of_threads_is_said(small: Tables, tmp_path: Path) -> None:
    crashed(small, tmp_path / "run", 14)
    starts = tmp_path / "run" / "environment.json"
    starts.write_text(starts.read_text().replace('"threads": ', '"threads": 9'))
    said: list[str] = []
    begun(small, tmp_path / "run", resume=True, say=said.append)
    assert "threads: 9" in said[0] and "not be bit for bit" in said[0]
