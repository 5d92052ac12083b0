"""Loss surfaces: one known in closed form, the centre, workers, going on after an end, and mistakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from math import exp, log1p
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import steelyard as sy
from steelyard.data.dataset import ArrayDataset
from steelyard.errors import InputError, UsageError
from steelyard.report import render
from steelyard.train.checkpoint import Checkpoint, save
from steelyard.train.directions import random_direction, weights_of
from steelyard.train.evaluate import evaluate
from steelyard.train.surface import SurfaceSettings, loss_surface
from steelyard.train.surface_point import Problem


def small() -> SurfaceSettings:
    return SurfaceSettings(steps=3, samples=64, batch=32)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)
    )


class Two(nn.Module):
    """Logits (w x, 0) of two classes: the loss of label 0 is log(1 + exp(-w x))."""

    def __init__(self, w: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[w]]))

    def forward(self, x: Tensor) -> Tensor:
        out = x.flatten(1).mean(1, keepdim=True) @ self.weight.T
        return torch.cat([out, torch.zeros_like(out)], 1)


def test_a_surface_that_is_known_in_closed_form(tmp_path: Path) -> None:
    # one weight w = 1.5: a normalised direction is +-1.5, whatever is drawn
    data = ArrayDataset(
        "one", "train", ("a", "b"), torch.full((4, 1, 2, 2), 255, dtype=torch.uint8),
        torch.zeros(4, dtype=torch.int64), "0",
    )  # fmt: skip
    net = Two(1.5)
    settings = SurfaceSettings(low=-2, high=2, steps=9)
    found = loss_surface(
        net, data=data, transforms=["normalize:mean=0.0,std=1.0"], settings=settings,
        store=tmp_path / "s",
    )  # fmt: skip
    a, b = (float(random_direction(weights_of(net), seed)["weight"]) for seed in (0, 1))
    assert (abs(a), abs(b)) == pytest.approx((1.5, 1.5), rel=1e-15)
    for y, row in zip(found.y, found.loss, strict=True):
        for x, loss in zip(found.x, row, strict=True):
            w = 1.5 + x * a + y * b
            assert loss == pytest.approx(log1p(exp(-w)), rel=1e-6)
            if abs(w) > 1e-6:
                assert found.top1[found.y.index(y)][found.x.index(x)] == (100 if w > 0 else 0)


class Quadratic(nn.Module):
    """Logits whose loss is close to a parabola: tests the grid's axes one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.weight.T**2).sum(1).expand(len(x), 1) * torch.tensor([[1.0, -1.0]])


def test_rows_are_y_and_columns_x(tmp_path: Path) -> None:
    data = ArrayDataset(
        "one", "train", ("a", "b"), torch.zeros(2, 1, 1, 1, dtype=torch.uint8),
        torch.tensor([0, 0]), "0",
    )  # fmt: skip
    settings = SurfaceSettings(low=0, high=1, steps=2, normalise="none")
    net = Quadratic()
    found = loss_surface(net, data=data, transforms=[], settings=settings, store=tmp_path / "s")
    first, second = (
        random_direction(weights_of(net), s, normalise="none")["weight"] for s in (0, 1)
    )
    for x in (0.0, 1.0):
        for y in (0.0, 1.0):
            square = float(((1 + x * first + y * second) ** 2).sum())
            assert found.at(x, y) == pytest.approx(log1p(exp(-2 * square)), rel=1e-4)
    with pytest.raises(InputError, match="no point of the grid"):
        found.at(0.5)


def test_the_centre_is_the_network_s_own_loss(tmp_path: Path) -> None:
    net = network()
    found = loss_surface(
        net, data="digits", split="test", store=tmp_path / "s",
        settings=SurfaceSettings(steps=3, samples=0, batch=100),
    )  # fmt: skip
    own = evaluate(net, data="digits", batch=100)
    assert (found.at(0, 0), found.top1[1][1]) == (own.loss, own.top1)
    assert found.weights_sha256 == own.about.weights_sha256
    assert found.samples == 360


def test_the_network_is_left_as_it_was(tmp_path: Path) -> None:
    net = network().train()
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    before = torch.get_rng_state()
    settings = SurfaceSettings(steps=2, samples=32, statistics="recomputed")
    loss_surface(net, data="digits", settings=settings, store=tmp_path / "s")
    assert net.training
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())


@pytest.mark.slow
def test_two_workers_are_one(tmp_path: Path) -> None:
    net = sy.create("lenet5_dense", in_channels=1, num_classes=10)
    found = [
        loss_surface(
            net, data="digits", transforms=["resize:32", "normalize"], settings=small(),
            workers=workers, store=tmp_path / f"s{workers}",
        )
        for workers in (1, 2)
    ]  # fmt: skip
    assert found[0].to_dict() == found[1].to_dict()


def test_recomputed_statistics_undo_a_scale_that_normalisation_forgives(tmp_path: Path) -> None:
    # a direction along the weights of a convolution before batch normalisation only scales them
    data = sy.load_data("digits", "train")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten())
    net.append(nn.Linear(144, 10))
    other = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    other["0.weight"] *= 3
    losses = {}
    for statistics in ("kept", "recomputed"):
        settings = SurfaceSettings(
            low=0, high=1, steps=3, samples=128, batch=128, statistics=statistics
        )
        found = loss_surface(
            net, data=data, settings=settings, towards=other, store=tmp_path / statistics
        )
        losses[statistics] = found.loss[0]
    np.testing.assert_allclose(losses["recomputed"], losses["recomputed"][0], rtol=1e-3)
    assert abs(losses["kept"][2] - losses["kept"][0]) > 0.01


def test_between_two_networks_lie_their_own_losses(tmp_path: Path) -> None:
    nets = [network(), network()]
    nets[1][4].weight.data += 0.1
    nets[1][1].running_mean += 0.3
    torch.save(nets[1].state_dict(), tmp_path / "b.pt")
    settings = SurfaceSettings(low=-0.5, high=1.5, steps=5, samples=0, batch=256)
    found = loss_surface(
        nets[0], data="digits", split="test", settings=settings, towards=tmp_path / "b.pt",
        store=tmp_path / "s",
    )  # fmt: skip
    assert found.x == (-0.5, 0.0, 0.5, 1.0, 1.5)
    for at, net in zip((0.0, 1.0), nets, strict=True):
        assert found.at(at) == evaluate(net, data="digits").loss
    assert "between two networks" in str(found)


def test_the_way_of_a_training_lies_in_its_plane(tmp_path: Path) -> None:
    net = network()
    states = []
    for step in range(4):
        net[4].weight.data[step] += 0.2
        net[0].weight.data[step % 2] *= 1.2
        states.append({name: tensor.clone() for name, tensor in net.state_dict().items()})
    found = loss_surface(
        net, data="digits", settings=small(), way=states[:-1], store=tmp_path / "s"
    )
    assert found.kind == "way"
    assert found.way[-1] == (0.0, 0.0)
    assert len(found.way) == 4
    assert sum(found.shares) <= 1 + 1e-9
    assert "explain" in str(found)


def test_the_way_of_a_run_is_its_checkpoints(tmp_path: Path) -> None:
    net, folder = network(), tmp_path / "run" / "checkpoints"
    states = []
    for step in range(5):
        net[4].weight.data[step] += 0.2
        net[0].weight.data[step % 2] *= 1.2
        states.append({name: tensor.clone() for name, tensor in net.state_dict().items()})
        files = {"model": states[0], "ema": states[-1]} if step == 2 else {"model": states[-1]}
        save(folder, Checkpoint(step, files, {}))
    net.load_state_dict(states[3])
    arguments = {"data": "digits", "settings": small(), "store": tmp_path / "s"}
    found = loss_surface(net, way=[tmp_path / "run"], **arguments)
    assert found == loss_surface(net, way=states[:3], **arguments)
    net.load_state_dict(states[1])
    with pytest.raises(InputError, match=r"2 states of a training\n.*\ntry: .*--keep-every N"):
        loss_surface(net, way=[tmp_path / "run"], **arguments)
    with pytest.raises(InputError, match="holds no checkpoints"):
        loss_surface(net, way=[tmp_path], **arguments)


def test_points_that_are_known_are_not_computed_again(tmp_path: Path, monkeypatch) -> None:
    net = network()
    arguments = {"data": "digits", "store": tmp_path / "s"}
    whole = loss_surface(net, settings=small(), **arguments)
    finer = SurfaceSettings(steps=5, samples=64, batch=32)
    calls = []
    loss_surface(net, settings=finer, progress=lambda *now: calls.append(now), **arguments)
    assert calls[0] == (9, 25)
    monkeypatch.setattr(Problem, "value", lambda *_: 1 / 0)
    assert loss_surface(net, settings=small(), **arguments) == whole
    with pytest.raises(ZeroDivisionError):
        net[0].bias.data += 0.1
        loss_surface(net, settings=small(), **arguments)


@pytest.mark.slow
def test_what_was_done_when_it_was_killed_is_kept(tmp_path: Path) -> None:
    """SIGKILL in the middle, several times: every point is computed once but those that were under way."""
    script = tmp_path / "work.py"
    script.write_text(
        textwrap.dedent("""
        import sys, time
        from pathlib import Path
        import torch
        from steelyard.train.surface_point import Problem
        from steelyard.train.surface import SurfaceSettings, loss_surface
        folder = Path(sys.argv[1])
        own = Problem.value
        def slow(self, at):
            with (folder / "log").open("a") as file:
                file.write(f"{at}\\n")
            time.sleep(0.05)
            return own(self, at)
        Problem.value = slow
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        settings = SurfaceSettings(steps=6, samples=32)
        print(loss_surface(net, data="digits", settings=settings, store=folder / "s").loss)
        """)
    )
    command = [sys.executable, str(script), str(tmp_path)]
    log = tmp_path / "log"
    kills = 0
    for wanted in (5, 20):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            while not log.exists() or len(log.read_text().splitlines()) < wanted:
                time.sleep(0.02)
                assert process.poll() is None
            os.kill(process.pid, signal.SIGKILL)
        kills += 1
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count("(") == 7
    points = log.read_text().splitlines()
    assert len(set(points)) == 36
    assert len(points) <= 36 + kills


def test_it_prints_and_its_json_and_csv_are_plain(tmp_path: Path) -> None:
    found = loss_surface(network(), data="digits", settings=small(), store=tmp_path / "s")
    text = str(found)
    assert "over two random directions" in text
    assert "normalised by filter; biases and normalisations stay" in text
    assert "kept from the network" in text
    data = json.loads(render.to_json(found))
    assert data["schema"] == "steelyard.surface/1"
    assert np.array(data["loss"]).shape == (3, 3)
    lines = render.to_csv(found).splitlines()
    assert lines[0] == "x,y,loss_nats,top1"
    assert len(lines) == 10


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"dimensions": 3}, "1 or 2"),
        ({"steps": 1}, "2 or more"),
        ({"low": 1.0}, "low below high"),
        ({"statistics": "lost"}, "kept, recomputed"),
    ],
)
def test_impossible_settings(settings, says) -> None:
    with pytest.raises(UsageError, match=says):
        SurfaceSettings(**settings)


def test_mistakes(tmp_path: Path) -> None:
    class Local(nn.Flatten):
        pass

    with pytest.raises(UsageError, match="cannot be sent to other processes"):
        loss_surface(Local(), data="digits", settings=small(), workers=2, store=tmp_path / "s")
    with pytest.raises(UsageError, match="one of them"):
        loss_surface(network(), data="digits", towards={}, way=[{}])
    with pytest.raises(UsageError, match="workers=0"):
        loss_surface(network(), data="digits", workers=0)
    with pytest.raises(InputError, match="not of one network"):
        loss_surface(network(), data="digits", towards={"w": torch.ones(1)})
