"""`Optimized`: what was tried to make a network fast, what was chosen, and how to run and store it."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steelyard._display import Printable
from steelyard.errors import BackendError, ShapeError
from steelyard.measure.recipes import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

    from steelyard.measure.backend import Array, Runner
    from steelyard.measure.optimize_network import Subject, Task


@dataclass(frozen=True, slots=True)
class Trial:
    """A recipe that was tried, or left out.

    Attributes:
        recipe: backend, options, allocator.
        ran: what computed, as the backend says; "" if nothing did.
        samples_s: seconds of every inference that counts.
        deviation: largest difference to float32, as a share of the largest output; None if unknown.
        agreement: share of the photographs with the same most probable class; None without photographs.
        took_s: seconds that loading, comparing and the first samples took.
        refused: why it is no choice; "" if it is one.
    """

    recipe: Recipe
    ran: str = ""
    samples_s: tuple[float, ...] = ()
    deviation: float | None = None
    agreement: float | None = None
    took_s: float = 0.0
    refused: str = ""

    @property
    def median_s(self) -> float | None:
        """Seconds of an inference; None if it was refused."""
        return float(np.median(self.samples_s)) if self.samples_s and not self.refused else None


@dataclass(slots=True, weakref_slot=True)
class Workspace:
    """The folder with what was made on the way, and the runner, once somebody runs it.

    Attributes:
        task: what was asked; its folder is removed when nobody holds this any more.
        model: the module, if one was handed over.
    """

    task: Task
    model: nn.Module | None = None
    _subject: Subject | None = None
    _runner: Runner | None = None

    @classmethod
    def of(cls, task: Task, model: nn.Module | None) -> Workspace:
        """One with a new folder."""
        folder = tempfile.mkdtemp(prefix="steelyard-optimize-")
        made = cls(replace(task, job=replace(task.job, folder=folder)), model)
        weakref.finalize(made, shutil.rmtree, folder, ignore_errors=True)
        return made

    @property
    def folder(self) -> Path:
        """With the export, what was quantised, and the reference's outputs."""
        return Path(self.task.job.folder)

    def subject(self) -> Subject:
        """The network, in this process."""
        from steelyard.measure.optimize_network import subject

        if self._subject is None:
            self._subject = subject(self.task, self.model)
        return self._subject

    def runner(self, recipe: Recipe) -> Runner:
        """The chosen recipe, loaded into this process."""
        from steelyard.measure.backend import Setting, backend
        from steelyard.measure.memory import keep_freed_memory

        if self._runner is None:
            made, setting = self.subject().network.program, Setting.parse(recipe.setting)
            if recipe.keep_freed:
                keep_freed_memory()
            self._runner = backend(setting.backend).load(made, setting)
        return self._runner


@dataclass(frozen=True)
class Optimized(Printable):
    """The fastest way found to run a network on this machine. Call it with inputs, or `save` it.

    Attributes:
        network: the source, or the module's class.
        weights: where they come from; "" for random ones.
        batch: samples in an inference.
        threads: of the computation.
        input_shapes: with the batch.
        tolerance: what outputs might differ by, as a share of the largest.
        photographs: that outputs and classes were compared on; 0: noise.
        least_agreement: share of them that had to keep their most probable class.
        baseline: what gains refer to.
        trials: everything that was tried or left out.
        search_s: seconds that the search took, without what a thorough one does afterwards.
        first_choice: of a thorough search: what had been chosen within the time; else None.
        notes: what a reader must know.
        environment: the machine.
    """

    network: str
    weights: str
    batch: int
    threads: int
    input_shapes: tuple[tuple[int, ...], ...]
    tolerance: float
    photographs: int
    least_agreement: float
    baseline: Trial
    trials: tuple[Trial, ...]
    search_s: float
    first_choice: Recipe | None = None
    notes: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    workspace: Workspace | None = field(default=None, repr=False, compare=False)

    @property
    def chosen(self) -> Trial:
        """The fastest of those that keep to the tolerance, the baseline among them."""
        return self.best()

    def best(self, suffix: str = "") -> Trial:
        """The fastest that a file of that suffix can hold; "" for any.

        Raises:
            BackendError: none can be held.
        """
        found = [
            (median, index, trial)
            for index, trial in enumerate((self.baseline, *self.trials))
            if (median := trial.median_s) is not None and (not suffix or trial.recipe.fits(suffix))
        ]
        if not found:
            raise BackendError(
                f"nothing that was tried on {self.network} can be stored as {suffix}",
                expected="another kind of file",
                hint="see the table of what was tried",
            )
        return min(found)[2]

    def gain(self, trial: Trial) -> float | None:
        """Times as fast as the baseline."""
        if trial.median_s is None or self.baseline.median_s is None:
            return None
        return self.baseline.median_s / trial.median_s

    def run(self, *inputs: Tensor) -> tuple[Array, ...]:
        """Outputs of the chosen recipe, computed in this process, as float32 arrays.

        Args:
            inputs: of the shapes that were optimised for, batch included.

        Raises:
            ShapeError: other shapes.
        """
        import torch

        from steelyard.measure.optimize_network import outputs_on

        shapes = tuple(tuple(x.shape) for x in inputs)
        if shapes != self.input_shapes:
            raise ShapeError(
                f"inputs of shape {shapes}",
                expected=f"{self.input_shapes}, which {self.network} was optimised for",
            )
        if self.workspace is None:
            raise BackendError("this result was read from data and cannot run")
        runner = self.workspace.runner(self.chosen.recipe)
        return tuple(outputs_on(runner, [torch.as_tensor(x) for x in inputs]))

    __call__ = run

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the best recipe that the suffix can hold, and ``path.json``, which says how to run it.

        The file is written under another name, loaded again by its runtime and its outputs compared; only
        then does it get its name.

        Args:
            path: ``.onnx``, ``.xml`` (with ``.bin``) or ``.pt2``.

        Raises:
            InputError: it cannot be written there.
            BackendError: no recipe can be stored so, or the file's outputs are not right.
        """
        from steelyard.measure.optimize_save import save

        return save(self, Path(path))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.optimized/1``."""
        return {
            "schema": "steelyard.optimized/1",
            "network": self.network,
            "weights": self.weights,
            "batch": self.batch,
            "threads": self.threads,
            "input_shapes": [list(shape) for shape in self.input_shapes],
            "tolerance": self.tolerance,
            "photographs": self.photographs,
            "least_agreement": self.least_agreement,
            "search_s": self.search_s,
            "first_choice": None if self.first_choice is None else str(self.first_choice),
            "chosen": self._row(self.chosen),
            "baseline": self._row(self.baseline),
            "trials": [self._row(trial) for trial in self.trials],
            "notes": list(self.notes),
            "environment": dict(self.environment),
        }

    def _row(self, trial: Trial) -> dict[str, Any]:
        recipe = trial.recipe
        return {
            "setting": recipe.setting,
            "keep_freed": recipe.keep_freed,
            "precision": recipe.precision,
            "median_s": trial.median_s,
            "gain": self.gain(trial),
            **{k: v for k, v in asdict(trial).items() if k != "recipe"},
            "samples_s": list(trial.samples_s),
        }


def settled(trials: Sequence[Trial]) -> list[Trial]:
    """The fastest first, then what was refused, in the order tried."""
    return sorted(trials, key=lambda trial: trial.median_s or float("inf"))
