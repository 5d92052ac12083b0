"""`Run`: the folder in which a training keeps everything: recipe, environment, metrics, checkpoints, plots."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from steelyard._display import Printable
from steelyard.errors import FileFormatError, UsageError
from steelyard.train.metrics import read_rows
from steelyard.train.recipe import Recipe
from steelyard.train.toml import load_recipe

if TYPE_CHECKING:
    from torch import nn

    from steelyard.train.checkpoint import Checkpoint

__all__ = ["Run"]


@dataclass(frozen=True, slots=True)
class Run(Printable):
    """A training, finished or not.

    ====================  ===============================================================
    ``recipe.toml``       what was asked for
    ``environment.json``  machine, libraries, threads and data of every start
    ``metrics.jsonl``     a row every ``log_every`` steps and a row every epoch
    ``timing.jsonl``      seconds and images a second, which differ from run to run
    ``checkpoints/``      the last two and the best, see `steelyard.train.checkpoint`
    ``tensorboard/``      the metrics as TensorBoard reads them
    ``curves.png``        loss, accuracy, learning rate
    ====================  ===============================================================

    Attributes:
        path: the folder.
    """

    path: Path

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Run:
        """The run in a folder.

        Raises:
            FileFormatError: it is none.
        """
        folder = Path(path)
        if not (folder / "recipe.toml").is_file():
            raise FileFormatError(
                f"{folder} is no run: there is no recipe.toml in it",
                expected="a folder that steelyard train made, such as runs/digits_lenet",
            )
        return cls(folder)

    @property
    def recipe(self) -> Recipe:
        """What was asked for."""
        return load_recipe(self.path / "recipe.toml")

    def metrics(self, kind: Literal["", "step", "epoch"] = "") -> list[dict[str, Any]]:
        """The rows of ``metrics.jsonl``, of one kind or all."""
        file = self.path / "metrics.jsonl"
        return read_rows(file, kind) if file.is_file() else []

    @property
    def finished(self) -> bool:
        """Whether all epochs are over."""
        return len(self.metrics("epoch")) >= self.recipe.epochs

    @property
    def best(self) -> dict[str, Any] | None:
        """The row of the epoch with the highest top-1 accuracy, the first of equal ones."""
        return max(self.metrics("epoch"), key=lambda row: float(row["test_top1"]), default=None)

    def checkpoint(self, which: Literal["best", "last"] = "best") -> Checkpoint:
        """A checkpoint, its hashes compared.

        Raises:
            FileFormatError: it is damaged, or there is none.
            UsageError: ``which`` is neither.
        """
        from steelyard.train.checkpoint import checkpoints, load

        if which not in ("best", "last"):
            raise UsageError(f"checkpoint {which!r}", expected="best or last")
        found = checkpoints(self.path / "checkpoints")
        if not found:
            raise FileFormatError(
                f"{self.path} has no checkpoint yet", hint=f"steelyard train {self.path} --resume"
            )
        last = load(found[-1])
        best = last.facts["best"]
        if which == "last" or best is None or best["step"] == last.step:
            return last
        return load(self.path / "checkpoints" / f"{best['step']:08d}")

    def network(self, which: Literal["best", "last"] = "best", *, ema: bool = True) -> nn.Module:
        """The network with trained weights, in eval mode.

        Args:
            which: of the epoch with the highest accuracy, or of the last checkpoint.
            ema: the averaged weights, where the recipe has an average.

        Raises:
            FileFormatError: there is no checkpoint, or it is damaged.
        """
        recipe, checkpoint = self.recipe, self.checkpoint(which)
        network = recipe.network.build(recipe.stochastic_depth)
        averaged = ema and "ema" in checkpoint.tensors
        network.load_state_dict(dict(checkpoint.tensors["ema" if averaged else "model"]))
        return network.eval()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.run/1``."""
        environment = self.path / "environment.json"
        return {
            "schema": "steelyard.run/1",
            "path": str(self.path),
            "finished": self.finished,
            "recipe": self.recipe.to_dict(),
            "best": self.best,
            "epochs": self.metrics("epoch"),
            "starts": json.loads(environment.read_text("utf-8")) if environment.is_file() else [],
        }


# below the class that it prints, so that whoever has a result can print it
from steelyard.train import run_layout as _layout  # noqa: E402, F401
