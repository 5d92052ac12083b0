"""What exits add to training: later ones teach earlier ones, and none drowns the others' gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.dynamic.early_exit import EarlyExit, map_leaves
from steelyard.errors import UsageError

__all__ = ["balanced_outputs", "check_balanced", "distillation", "teachers"]


def teachers(exits: int, kind: Literal["last", "next"]) -> list[int]:
    """The exit that teaches each exit but the last.

    >>> teachers(4, "last"), teachers(4, "next")
    ([3, 3, 3], [1, 2, 3])
    """
    return [exits - 1 if kind == "last" else i + 1 for i in range(exits - 1)]


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """How far a student is from its teacher: T^2 KL(softmax(teacher / T) || softmax(student / T)), summed over samples.

    Hinton et al. 2015 (arXiv:1503.02531), sec. 2; between exits Li et al. 2019 (arXiv:1908.06294), sec. 3.3. No
    gradient goes to the teacher.

    Args:
        student: logits (N, classes).
        teacher: logits (N, classes).
        temperature: T.
    """
    wanted = (teacher.detach().float() / temperature).log_softmax(1)
    given = (student.float() / temperature).log_softmax(1)
    return temperature**2 * F.kl_div(given, wanted, reduction="sum", log_target=True)


def check_balanced(network: nn.Module) -> None:
    """Refuses a network of which the gradients between exits cannot be balanced.

    Raises:
        UsageError: it does not run exit by exit, or its classifiers are not in ``classifiers``.
    """
    classifiers = getattr(network, "classifiers", None)
    exits = cast("EarlyExit", network).exits if isinstance(network, EarlyExit) else 0
    heads = len(classifiers) if isinstance(classifiers, nn.ModuleList) else -1
    if not exits or heads not in (exits, exits - 1):
        raise UsageError(
            f"loss.gradient_equilibrium for {type(network).__name__}, whose exits are not known",
            expected="a network with the methods begin and advance and a list classifiers, such as an MSDNet",
        )


def balanced_outputs(network: nn.Module, images: Tensor) -> list[Tensor]:
    """All exits' logits; gradients are scaled on their way back so that no stage gets more than others.

    Gradient equilibrium: Li et al. 2019 (arXiv:1908.06294), sec. 3.1. Of K exits, what comes back from classifier i
    (1 is the first) into the features is divided by K - i + 1, and what comes back from later stages into the features
    that the classifier reads is multiplied by (K - i) / (K - i + 1). Every stage of a chain then gets the mean of its
    exits' gradients, where it got their sum. Classifiers learn as ever.

    Args:
        network: see `check_balanced`.
        images: (N, C, H, W).
    """
    early = cast("EarlyExit", network)
    state, logits = early.begin(images), []
    for stage in range(early.exits):
        left = early.exits - stage
        with _scaled_input(network, stage, 1 / left) as seen:
            out, state = early.advance(stage, state)
        logits.append(out)
        state = map_leaves(
            lambda leaf, left=left, seen=seen: (  # type: ignore[misc]
                scaled_gradient(leaf, (left - 1) / left) if _among(leaf, seen) else leaf
            ),
            state,
        )
    return logits


def scaled_gradient(x: Tensor, factor: float) -> Tensor:
    """The same values; their gradient comes back times ``factor``."""
    if not x.requires_grad:
        return x
    scaled: Tensor = _Scale.apply(x, factor)  # type: ignore[no-untyped-call]
    return scaled


class _Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * ctx.factor, None


def _among(leaf: Tensor, seen: Sequence[Tensor]) -> bool:
    return any(leaf is one for one in seen)


@contextmanager
def _scaled_input(network: nn.Module, stage: int, factor: float) -> Iterator[list[Tensor]]:
    """Scales the gradient that a classifier gives back; yields what the classifier was given."""
    classifiers = cast("nn.ModuleList", network.classifiers)
    seen: list[Tensor] = []
    if stage >= len(classifiers):
        # the network's own head has no later stage beside it
        yield seen
        return

    def before(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        seen.extend(inputs)
        return tuple(scaled_gradient(one, factor) for one in inputs)

    handle = classifiers[stage].register_forward_pre_hook(before)
    try:
        yield seen
    finally:
        handle.remove()
