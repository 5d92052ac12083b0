"""`exit_subject`: a network with exits, what they cost, and what they say of labelled images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from steelyard.data.dataset import Dataset
from steelyard.data.loader import Loader
from steelyard.data.transforms import Pipeline, parse_transforms
from steelyard.dynamic.early_exit import as_early_exit, exit_logits
from steelyard.dynamic.exit_costs import ExitCosts, exit_costs
from steelyard.dynamic.exit_outputs import ExitOutputs
from steelyard.errors import InputError
from steelyard.train.evaluation import About
from steelyard.train.subject import Subject, subject_of

if TYPE_CHECKING:
    from steelyard.train.run import Run

__all__ = ["ExitSubject", "exit_subject"]


@dataclass(frozen=True, slots=True, eq=False)
class ExitSubject:
    """See the module.

    Attributes:
        subject: the network and where it comes from.
        about: what it was shown.
        dataset: the images.
        transforms: what they go through.
        outputs: logits of all exits, and labels.
        weighed: costs of the exits.
    """

    subject: Subject
    about: About
    dataset: Dataset
    transforms: Pipeline
    outputs: ExitOutputs
    weighed: ExitCosts

    @property
    def network(self) -> nn.Module:
        """The module."""
        return self.subject.network

    def images(self, index: NDArray[np.int64]) -> Tensor:
        """Some of the images as the network sees them, (n, C, H, W)."""
        raw = [self.dataset.image(i) for i in index.tolist()]
        return self.transforms(raw, index, seed=0, epoch=0, train=False)


def exit_subject(
    network: nn.Module | Run | str | os.PathLike[str],
    *,
    data: str | Dataset | None = None,
    split: str = "test",
    transforms: Sequence[str] | None = None,
    batch: int = 256,
    workers: int = 0,
    weights: str | os.PathLike[str] | None = None,
    checkpoint: Literal["best", "last"] = "best",
    progress: Callable[[int, int], None] | None = None,
) -> ExitSubject:
    """Runs all exits on all images.

    Args:
        network, data, split, transforms, batch, workers, weights, checkpoint, progress: as `steelyard.evaluate`
            takes them.

    Raises:
        UsageError: a network without exits, or no data.
        InputError: no image, other classes than the data's, or logits that are not finite.
        SteelyardError: as `steelyard.evaluate`.
    """
    subject = subject_of(network, weights=weights, checkpoint=checkpoint)
    chosen = as_early_exit(subject.network)
    found = subject.dataset(data, split)
    steps = transforms if transforms is not None else subject.transforms
    loader = Loader(found, batch=batch, transforms=parse_transforms(steps), workers=workers)
    labels: list[Tensor] = []

    def batches() -> Iterator[Tensor]:
        done = 0
        for one in loader.epoch(0):
            labels.append(one.labels)
            yield one.images
            done += len(one)
            if progress is not None:
                progress(done, len(found))

    logits = exit_logits(chosen, batches())
    if logits.shape[-1] != len(found.classes):
        raise InputError(
            f"the network has {logits.shape[-1]:,} classes, and {found.name} {len(found.classes):,}",
            expected="a network of as many classes",
        )
    known = np.concatenate([one.numpy() for one in labels])
    first = np.zeros(1, dtype=np.int64)
    shape = loader.transforms([found.image(0)], first, seed=0, epoch=0, train=False).shape
    weighed = exit_costs(chosen, (1, *shape[1:]))
    about = subject.shown(found, loader.transforms, "fp32")
    return ExitSubject(
        subject, about, found, loader.transforms, ExitOutputs.of(logits, known), weighed
    )
