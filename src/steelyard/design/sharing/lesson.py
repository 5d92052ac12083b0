"""`teach`: the training of shared weights, in a folder that it goes on from after any end.

What a step does follows from what was learnt before it and from its number: batches, networks that are drawn and
dropout have generators of their own for every step. So a training that was cut off ends as if it had not been.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from steelyard.data.loader import Batch
from steelyard.design.sharing.data import Endless, Images
from steelyard.errors import DivergedError, InputError
from steelyard.train.checkpoint import Checkpoint, newest, prune, save
from steelyard.train.faults import unwritable
from steelyard.train.optimizers import build_optimizer
from steelyard.train.recipe import Recipe
from steelyard.train.schedules import learning_rate
from steelyard.train.signals import StopRequests

SAVED_S = 120.0
"""A checkpoint is written when so many seconds are over, besides after every epoch."""

Tell = Callable[[int, int, str], None]
"""Told how many steps are done, of how many, and how it goes."""


class Pupil(ABC):
    """What learns: modules with their optimisers, and what is done with a batch.

    Attributes:
        modules: by name; all that is learnt is in them.
        optimizers: by name.
    """

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]

    @abstractmethod
    def step(self, batch: Batch, held: Endless, number: int, rate: float) -> float:
        """Learns from a batch; the loss of it.

        Args:
            batch: of the images that weights learn from.
            held: the batches of the others.
            number: of the step.
            rate: of the weights' optimiser.
        """

    def after_epoch(self, held: Endless, epoch: int) -> None:
        """What is learnt between epochs."""
        del held, epoch

    def facts(self) -> dict[str, Any]:
        """All else that goes on changing, as plain data."""
        return {}

    def go_back(self, facts: Mapping[str, Any]) -> None:
        """Undoes `facts`."""
        del facts


def optimizer_of(recipe: Recipe, network: nn.Module) -> Optimizer:
    """The recipe's, for parameters that not every step has gradients of, which fused ones do not take."""
    optimizer = build_optimizer(recipe.optimizer, network)
    for group in optimizer.param_groups:
        group["fused"] = False
    return optimizer


def stepped(optimizer: Optimizer, network: nn.Module, rate: float, clip: float) -> None:
    """A step along the gradients that the parameters hold, with a rate; their norm is at most ``clip``, 0: any."""
    if clip:
        nn.utils.clip_grad_norm_(network.parameters(), clip)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()


@dataclass(slots=True)
class _Position:
    """Between two steps: epoch ``epoch`` is begun and ``batch`` of its batches are done."""

    epoch: int = 0
    batch: int = 0
    step: int = 0


def teach(
    pupil: Pupil,
    images: Images,
    recipe: Recipe,
    *,
    folder: Path,
    head: Mapping[str, Any],
    tell: Tell,
) -> None:
    """Trains for the recipe's epochs, from the last checkpoint on if there is one.

    Args:
        pupil: that learns.
        images: that it learns from.
        recipe: epochs, rate and schedule count.
        folder: of the checkpoints.
        head: what makes two trainings the same, as plain data.
        tell: told of every step.

    Raises:
        InputError: the folder cannot be written, or is of another training or other images.
        DivergedError: a loss is not finite.
        KeyboardInterrupt: SIGINT or SIGTERM came; everything is saved.
    """
    head = {**head, "images": images.fingerprint}
    found, _ = newest(folder)
    at = _Position()
    if found is not None:
        if found.facts["head"] != head:
            raise InputError(
                f"{folder} holds shared weights of another training",
                expected="the same space, recipe, images and settings",
                hint=f"another --store, or remove {folder}",
            )
        _put_back(pupil, found)
        at = _Position(**found.facts["position"])
    lesson = _Lesson(pupil, images, recipe, folder, head, tell, at)
    with StopRequests() as stop:
        try:
            _run(lesson, stop)
        except OSError as error:
            raise unwritable(folder, error, step=at.step) from error


@dataclass(slots=True)
class _Lesson:
    """One session of a training."""

    pupil: Pupil
    images: Images
    recipe: Recipe
    folder: Path
    head: Mapping[str, Any]
    tell: Tell
    at: _Position

    def step(self, batch: Batch, held: Endless, per_epoch: int) -> None:
        """The next step."""
        at, recipe = self.at, self.recipe
        rate = learning_rate(
            recipe.schedule, recipe.optimizer.lr, at.step, steps_per_epoch=per_epoch, epochs=recipe.epochs
        )  # fmt: skip
        with _own_dice(recipe.seed, "step", at.step):
            loss = self.pupil.step(batch, held, at.step, rate)
        if not math.isfinite(loss):
            raise DivergedError(
                f"the shared weights diverged at step {at.step + 1}: the loss is {loss}",
                expected="a finite loss",
                hint=f"--set optimizer.lr={recipe.optimizer.lr / 3:.2g}",
            )
        at.batch += 1
        at.step += 1
        words = f"shared weights: epoch {at.epoch + 1} of {recipe.epochs}, loss {loss:.3f}"
        self.tell(at.step, per_epoch * recipe.epochs, words)

    def save(self) -> None:
        """Writes a checkpoint of this moment."""
        tensors = _taken_out(self.pupil)
        facts = {"head": dict(self.head), "position": asdict(self.at), "pupil": self.pupil.facts()}
        save(self.folder, Checkpoint(self.at.step, tensors, facts))
        prune(self.folder, set())


def _run(lesson: _Lesson, stop: StopRequests) -> None:
    """To the end of the last epoch, or until a signal came."""
    held, at, per_epoch = Endless(lesson.images.held), lesson.at, len(lesson.images.train)
    saved = time.monotonic()
    while at.epoch < lesson.recipe.epochs:
        for batch in lesson.images.train.epoch(at.epoch, start=at.batch):
            lesson.step(batch, held, per_epoch)
            if stop.asked or time.monotonic() - saved > SAVED_S:
                lesson.save()
                saved = time.monotonic()
            if stop.asked:
                raise KeyboardInterrupt
        with _own_dice(lesson.recipe.seed, "epoch", at.epoch):
            lesson.pupil.after_epoch(held, at.epoch)
        at.epoch, at.batch = at.epoch + 1, 0
        lesson.save()


@contextmanager
def _own_dice(seed: int, what: str, number: int) -> Iterator[None]:
    """Torch draws as it always does at this place, and afterwards as if it had not drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(Random(f"{seed}/{what}/{number}").getrandbits(63))  # noqa: S311
        yield


def _taken_out(pupil: Pupil) -> dict[str, dict[str, Tensor]]:
    found = {name: dict(module.state_dict()) for name, module in pupil.modules.items()}
    for name, optimizer in pupil.optimizers.items():
        found[f"{name}-optimizer"] = {
            f"{number}/{key}": value
            for number, entries in optimizer.state_dict()["state"].items()
            for key, value in entries.items()
            if isinstance(value, Tensor)
        }
    return found


def _put_back(pupil: Pupil, found: Checkpoint) -> None:
    for name, module in pupil.modules.items():
        module.load_state_dict(dict(found.tensors[name]))
    for name, optimizer in pupil.optimizers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in found.tensors[f"{name}-optimizer"].items():
            number, _, entry = key.partition("/")
            state.setdefault(int(number), {})[entry] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    pupil.go_back(found.facts["pupil"])
