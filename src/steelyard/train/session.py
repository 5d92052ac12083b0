"""`Session`: the loop over epochs and batches, with everything that is written on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steelyard.data.loader import Batch
from steelyard.errors import DivergedError
from steelyard.train import checkpoint as checkpoints
from steelyard.train.checkpoint import Checkpoint
from steelyard.train.distributed import Group
from steelyard.train.evaluate import evaluate_share
from steelyard.train.evaluation import Evaluation, merge
from steelyard.train.events import Events, scalars_of
from steelyard.train.feed import Feed
from steelyard.train.metrics import Record, read_rows
from steelyard.train.progress import Moment, Watch
from steelyard.train.recipe import Recipe
from steelyard.train.schedules import learning_rate
from steelyard.train.signals import StopRequests
from steelyard.train.state import Dice, keeping_dice, put_back, taken_out
from steelyard.train.stepper import Stepper, StepResult

__all__ = ["Cadence", "Session", "Stopped"]


class Stopped(Exception):
    """A signal asked for the end, and everything is saved."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """When to save, besides after every epoch, and what to keep besides the last two and the best.

    Attributes:
        steps: every so many steps; 0: not by steps.
        seconds: when so many are over; 0: not by time.
        keep_epochs: what was saved after every so many epochs is kept; 0: no more than the others.
    """

    steps: int = 0
    seconds: float = 300.0
    keep_epochs: int = 0


@dataclass(slots=True)
class _Position:
    """Where the loop stands, between two steps.

    ``batch`` batches of epoch ``epoch`` (0 is the first) are done; if all are, its test is next. ``kept`` are the steps
    whose checkpoints were asked for, however the training goes on.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: dict[str, Any] | None = None
    kept: list[int] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(slots=True)
class _Sums:
    """Sums of losses, of correct predictions and of images: over the epoch, and since the last row."""

    epoch: Tensor
    window: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.window = self.epoch.clone()

    def add(self, result: StepResult) -> None:
        self.epoch[:2] += result.sums
        self.epoch[2] += result.images
        self.window[:2] += result.sums
        self.window[2] += result.images


class Session:
    """One process's work on a run, from wherever the run stands to its end.

    Args:
        recipe: what to do.
        feed: batches.
        stepper: what learns.
        folder: of the run.
        group: the processes that take part.
        cadence: when to save.
        watch: told where the training stands.
        stop: says whether a signal asked for the end.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        feed: Feed,
        stepper: Stepper,
        folder: Path,
        group: Group,
        cadence: Cadence,
        watch: Watch,
        stop: StopRequests,
    ) -> None:
        self.recipe, self.feed, self.stepper, self.folder = recipe, feed, stepper, folder
        self.group, self.cadence, self.watch, self.stop = group, cadence, watch, stop
        self.at = _Position()
        self.saved: int | None = None
        """The step of the last checkpoint."""
        self._sums = _Sums(torch.zeros(3, dtype=torch.float64, device=stepper.device))
        self._dice: Dice | None = None
        self._per_epoch = len(feed.train)
        self._steps = self._per_epoch * recipe.epochs
        self._saved_at = time.monotonic()
        self._since = time.perf_counter(), time.process_time()
        self._test_top1: float | None = None
        self._metrics: Record
        self._timing: Record
        self._events: Events

    # ---- where it stands -------------------------------------------------------------------------

    def begin(self, found: Checkpoint | None) -> None:
        """Opens the record and, if there is a checkpoint, goes back to it.

        Raises:
            FileFormatError: the record is not as the checkpoint knows it.
            InputError: the checkpoint is of another network.
        """
        kept: dict[str, Any] = {"metrics": (0, ""), "timing": (0, "")}
        if found is not None:
            facts = dict(found.facts)
            self._dice = put_back(self.stepper, found.tensors, facts, self.group.rank)
            self.at = _Position(**facts["position"])
            self._sums.epoch.copy_(torch.tensor(facts["sums"][0], dtype=torch.float64))
            self._sums.window.copy_(torch.tensor(facts["sums"][1], dtype=torch.float64))
            if not self.group.leads:
                self._sums.epoch.zero_()
                self._sums.window.zero_()
            self.saved = found.step
            kept = facts["records"]
        if self.group.leads:
            self._metrics = Record(self.folder / "metrics.jsonl", *kept["metrics"])
            self._timing = Record(self.folder / "timing.jsonl", *kept["timing"])
            self._events = Events(self.folder / "tensorboard")
            for row in read_rows(self.folder / "metrics.jsonl"):
                self._events.add(row["step"], scalars_of(row))

    def save(self) -> None:
        """Writes a checkpoint of this moment, and removes those that are not needed any more."""
        sums = [self.group.total(s.clone()).tolist() for s in (self._sums.epoch, self._sums.window)]
        dice = self.group.gathered(Dice.now())
        if self.group.leads:
            tensors, facts = taken_out(self.stepper, dice[1:])
            at = self.at
            facts["position"] = asdict(at)
            facts["best"] = at.best
            facts["sums"] = sums
            facts["records"] = {"metrics": self._metrics.flush(), "timing": self._timing.flush()}
            facts["fingerprints"] = list(self.feed.fingerprints)
            folder = self.folder / "checkpoints"
            checkpoints.save(folder, Checkpoint(at.step, tensors, facts))
            checkpoints.prune(folder, {*at.kept, *([at.best["step"]] if at.best else [])})
        self.saved = self.at.step
        self._saved_at = time.monotonic()
        self.group.wait()

    # ---- the loop --------------------------------------------------------------------------------

    def run(self) -> None:
        """Trains to the end of the last epoch.

        Raises:
            Stopped: a signal came; everything is saved.
            DivergedError: the loss or a gradient is not finite.
            OSError: the run's folder cannot be written.
        """
        while self.at.epoch < self.recipe.epochs:
            self._since = time.perf_counter(), time.process_time()
            for batch in self._batches():
                self._step(batch)
                self._between()
                self._since = time.perf_counter(), time.process_time()
            evaluation = self._tested()
            self._end_epoch(evaluation)
            self.save()
            if self._stopped():
                raise Stopped

    def close(self) -> None:
        """Closes the files."""
        for name in ("_metrics", "_timing", "_events"):
            if hasattr(self, name):
                getattr(self, name).close()

    def _batches(self) -> Iterator[Batch]:
        """What is left of the epoch; reading it leaves the random numbers alone."""
        batches = self.feed.train.epoch(self.at.epoch, start=self.at.batch)
        while True:
            with keeping_dice():
                batch = next(batches, None)
            if self._dice is not None:
                self._dice.throw_back()
                self._dice = None
            if batch is None:
                return
            yield batch

    def _step(self, batch: Batch) -> None:
        rate = self._rate(self.at.step)
        try:
            result = self.stepper(batch, self.at.step, self._steps, rate)
            self._sums.add(result)
            self.at.batch += 1
            self.at.step += 1
            if self.at.step % self.recipe.log_every == 0:
                self._log(rate, result, batch)
        except DivergedError as error:
            kept = "no checkpoint yet" if self.saved is None else f"step {self.saved} is saved"
            raise DivergedError(
                f"{error.given} ({kept})", expected=error.expected, hint=error.hint
            ) from None
        wall, cpu = time.perf_counter(), time.process_time()
        self.at.seconds += wall - self._since[0]
        self.at.cpu_seconds += cpu - self._since[1]
        self._tell(rate)

    def _rate(self, step: int) -> float:
        return learning_rate(
            self.recipe.schedule,
            self.recipe.optimizer.lr,
            step,
            steps_per_epoch=self._per_epoch,
            epochs=self.recipe.epochs,
        )

    def _log(self, rate: float, result: StepResult, batch: Batch) -> None:
        loss, _, images = self.group.total(self._sums.window.clone()).tolist()
        self._sums.window.zero_()
        norm = float(result.norm)
        if not math.isfinite(loss):
            raise self.stepper.fault(batch, self.at.step - 1)
        row = {
            "kind": "step",
            "step": self.at.step,
            "at": self.at.step / self._per_epoch,
            "lr": rate,
            "loss": loss / images,
            # with fp16 a step whose gradients overflow is left out, and the scale lowered
            "gradient_norm": norm if math.isfinite(norm) else None,
        }
        self._record(row)

    def _record(self, row: dict[str, Any]) -> None:
        if self.group.leads:
            self._metrics.add(row)
            self._events.add(row["step"], scalars_of(row))

    def _tell(self, rate: float) -> None:
        on_cpu = self.stepper.device.type == "cpu"
        if not (on_cpu or self.at.step % self.recipe.log_every == 0):
            return  # reading the sums would wait for the device
        loss, correct, images = self._sums.epoch.tolist()
        self.watch(
            Moment(
                "train",
                self.at.epoch + 1,
                self.recipe.epochs,
                self.at.batch,
                self._per_epoch,
                loss / images,
                100 * correct / images,
                rate,
                images * self.group.world / max(self.at.seconds, 1e-9),
                self._test_top1,
            )
        )

    def _between(self) -> None:
        """Between two steps: saves if it is time, ends if a signal came."""
        cadence = self.cadence
        late = bool(cadence.seconds) and time.monotonic() - self._saved_at >= cadence.seconds
        stop, late = self.group.any(bool(self.stop.asked), late)
        if stop or late or (cadence.steps and self.at.step % cadence.steps == 0):
            self.save()
        if stop:
            raise Stopped

    def _stopped(self) -> bool:
        """Whether a signal came, to any of the processes."""
        return self.group.any(bool(self.stop.asked))[0]

    # ---- the test --------------------------------------------------------------------------------

    def _tested(self) -> Evaluation:
        network = self.stepper.network if self.stepper.ema is None else self.stepper.ema.network
        try:
            with keeping_dice():
                own = evaluate_share(
                    network,
                    self._test_batches(),
                    self.feed.classes,
                    precision=self.recipe.precision,
                )
        except Stopped:
            # the random numbers are again what they were before the test, which is then done anew
            self.save()
            raise
        return merge([one for one in self.group.gathered(own) if one is not None])

    def _test_batches(self) -> Iterator[Batch]:
        test, done = self.feed.test, 0
        for batch in test.epoch(0):
            if self._stopped():
                raise Stopped
            yield batch
            done += batch.whole
            moment = Moment("test", self.at.epoch + 1, self.recipe.epochs, done, len(test.dataset))
            self.watch(moment)

    def _epoch_row(
        self, evaluation: Evaluation, loss: float, correct: float, images: float
    ) -> dict[str, Any]:
        """What the history keeps of an epoch; loss and correct are sums over its images."""
        row: dict[str, Any] = {
            "kind": "epoch",
            "epoch": self.at.epoch + 1,
            "step": self.at.step,
            "lr": self._rate(self.at.step - 1),
            "train_loss": loss / images,
            "train_top1": 100 * correct / images,
            "test_loss": evaluation.loss,
            "test_top1": evaluation.top1,
            "test_top5": evaluation.top5,
            "weights": "network" if self.stepper.ema is None else "ema",
        }
        if len(evaluation.outputs) > 1:
            row["outputs_top1"] = [output.top1 for output in evaluation.outputs]
        if self.recipe.data.on_corrupt == "skip":
            row["left_out"] = len(self.feed.train.dataset) - round(images)
            row["test_left_out"] = len(self.feed.test.dataset) - evaluation.samples
        return row

    def _end_epoch(self, evaluation: Evaluation) -> None:
        at = self.at
        loss, correct, images = self.group.total(self._sums.epoch.clone()).tolist()
        row = self._epoch_row(evaluation, loss, correct, images)
        self._record(row)
        if self.group.leads:
            self._timing.add(
                {
                    "epoch": at.epoch + 1,
                    "train_seconds": at.seconds,
                    "train_cpu_seconds": at.cpu_seconds,
                    "images_per_s": images / max(at.seconds, 1e-9),
                }
            )
        for callback in self.stepper.callbacks:
            callback.after_epoch(row)
        if at.best is None or evaluation.top1 > at.best["top1"]:
            at.best = {"step": at.step, "epoch": at.epoch + 1, "top1": evaluation.top1}
        self._test_top1 = evaluation.top1
        self.watch(
            Moment(
                "end",
                at.epoch + 1,
                self.recipe.epochs,
                self._per_epoch,
                self._per_epoch,
                loss / images,
                100 * correct / images,
                row["lr"],
                images / max(at.seconds, 1e-9),
                evaluation.top1,
            )
        )
        every = self.cadence.keep_epochs
        if every > 0 and (at.epoch + 1) % every == 0:
            at.kept.append(at.step)
        self.at = _Position(epoch=at.epoch + 1, step=at.step, best=at.best, kept=at.kept)
        self._sums.epoch.zero_()
