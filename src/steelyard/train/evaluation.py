"""`Evaluation`: how good a network is on a data set, with all that the figures depend on.

Accuracies, recalls and precisions are in percent, confidences and calibration errors fractions of 1, losses in nats.
An error is 100 less the accuracy, for top-1 and top-5 alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from math import fsum, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from steelyard._display import Printable
from steelyard.errors import InputError, UnknownNameError
from steelyard.train.calibration import BINS, Calibration, calibration
from steelyard.train.scores import TIES, Scores, join

if TYPE_CHECKING:
    from steelyard.report.table import Table

__all__ = ["About", "ClassScore", "Evaluation", "OutputScore", "merge", "wilson"]


@dataclass(frozen=True, slots=True)
class About:
    """What was evaluated on what; "" where it is not known.

    Attributes:
        network: its name.
        weights: where they come from.
        weights_sha256: of the names, types, shapes and values of all parameters and buffers.
        data, split: the data set.
        fingerprint: SHA-256 of its content.
        samples: how many it has; 0 where that is not known.
        preprocessing: what was done to each image, in order.
        precision: of the computation.
    """

    network: str = ""
    weights: str = ""
    weights_sha256: str = ""
    data: str = ""
    split: str = ""
    fingerprint: str = ""
    samples: int = 0
    preprocessing: str = ""
    precision: str = "float32"

    def to_dict(self) -> dict[str, Any]:
        """Plain data: all but the samples and the precision, which are the evaluation's."""
        found = asdict(self)
        return {key: found[key] for key in found if key not in ("samples", "precision")}

    def facts(self) -> list[tuple[str, str]]:
        """The same in words, what is known of it, for the foot of a page."""
        found = [
            ("network", self.network),
            ("weights", self.weights),
            ("weights, SHA-256", self.weights_sha256),
            ("data", f"{self.data}, {self.split}"),
            ("data, SHA-256", self.fingerprint),
            ("preprocessing", self.preprocessing),
        ]
        return [fact for fact in found if fact[1]]


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class.

    Attributes:
        name: of the class.
        samples: that are of it.
        predicted: for which the network chose it.
        correct: both.
    """

    name: str
    samples: int
    predicted: int
    correct: int

    @property
    def recall(self) -> float | None:
        """Percent of the class's samples that were found: its accuracy; None where it has none."""
        return 100 * self.correct / self.samples if self.samples else None

    @property
    def precision(self) -> float | None:
        """Percent of what was taken for the class and is of it; None where it was never chosen."""
        return 100 * self.correct / self.predicted if self.predicted else None


@dataclass(frozen=True, slots=True)
class OutputScore:
    """How good one output of a network is.

    Attributes:
        name: of the output: ``exit 1``, ``aux``; "" for a network that has one.
        classes: their names, in the order of the logits.
        scores: of every sample.
        bins: of the calibration.
    """

    name: str
    classes: tuple[str, ...] = field(repr=False)
    scores: Scores = field(repr=False)
    bins: int = BINS

    def top(self, k: int) -> float:
        """Percent of the samples whose class is among the ``k`` largest logits; see `steelyard.train.scores`."""
        return 100 * self.scores.within(k) / len(self.scores)

    @property
    def top1(self) -> float:
        """Accuracy in percent."""
        return self.top(1)

    @property
    def top5(self) -> float:
        """Percent of the samples whose class is among the first five; 100 where there are no more classes."""
        return self.top(5)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the top-1 accuracy, in percent, see `wilson`."""
        low, high = wilson(self.scores.within(1), len(self.scores))
        return 100 * low, 100 * high

    @property
    def loss(self) -> float:
        """Negative log-likelihood: mean over the samples, in nats."""
        return fsum(self.scores.losses.tolist()) / len(self.scores)

    @property
    def calibration(self) -> Calibration:
        """Confidence against accuracy."""
        return calibration(self.scores.confidences, self.scores.correct, bins=self.bins)

    @property
    def confusion(self) -> Tensor:
        """How often class i (row) was taken for class j (column): int64, (classes, classes)."""
        number = len(self.classes)
        flat = self.scores.labels * number + self.scores.predictions
        return torch.bincount(flat, minlength=number * number).view(number, number)

    @property
    def per_class(self) -> tuple[ClassScore, ...]:
        """Every class, in order."""
        number = len(self.classes)
        samples = torch.bincount(self.scores.labels, minlength=number).tolist()
        predicted = torch.bincount(self.scores.predictions, minlength=number).tolist()
        right = self.scores.labels[self.scores.correct]
        correct = torch.bincount(right, minlength=number).tolist()
        rows = zip(self.classes, samples, predicted, correct, strict=True)
        return tuple(ClassScore(*row) for row in rows)

    @property
    def mean_recall(self) -> float:
        """Mean recall of the classes that have samples: accuracy where all classes weigh alike."""
        recalls = [one.recall for one in self.per_class if one.recall is not None]
        return fsum(recalls) / len(recalls)

    @property
    def tied(self) -> int:
        """Samples for which several classes shared the largest logit."""
        return int(self.scores.tied.sum())

    def confused(self, most: int = 10) -> list[tuple[str, str, int]]:
        """(class, what it was taken for, how often), the most frequent first."""
        counts = self.confusion.clone().fill_diagonal_(0)
        found = [(int(counts[i, j]), i, j) for i, j in counts.nonzero().tolist()]
        found.sort(key=lambda one: (-one[0], one[1:]))
        return [(self.classes[i], self.classes[j], count) for count, i, j in found[:most]]

    def to_dict(self) -> dict[str, Any]:
        """Plain data; the confusion matrix as (class, taken for, how often) where that is above 0."""
        counts = self.confusion
        low, high = self.interval
        return {
            "name": self.name,
            "samples": len(self.scores),
            "top1": self.top1,
            "top1_interval": [low, high],
            "top5": self.top5,
            "mean_recall": self.mean_recall,
            "loss": self.loss,
            "tied": self.tied,
            "calibration": self.calibration.to_dict(),
            "classes": [
                {
                    "name": one.name,
                    "samples": one.samples,
                    "predicted": one.predicted,
                    "correct": one.correct,
                    "recall": one.recall,
                    "precision": one.precision,
                }
                for one in self.per_class
            ],
            "confusion": [[i, j, int(counts[i, j])] for i, j in counts.nonzero().tolist()],
        }


@dataclass(frozen=True, slots=True)
class Evaluation(Printable):
    """How good a network is on a data set; ``top1`` and the like are those of its main output.

    Attributes:
        about: what was evaluated on what.
        outputs: of a network with several classifiers all of them, earliest first.
        main: the number of the one that an ordinary inference uses.
    """

    about: About
    outputs: tuple[OutputScore, ...]
    main: int = 0

    @property
    def output(self) -> OutputScore:
        """The main output."""
        return self.outputs[self.main]

    def named(self, name: str) -> OutputScore:
        """The output of that name.

        Raises:
            UnknownNameError: there is none.
        """
        for one in self.outputs:
            if one.name == name:
                return one
        raise UnknownNameError("output", name, [one.name for one in self.outputs])

    @property
    def samples(self) -> int:
        """How many images."""
        return len(self.output.scores)

    @property
    def top1(self) -> float:
        """Accuracy in percent."""
        return self.output.top1

    @property
    def top5(self) -> float:
        """Percent of the samples whose class is among the first five."""
        return self.output.top5

    @property
    def top1_error(self) -> float:
        """100 less `top1`."""
        return 100 - self.top1

    @property
    def top5_error(self) -> float:
        """100 less `top5`."""
        return 100 - self.top5

    @property
    def loss(self) -> float:
        """Negative log-likelihood: mean over the samples, in nats."""
        return self.output.loss

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures must know."""
        found = []
        if 0 < self.samples < self.about.samples:
            found.append(f"{self.samples:,} of the {self.about.samples:,} samples were evaluated")
        if self.output.tied:
            found.append(f"{self.output.tied:,} samples have several largest logits; {TIES}")
        return tuple(found)

    def records(self) -> Table:
        """Every class of every output as one flat table: what CSV holds."""
        return _layout.records(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.evaluation/1``."""
        about = self.about
        return {
            "schema": "steelyard.evaluation/1",
            **about.to_dict(),
            "precision": about.precision,
            "samples": self.samples,
            "top1": self.top1,
            "top5": self.top5,
            "top1_error": self.top1_error,
            "top5_error": self.top5_error,
            "main": self.output.name,
            "outputs": [one.to_dict() for one in self.outputs],
            "notes": list(self.notes),
        }


def merge(shards: Sequence[Evaluation]) -> Evaluation:
    """Shards of one evaluation as one, exactly as if one process had seen all samples; in any order.

    Raises:
        InputError: no shard, shards of different networks, data or preprocessing, or a sample in two of them.
    """
    if not shards:
        raise InputError("no evaluations to merge", expected="one or more")
    first = shards[0]
    for other in shards[1:]:
        alike = [
            (s.about, s.main, [(o.name, o.classes) for o in s.outputs]) for s in (first, other)
        ]
        if alike[0] != alike[1]:
            raise InputError(
                "the evaluations are of different networks, data or preprocessing",
                expected="shards of one evaluation",
            )
    outputs = tuple(
        replace(output, scores=join([shard.outputs[i].scores for shard in shards]))
        for i, output in enumerate(first.outputs)
    )
    return replace(first, outputs=outputs)


def wilson(correct: int, samples: int, *, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share, fractions of 1; never beyond 0 and 1, and sound near them.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    >>> low, high = wilson(90, 100)
    >>> f"{low:.4f} {high:.4f}"
    '0.8256 0.9448'

    Args:
        correct: of the samples.
        samples: how many, 1 or more.
        level: of confidence.

    Raises:
        InputError: no sample, or more correct than samples.
    """
    if not 0 <= correct <= samples or not samples:
        raise InputError(f"{correct} of {samples} samples", expected="0 to all of 1 or more")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = correct / samples
    middle = (share + z * z / (2 * samples)) / (1 + z * z / samples)
    half = (
        z
        * sqrt(share * (1 - share) / samples + z * z / (4 * samples * samples))
        / (1 + z * z / samples)
    )
    # at the ends the bound is exact, and rounding must not pass it
    low = 0.0 if not correct else max(0.0, middle - half)
    high = 1.0 if correct == samples else min(1.0, middle + half)
    return low, high


# below the classes that it prints, so that whoever has a result can print it
from steelyard.train import evaluation_layout as _layout  # noqa: E402
