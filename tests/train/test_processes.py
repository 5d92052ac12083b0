"""Several processes train as one does, and end together whatever ends one of them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from steelyard.data.dataset import ArrayDataset
from steelyard.data.loader import Loader
from steelyard.data.transforms import parse_transforms
from steelyard.errors import UsageError
from steelyard.train.checkpoint import checkpoints
from steelyard.train.processes import launched
from steelyard.train.recipe import recipe_from
from steelyard.train.run import Run

Tables = dict[str, Any]
BEHIND = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def several(job: str, folder: Path, **told: Any) -> Any:
    """What the program `several.py` prints."""
    program = Path(__file__).with_name("several.py")
    done = subprocess.run(
        [sys.executable, str(program), job, str(folder), json.dumps(told)],
        capture_output=True, text=True, env=os.environ | BEHIND, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def results(folder: Path) -> dict[str, bytes]:
    last = checkpoints(folder / "checkpoints")[-1]
    files = {path.name: path.read_bytes() for path in sorted(last.glob("*.safetensors"))}
    return files | {"step": last.name.encode(), "metrics": (folder / "metrics.jsonl").read_bytes()}


def check_alike(found: Tables, rtol: float) -> None:
    assert found["errors"] == [[], []]
    assert len(found["one"]) == len(found["several"])
    for one, other in zip(found["one"], found["several"], strict=True):
        assert one.keys() == other.keys()
        for key, value in one.items():
            tolerance = {"abs": 1.0} if "top" in key else {"rel": rtol, "abs": 1e-7}
            expected = pytest.approx(value, **tolerance) if isinstance(value, float) else value
            assert other[key] == expected, key
    last = found["several"][-1]
    # bit for bit: one process evaluates what several trained and evaluated in shares
    assert found["evaluated"] == {"loss": last["test_loss"], "top1": last["test_top1"]}


def plain(batch: int) -> Tables:
    """Without batch normalisation."""
    return {
        "seed": 3, "epochs": 2, "log_every": 1, "accumulate": 2, "clip": 1.0, "ema": {"decay": 0.9}, "channels_last": False,
        "network": {"name": "lenet5", "config": {"num_classes": 10}},
        "data": {
            "source": "digits", "batch": batch, "transforms": ["crop:padding=1", "resize:32", "normalize"],
            "test_transforms": ["resize:32", "normalize"],
        },
        "optimizer": {"lr": 0.02},
    }  # fmt: skip


def test_two_processes_are_one_and_a_last_batch_of_one_image_is_no_trouble(tmp_path: Path) -> None:
    # 1,437 images: four steps of 359 and one of 1
    check_alike(several("alike", tmp_path, world=2, recipe=plain(359) | {"epochs": 1}), rtol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("world", "batch"), [(2, 64), (3, 256)])
def test_several_evaluate_as_one_to_the_last_bit(tmp_path: Path, world: int, batch: int) -> None:
    # of 256 images there are batches for two processes, and none for the third
    found = several("evaluated", tmp_path, world=world, batch=batch, differs=None)
    assert found["one"]["samples"] == 360
    assert found["several"] == [[found["one"], [360, 360]]] * world


@pytest.mark.slow
def test_several_that_evaluate_different_networks_are_told(tmp_path: Path) -> None:
    found = several("evaluated", tmp_path, world=2, batch=64, differs=1)
    for said in found["several"]:
        assert said["error"] == "InputError"
        assert "process 1 has another weights_sha256 than process 0" in said["text"]


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [[3, 4], [5, 1, 2]])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_normalised_together_as_by_the_library_at_once(
    tmp_path: Path, sizes: list[int], momentum: float | None
) -> None:
    for differences in several("batch_norm", tmp_path, sizes=sizes, momentum=momentum):
        assert all(value < 1e-10 for value in differences.values()), differences


@pytest.mark.slow
def test_with_batch_normalisation_two_processes_are_one(tmp_path: Path, small: Tables) -> None:
    small["network"]["config"]["drop_rate"] = 0.0
    small |= {"accumulate": 1, "log_every": 1, "epochs": 2, "channels_last": False}
    check_alike(several("alike", tmp_path, world=2, recipe=small), rtol=2e-3)


@pytest.mark.slow
def test_each_may_normalise_its_own_images(tmp_path: Path, small: Tables) -> None:
    small |= {"sync_batch_norm": False, "epochs": 2, "channels_last": False}
    found = several("alike", tmp_path, world=2, recipe=small)
    assert found["errors"] == [[], []]
    last = found["several"][-1]
    assert found["evaluated"] == {"loss": last["test_loss"], "top1": last["test_top1"]}


@pytest.mark.slow
@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("sync", [True, False])
def test_all_killed_and_resumed_end_with_the_same_bytes(
    tmp_path: Path, small: Tables, world: int, sync: bool
) -> None:
    small["sync_batch_norm"] = sync
    found = several("killed", tmp_path, world=world, recipe=small, kills=3, seed=world)
    assert found["kills"] >= world and found["last"] == [[]] * world
    assert results(tmp_path / "killed") == results(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("what", ["SIGKILL", "raise"])
def test_whatever_ends_one_ends_all_and_is_said(
    tmp_path: Path, small: Tables, rank: int, what: str
) -> None:
    found = several("struck", tmp_path, world=2, rank=rank, step=9, what=what, recipe=small, then=2)
    other = found["said"][1 - rank]
    assert other["error"] == "BackendError"
    if what == "raise" and rank:
        assert "process 1 of 2 ended: the callback broke" in other["text"]
    elif what == "raise":
        # without a launcher the words are kept in process 0, and may be gone with it
        assert "2 processes ended" in other["text"] or "the callback broke" in other["text"]
    else:
        assert found["said"][rank] is None
        assert "another of the 2 processes ended without a word" in other["text"]
    assert found["again"] == [[], []] and found["finished"]


@pytest.mark.slow
@pytest.mark.parametrize("then", [1, 2, 3])
def test_a_signal_to_one_saves_and_interrupts_all(tmp_path: Path, small: Tables, then: int) -> None:
    found = several(
        "struck", tmp_path, world=2, rank=1, step=9, what="SIGTERM", recipe=small, then=then
    )
    assert [said["error"] for said in found["said"]] == ["KeyboardInterrupt"] * 2
    notes = found["again"][0]
    if then == 2:
        assert notes == []
    else:
        assert notes[0].startswith(f"processes: 2 before, {then} now; the result will not be bit")
    assert found["finished"]


def launched_by(options: tuple[str, ...], *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "torch.distributed.run", *options, "-m", "steelyard", *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | BEHIND
    )


def launcher(folder: Path, recipe: Tables, *options: str) -> "subprocess.Popen[str]":
    path = folder / "small.toml"
    path.write_text(recipe_from(recipe, "small").to_toml())
    return launched_by(
        options, "train", str(path), "--folder", str(folder / "run"), "--device", "cpu"
    )


@pytest.mark.slow
def test_the_verb_evaluate_under_torchrun() -> None:
    words = [
        "evaluate", "lenet5_dense:in_channels=1,num_classes=10", "--weights", "random", "--data", "digits",
        "--transforms", "resize:32", "--transforms", "normalize", "--batch", "50", "--json", "--min-top1", "100",
    ]  # fmt: skip
    one = subprocess.run(
        [sys.executable, "-m", "steelyard", *words],
        capture_output=True, text=True, check=False, env=os.environ | BEHIND,
    )  # fmt: skip
    two = launched_by(("--standalone", "--nproc-per-node", "2"), *words)
    out, err = two.communicate()
    assert (one.returncode, two.returncode) == (1, 1), err
    assert json.loads(out) == json.loads(one.stdout)
    assert err.count("at least 100 %") == 1


@pytest.mark.slow
def test_two_machines(tmp_path: Path, small: Tables) -> None:
    with socket.socket() as any_:
        any_.bind(("127.0.0.1", 0))
        port = any_.getsockname()[1]
    machines = []
    for number in range(2):
        home = tmp_path / f"machine{number}"
        home.mkdir()
        options = ("--nnodes", "2", "--nproc-per-node", "1", "--node-rank", str(number))
        where = ("--master-addr", "127.0.0.1", "--master-port", str(port))
        machines.append(launcher(home, small, *options, *where))
    outputs = [machine.communicate(timeout=900) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], outputs
    assert "condensenet50_cifar on digits" in outputs[0][0] and outputs[1][0] == ""
    assert Run(tmp_path / "machine0" / "run").finished
    assert not (tmp_path / "machine1" / "run").exists()


@pytest.mark.slow
def test_a_signal_to_the_launcher_saves(tmp_path: Path, small: Tables) -> None:
    small["epochs"] = 2000
    process = launcher(tmp_path, small, "--standalone", "--nproc-per-node", "2")
    end = time.monotonic() + 900
    while not checkpoints(tmp_path / "run" / "checkpoints") and time.monotonic() < end:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=900)
    assert "--resume goes on from there" in err and "interrupted" in err, err
    step = int(re.findall(r"saved at step (\d+)", err)[0])
    assert int(checkpoints(tmp_path / "run" / "checkpoints")[-1].name) == step


def test_what_torchrun_says_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert launched() == (0, 1)
    place = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "here", "MASTER_PORT": "1"}
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    assert launched() == (1, 2)
    monkeypatch.setenv("RANK", "2")
    with pytest.raises(UsageError, match="RANK=2, WORLD_SIZE=2"):
        launched()


@pytest.mark.parametrize("count", [1, 5, 8, 11, 12])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_shares_that_fill_and_shares_that_are_dealt(count: int, world: int) -> None:
    images = torch.arange(count, dtype=torch.uint8).view(count, 1, 1, 1)
    labels = torch.zeros(count, dtype=torch.int64)
    data = ArrayDataset("numbers", "train", ("a", "b"), images, labels, "none")
    how: Tables = {"batch": 4, "transforms": parse_transforms(["normalize:mean=0,std=1"])}
    one = [batch.indices.tolist() for batch in Loader(data, **how).epoch(0)]
    ranks = [
        list(Loader(data, rank=r, world=world, fill=True, **how).epoch(0)) for r in range(world)
    ]
    for whole, *shares in zip(one, *ranks, strict=True):
        assert all(len(share) for share in shares)
        copied = len(whole) < world
        assert {share.copies for share in shares} == {world if copied else 1}
        got = [share.indices.tolist() for share in shares]
        assert got == [whole] * world if copied else [i for share in got for i in share] == whole
    dealt = [
        list(Loader(data, rank=r, world=world, deal=True, **how).epoch(0)) for r in range(world)
    ]
    batches = [b.indices.tolist() for turn in zip(*dealt, strict=True) for b in turn if len(b)]
    assert batches == one
