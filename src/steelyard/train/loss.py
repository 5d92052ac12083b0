"""The loss of a batch: cross-entropy over one or several outputs."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from steelyard.errors import UsageError
from steelyard.train.evaluate import named_logits
from steelyard.train.exit_losses import distillation, teachers
from steelyard.train.recipe import LossPart

__all__ = ["summed_loss"]


def summed_loss(outputs: Any, targets: Tensor, part: LossPart) -> tuple[Tensor, Tensor]:
    """The sum of the samples' losses, and the logits that an inference would use.

    Of several outputs (early exits: Huang et al. 2017, arXiv:1703.09844, sec. 4; auxiliary classifiers)
    the losses are added, times ``part.exit_weights``, or 1 each. With ``part.distillation`` a share of each early
    exit's loss is its distance from a later exit.

    Args:
        outputs: what the network returned, see `steelyard.train.evaluate.named_logits`.
        targets: int64 labels (N,), or shares of the classes (N, classes).
        part: label smoothing and weights.

    Raises:
        UsageError: as many weights as outputs are needed; distillation without early exits.
    """
    named, main = named_logits(outputs)
    weights = part.exit_weights or (1.0,) * len(named)
    if len(weights) != len(named):
        raise UsageError(
            f"loss.exit_weights has {len(weights)} values, the network {len(named)} outputs",
            expected="one for each, or none",
        )
    losses = [
        F.cross_entropy(
            logits.float(), targets, reduction="sum", label_smoothing=part.label_smoothing
        )
        for _, logits in named
    ]
    if part.distillation:
        losses = _taught(losses, [logits for _, logits in named], main, part)
    losses = [weight * loss for weight, loss in zip(weights, losses, strict=True)]
    total = losses[0]
    for loss in losses[1:]:
        total = total + loss
    return total, named[main][1]


def _taught(losses: list[Tensor], logits: list[Tensor], main: int, part: LossPart) -> list[Tensor]:
    """The losses with a share of distillation in all but the last."""
    if len(logits) == 1 or main != len(logits) - 1:
        raise UsageError(
            f"loss.distillation={part.distillation:g} for a network without early exits",
            expected="a network that returns the logits of several exits, such as an MSDNet",
        )
    share = part.distillation
    return [
        (1 - share) * loss + share * distillation(logits[i], logits[teacher], part.temperature)
        for i, (loss, teacher) in enumerate(
            zip(losses, teachers(len(logits), part.teacher), strict=False)
        )
    ] + losses[-1:]
