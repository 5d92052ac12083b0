"""`Scores`: what an evaluation keeps of every sample, so that its shards join exactly and in any order.

Ties are settled once, here: of equal logits the class with the lower number comes first. The rank of a sample is the
number of classes that come before its own; it is among the top k where its rank is below k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from steelyard.errors import InputError, ShapeError

__all__ = ["TIES", "Scores", "join", "score"]

TIES = "of equal logits the class with the lower number comes first"


@dataclass(frozen=True, slots=True)
class Scores:
    """One row a sample, on the CPU, sorted by index; all of shape (N,).

    Attributes:
        indices: the sample's number in its data set, int64.
        labels: its class, int64.
        predictions: the class that the network chose, int64.
        ranks: how many classes came before the sample's own, int64.
        confidences: softmax probability of the chosen class, float64.
        losses: negative log-likelihood of the sample's own class in nats, float64.
        tied: whether several classes shared the largest logit.
    """

    indices: Tensor
    labels: Tensor
    predictions: Tensor
    ranks: Tensor
    confidences: Tensor
    losses: Tensor
    tied: Tensor

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def correct(self) -> Tensor:
        """Whether each sample's class came first: bool, (N,)."""
        return self.ranks == 0

    def within(self, k: int) -> int:
        """Samples whose class is among the first ``k``."""
        return int((self.ranks < k).sum())


def score(logits: Tensor, labels: Tensor, indices: Tensor) -> Scores:
    """The scores of a batch; probabilities and losses in float64.

    Args:
        logits: (N, classes), any floating-point type.
        labels: (N,), 0 to classes - 1.
        indices: (N,), the samples' numbers in their data set.

    Raises:
        ShapeError: other shapes.
        InputError: a label that is no class, or logits that are not finite; the sample is named.
    """
    if logits.dim() != 2 or labels.shape != logits.shape[:1] or indices.shape != labels.shape:
        raise ShapeError(
            f"logits of shape {tuple(logits.shape)}, labels of shape {tuple(labels.shape)} and "
            f"indices of shape {tuple(indices.shape)}",
            expected="(N, classes), (N,) and (N,)",
        )
    values = logits.detach().double()
    labels, indices = labels.to(values.device), indices.to(values.device)
    _check(values, labels, indices)
    best = values.amax(1)
    likelihoods = values.log_softmax(1)
    own = values.gather(1, labels[:, None])
    numbers = torch.arange(values.shape[1], device=values.device)
    before = (values > own) | ((values == own) & (numbers < labels[:, None]))
    firsts = values == best[:, None]
    rows = (
        indices,
        labels,
        # the first of the largest: argmax promises no order
        _first(firsts),
        before.sum(1),
        likelihoods.amax(1).exp(),
        -likelihoods.gather(1, labels[:, None])[:, 0],
        firsts.sum(1) > 1,
    )
    return _sorted(Scores(*(row.cpu() for row in rows)))


def join(parts: Sequence[Scores]) -> Scores:
    """Shards of one data set as one; their order changes nothing.

    Raises:
        InputError: no part, or a sample that is in two of them.
    """
    if not parts:
        raise InputError("no scores to join", expected="one part or more")
    whole = _sorted(
        Scores(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Scores)))
    )
    twice = whole.indices[1:] == whole.indices[:-1]
    if bool(twice.any()):
        sample = int(whole.indices[1:][twice][0])
        raise InputError(
            f"sample {sample} was scored twice", expected="shards that share no sample"
        )
    return whole


def _first(firsts: Tensor) -> Tensor:
    """The number of the first True of each row."""
    numbers = torch.arange(firsts.shape[1], device=firsts.device)
    return torch.where(firsts, numbers, firsts.shape[1]).amin(1)


def _sorted(scores: Scores) -> Scores:
    order = torch.argsort(scores.indices, stable=True)
    return Scores(*(getattr(scores, f.name)[order] for f in fields(Scores)))


def _check(values: Tensor, labels: Tensor, indices: Tensor) -> None:
    classes = values.shape[1]
    odd = (labels < 0) | (labels >= classes)
    if bool(odd.any()):
        at = int(odd.nonzero()[0])
        raise InputError(
            f"sample {int(indices[at])} has the label {int(labels[at])}, and the network {classes} outputs",
            expected=f"labels from 0 to {classes - 1}",
        )
    bad = ~values.isfinite().all(1)
    if bool(bad.any()):
        at = int(bad.nonzero()[0])
        row = values[at]
        found = "NaN" if bool(row.isnan().any()) else "infinite"
        raise InputError(
            f"the logits of sample {int(indices[at])} are {found} ({int(bad.sum())} of {len(bad)} in its batch)",
            expected="finite numbers",
            hint="weights that did not diverge, or a wider precision",
        )
