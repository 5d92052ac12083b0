"""Trainings that cannot go well say so, and lose nothing: full disks, memory, data that does not fit."""

import json
import os
import resource
import subprocess
import sys
import threading
from itertools import product
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from steelyard.errors import BackendError, DivergedError, FileFormatError, InputError, UsageError
from steelyard.train import api
from steelyard.train.api import train
from steelyard.train.callbacks import Callback
from steelyard.train.checkpoint import newest
from steelyard.train.lock import sole_trainer
from steelyard.train.progress import Moment
from steelyard.train.recipe import recipe_from
from steelyard.train.run import Run

Tables = dict[str, Any]


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "save_curves", lambda *_, **__: None)


def begun(tables: Tables, folder: Path, **how: Any) -> Run:
    return train(recipe_from(tables, "small"), run=folder, device="cpu", **how)


class At(Callback):
    """Does something before a step."""

    def __init__(self, step: int, what: Any) -> None:
        self.step, self.what = step, what

    def before_step(self, network: Any, step: int, steps: int) -> None:
        if step == self.step:
            self.what(network)


def test_a_run_holds_everything(small: Tables, tmp_path: Path) -> None:
    moments: list[Moment] = []
    run = begun(small, tmp_path / "a" / "run", progress=moments.append)
    names = {path.name for path in run.path.iterdir()}
    assert names >= {
        "recipe.toml", "environment.json", "metrics.jsonl", "timing.jsonl", "checkpoints", "tensorboard", "curves.png",
    }  # fmt: skip
    assert run.recipe == recipe_from(small, "small") and run.finished
    epochs = run.metrics("epoch")
    assert [row["epoch"] for row in epochs] == [1, 2, 3]
    assert [row["step"] for row in run.metrics("step")] == [5, 10, 15, 20]
    start = json.loads((run.path / "environment.json").read_text())[0]
    assert start["environment"]["torch"] == torch.__version__ and start["from_step"] == 0
    assert [m.epoch for m in moments if m.phase == "end"] == [1, 2, 3]
    assert moments[-1].test_top1 == epochs[-1]["test_top1"]
    assert run.to_dict()["schema"] == "steelyard.run/1"
    assert "3 " in str(run) and "best:" in str(run)


def test_the_network_of_a_run_is_the_one_that_was_tested(
    small: Tables, tmp_path: Path, no_plots: None
) -> None:
    from steelyard.train.evaluate import evaluate

    run = begun(small, tmp_path / "run")
    best = run.best
    assert best is not None
    assert evaluate(run).top1 == best["test_top1"]
    assert evaluate(run, checkpoint="last").top1 == run.metrics("epoch")[-1]["test_top1"]
    averaged, plain = run.network("last"), run.network("last", ema=False)
    assert not averaged.training
    pairs = zip(averaged.parameters(), plain.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"is no run: there is no recipe\.toml"):
        Run.open(tmp_path)
    (tmp_path / "recipe.toml").write_text('[network]\nname = "lenet5"\n[data]\nsource = "digits"\n')
    run = Run.open(tmp_path)
    assert run.best is None and not run.finished
    with pytest.raises(FileFormatError, match="no checkpoint yet"):
        run.network()
    with pytest.raises(UsageError, match="best or last"):
        run.network("newest")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"num_classes": 7}, "has 7 classes, digits has 10(.|\n)*num_classes=10"),
        ({"in_channels": 3}, "cannot take an input of shape"),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_refused_before_training(
    small: Tables, tmp_path: Path, config: Tables, words: str
) -> None:
    small["network"]["config"] |= config
    with pytest.raises(InputError, match=words):
        begun(small, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_training_that_diverges_stops_and_keeps_what_was_good(
    small: Tables, tmp_path: Path, no_plots: None
) -> None:
    def spoil(network: Any) -> None:
        with torch.no_grad():
            next(network.parameters())[0] = float("inf")

    with pytest.raises(DivergedError, match=r"at step 12: the parameter .* \(step 8 is saved\)"):
        begun(small, tmp_path / "run", callbacks=[At(11, spoil)])
    found, damaged = newest(tmp_path / "run" / "checkpoints")
    assert found is not None and found.step == 8 and not damaged
    assert all(torch.isfinite(t).all() for t in found.tensors["model"].values())


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")],
    ids=["python", "cuda", "cpu"],
)  # fmt: skip
def test_too_little_memory_gets_advice(small: Tables, tmp_path: Path, error: Exception) -> None:
    def fail(network: Any) -> None:
        raise error

    with pytest.raises(
        BackendError, match=r"accumulate=4 (.|\n)*precision=bf16(.|\n)*data\.batch=96"
    ):
        begun(small, tmp_path / "run", callbacks=[At(3, fail)])


def test_other_errors_pass_as_they_are(small: Tables, tmp_path: Path) -> None:
    def fail(network: Any) -> None:
        raise RuntimeError("of the user's own")

    with pytest.raises(RuntimeError, match="of the user's own"):
        begun(small, tmp_path / "run", callbacks=[At(3, fail)])


FULL = """
import json, resource, signal, sys, warnings
from pathlib import Path
from steelyard.errors import InputError
from steelyard.train.api import train
from steelyard.train.callbacks import Callback
from steelyard.train.recipe import recipe_from

class Full(Callback):
    def before_step(self, network, step, steps):
        if step == 13:
            # from here on no file may grow over 20 kB: the checkpoint of step 16 does not fit
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
recipe = recipe_from(json.loads(sys.argv[2]), "small")
try:
    train(recipe, run=Path(sys.argv[1]), device="cpu", checkpoint_steps=4, callbacks=[Full()])
except InputError as error:
    print(error)
"""


def test_a_full_disk_is_told_and_nothing_is_lost(
    small: Tables, tmp_path: Path, no_plots: None
) -> None:
    small["network"]["config"]["growth"] = [16, 16]  # checkpoints of over 20 kB
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "run"), json.dumps(small)],
        capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
    )  # fmt: skip
    assert "cannot write" in done.stdout and "File too large, at step 16" in done.stdout
    assert "what was saved at step 12 is whole" in done.stdout and "--resume" in done.stdout
    assert not list((tmp_path / "run" / "checkpoints").glob(".writing*"))
    begun(small, tmp_path / "run", resume=True)
    begun(small, tmp_path / "whole")
    last = "checkpoints/00000024/model.safetensors"
    assert (tmp_path / "run" / last).read_bytes() == (tmp_path / "whole" / last).read_bytes()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_folder_that_cannot_be_written_is_told(
    small: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*Not a directory"):
        begun(small, tmp_path / "file" / "run")

    def read_only(self: Path, *_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(InputError, match=r"cannot write .*Read-only file system"):
        begun(small, tmp_path / "run")


def test_pictures_that_cannot_be_read_are_left_out_and_counted(
    small: Tables, tmp_path: Path, no_plots: None
) -> None:
    pictures = tmp_path / "pictures"
    for split, label in product(("train", "val"), "ab"):
        folder = pictures / split / label
        folder.mkdir(parents=True)
        for number in range(6):
            noise = numpy.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=numpy.uint8)
            Image.fromarray(noise).save(folder / f"{number}.png")
    for torn in ("train/a/1.png", "train/b/5.png", "val/b/2.png"):
        (pictures / torn).write_bytes((pictures / torn).read_bytes()[:40])
    small["network"]["config"] |= {"in_channels": 3, "num_classes": 2}
    small["data"] = {
        "source": f"folder:{pictures}", "batch": 6, "transforms": ["normalize:imagenet"],
        "test_transforms": ["normalize:imagenet"],
    }  # fmt: skip
    with pytest.raises(FileFormatError, match=r"[a-b]/\d\.png"):
        begun(small, tmp_path / "run")
    small["data"]["on_corrupt"] = "skip"
    said: list[str] = []
    run = begun(small, tmp_path / "skips", say=said.append)
    assert [(row["left_out"], row["test_left_out"]) for row in run.metrics("epoch")] == [(2, 1)] * 3
    assert len(said) == 1 and said[0].startswith("3 images left out: ") and "1.png" in said[0]


def test_two_do_not_train_in_one_folder(small: Tables, tmp_path: Path, no_plots: None) -> None:
    begun(small, tmp_path / "run")
    with (
        sole_trainer(tmp_path / "run"),
        pytest.raises(UsageError, match=r"another process .* is training in"),
    ):
        begun(small, tmp_path / "run", resume=True)


def test_an_unknown_device_is_told(small: Tables, tmp_path: Path) -> None:
    for name in ("gpu", "cuda:77"):
        with pytest.raises(UsageError, match="device"):
            train(recipe_from(small, "small"), run=tmp_path / "run", device=name)


def test_it_trains_in_another_thread_too(small: Tables, tmp_path: Path, no_plots: None) -> None:
    small["epochs"] = 1
    thread = threading.Thread(target=lambda: begun(small, tmp_path / "run"))
    thread.start()
    thread.join()
    assert Run.open(tmp_path / "run").finished
