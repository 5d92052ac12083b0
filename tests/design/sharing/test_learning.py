"""Learning in a folder: cut off anywhere it ends the same; the searches that use it, from the API and the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch
from tests.design.sharing.tiny import darts, images, mobile, recipe

import steelyard as sy
from steelyard.design.search.controller import Controller
from steelyard.design.sharing import (
    Darts,
    ElasticNetwork,
    Enas,
    Judge,
    Pupil,
    Sandwich,
    SharedCells,
    teach,
)
from steelyard.design.sharing.data import Endless
from steelyard.errors import InputError, UsageError
from steelyard.train.checkpoint import Checkpoint, newest, save


class Crash(Exception):
    """As if the process had died."""


def sandwich() -> Pupil:
    return Sandwich(ElasticNetwork(mobile()), recipe(), between=1)


def enas() -> Pupil:
    return Enas(SharedCells(darts()), recipe(), steps=2, batch=2)


def cells() -> Pupil:
    return Darts(SharedCells(darts(), learnt_norms=False), recipe(), order=2)


def learnt(make: Callable[[], Pupil], folder: Path, crash_at: int = 0) -> dict[str, torch.Tensor]:
    """All that is learnt."""

    def tell(done: int, every: int, how: str) -> None:
        assert "epoch" in how
        if done == crash_at:
            raise Crash

    torch.manual_seed(0)
    pupil = make()
    teach(pupil, images(), recipe(), folder=folder, head={"a": 1}, tell=tell)
    found = {f"{k}/{n}": t for k, m in pupil.modules.items() for n, t in m.state_dict().items()}
    for name, one in pupil.optimizers.items():
        for number, entries in one.state_dict()["state"].items():
            found |= {f"{name}/{number}/{k}": v for k, v in entries.items() if v is not None}
    return found


@pytest.mark.parametrize(
    "make",
    [
        enas,
        pytest.param(sandwich, marks=pytest.mark.slow),
        pytest.param(cells, marks=pytest.mark.slow),
    ],
)
def test_a_training_that_was_cut_off_ends_as_if_it_had_not_been(
    make: Callable[[], Pupil], tmp_path: Path
) -> None:
    """Bit for bit: weights, controller, alphas and all that their optimisers keep; after one epoch and a bit."""
    whole = learnt(make, tmp_path / "whole")
    with pytest.raises(Crash):
        learnt(make, tmp_path / "cut", crash_at=3)
    again = learnt(make, tmp_path / "cut")
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_the_controller_of_enas_learns_which_networks_are_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With made-up accuracies: the more often the first operation, the better."""
    pupil = Enas(SharedCells(darts()), recipe(), steps=12, batch=8, rate=0.02)

    def accuracy(self: Enas, batch: object, point: tuple[int, ...]) -> float:
        return sum(i == 0 for i in point[2:]) / len(point[2:])

    monkeypatch.setattr(Enas, "accuracy", accuracy)

    def mean(controller: Controller) -> float:
        random = Random(0)
        return sum(accuracy(pupil, None, controller.sample(random)) for _ in range(40)) / 40

    before = mean(pupil.controller)
    pupil.after_epoch(Endless(images().held), 0)
    assert mean(pupil.controller) > before + 0.15


def test_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    save(tmp_path, Checkpoint(1, {}, {"head": {"a": 1}}))
    with pytest.raises(InputError, match="shared weights of another training"):
        teach(
            sandwich(),
            images(),
            recipe(),
            folder=tmp_path,
            head={"a": 2},
            tell=lambda a, b, c: None,
        )


def test_once_for_all_searches_with_the_weights_that_it_taught(tmp_path: Path) -> None:
    """Errors are those of networks taken out and counted by hand; a second call takes everything from the store."""
    said: list[str] = []
    store = tmp_path / "search.db"

    def found() -> sy.SearchResult:
        return sy.search(
            mobile(), "error,macs", trials=6, strategy="once_for_all:epochs=1,between=0", recipe=recipe(),
            store=store, progress=lambda done, every, how: said.append(how),
        )  # fmt: skip

    result = found()
    assert any(how.startswith("shared weights: epoch 1 of 1") for how in said)
    assert result.counts()["done"] == 6
    assert "weights shared by all networks" in result.facts["error"]
    shared = ElasticNetwork(mobile())
    kept, _ = newest(tmp_path / "search.db.weights")
    assert kept is not None
    shared.load_state_dict(dict(kept.tensors["shared"]))
    data = images(0.1)
    judge = Judge(shared, data)
    assert [judge(mobile().decode(t.key)) for t in result.trials] == [
        t.values["error"] for t in result.trials
    ]
    for trial in result.trials[:2]:
        point, network = mobile().decode(trial.key), result.shared_network(trial)
        wrong = count = 0
        for batch in data.judge.epoch(0):
            with torch.no_grad():
                chosen = network(shared.sized(batch.images, point)).argmax(1)
            wrong, count = wrong + int((chosen != batch.labels).sum()), count + len(batch)
        assert trial.values["error"] == wrong / count
    said.clear()
    assert [t.values for t in found().trials] == [t.values for t in result.trials]
    assert not said


@pytest.mark.slow
@pytest.mark.parametrize(
    "strategy", ["once_for_all:epochs=1,between=0", "enas:epochs=1,steps=1,batch=2"]
)
def test_a_search_that_is_cut_off_between_trials_goes_on_as_if_it_had_not_been(
    strategy: str, tmp_path: Path
) -> None:
    def run(name: str, cut: str = "") -> sy.SearchResult:
        def stop(done: int, every: int, how: str) -> None:
            if f"{done}/{every}" == cut:
                raise KeyboardInterrupt

        return sy.search(
            mobile(), "error,macs", trials=12, strategy=strategy, recipe=recipe(), store=tmp_path / name, progress=stop
        )  # fmt: skip

    for cut in ("4/12", "10/12"):
        with pytest.raises(KeyboardInterrupt):
            run("cut.db", cut)
    assert run("cut.db").trials == run("whole.db").trials


def test_darts_proposes_the_network_that_it_derives() -> None:
    result = sy.search(
        darts(), "macs,params", trials=5, strategy="darts:epochs=1,order=1,cost=1", recipe=recipe()
    )
    (trial,) = result.trials
    assert trial.state == "done"
    assert result.network(trial)(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
    assert "gradients of order 1" in result.facts["network"]


@pytest.mark.slow
def test_enas_searches_cells_and_mobile_networks() -> None:
    for space in (darts(), mobile()):
        result = sy.search(
            space,
            "error",
            trials=4,
            strategy="enas:epochs=1,steps=2,batch=2",
            recipe=recipe(),
            seed=3,
        )
        assert result.counts()["done"] == 4


def test_what_does_not_go_together_is_refused_before_anything_is_trained() -> None:
    wrong = {
        ("darts", "error", "", "once_for_all"): "of the kind darts",
        ("mobile", "error", "", "darts"): "of the kind mobile",
        ("mobile", "macs", "", "once_for_all"): "shared weights tell the error",
        ("darts", "error", "macs<=1M", "darts"): "no constraint changes",
        ("mobile", "error", "", "once_for_all:held=1"): "held=1",
        ("mobile", "error", "", "once_for_all:ends=false,between=0"): "ends=false,between=0",
        ("mobile", "error", "", "once_for_all:beteen=1"): "no setting 'beteen'",
        ("darts", "error", "", "darts:order=3"): "order=3",
    }
    for (kind, objective, limit, strategy), words in wrong.items():
        space = {"darts": darts, "mobile": mobile}[kind]()
        with pytest.raises(UsageError, match=words):
            sy.search(space, objective, constraints=limit, strategy=strategy, recipe=recipe())
    with pytest.raises(UsageError, match="one worker"):
        sy.search(mobile(), "error", strategy="enas", recipe=recipe(), workers=2)
    with pytest.raises(UsageError, match="recipe"):
        sy.search(darts(), "macs", strategy="darts")


SPACE = """
kind = "mobile"
network = "mobilenet_v2"
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
expansion = [1, 2]
stride = 2
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_search_that_is_killed_while_it_teaches_goes_on(number: int, tmp_path: Path) -> None:
    """As it would have gone anyway."""
    (tmp_path / "space.toml").write_text(SPACE)

    def line(store: str) -> list[str]:
        return [
            sys.executable, "-m", "steelyard", "search", "space.toml", "--objective", "error,macs", "--strategy",
            "once_for_all", "--recipe", "digits_resnet56", "--set", "epochs=4", "--set", "schedule.warmup_epochs=0",
            "--trials", "5", "--store", store, "--json",
        ]  # fmt: skip

    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole = subprocess.run(line("whole.db"), cwd=tmp_path, env=env, capture_output=True, check=True)
    killed = subprocess.Popen(
        line("cut.db"), cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while not list((tmp_path / "cut.db.weights").glob("0*")) and killed.poll() is None:
        time.sleep(0.02)
    killed.send_signal(number)
    killed.communicate()
    assert killed.returncode == (130 if number == signal.SIGTERM else -number)
    again = subprocess.run(line("cut.db"), cwd=tmp_path, env=env, capture_output=True, check=True)
    trials = [
        [(t["key"], t["values"]) for t in json.loads(out.stdout)["trials"]]
        for out in (whole, again)
    ]
    assert trials[0] == trials[1]
