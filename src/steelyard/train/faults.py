"""What to say when training fails: a loss that is not finite, too little memory, a full disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from steelyard.errors import BackendError, DivergedError, InputError
from steelyard.train.recipe import Recipe

__all__ = ["diverged", "is_out_of_memory", "out_of_memory", "unwritable"]


def diverged(
    network: nn.Module, loss: Callable[[], Tensor], *, step: int, recipe: Recipe
) -> DivergedError:
    """The error of a step whose loss or gradient is not finite, with the first layer that shows it.

    Args:
        network: as it was before the step.
        loss: computes the loss of the batch once more.
        step: 0 is the first.
        recipe: for advice.
    """
    where = _first_fault(network, loss)
    return DivergedError(
        f"training diverged at step {step + 1}: {where}",
        expected="a finite loss and finite gradients",
        hint=_advice(recipe),
    )


def _advice(recipe: Recipe) -> str:
    tries = [f"--set optimizer.lr={recipe.optimizer.lr / 3:.2g}"]
    if not recipe.schedule.warmup_epochs and recipe.epochs > 1:
        tries.append("--set schedule.warmup_epochs=1")
    if not recipe.clip:
        tries.append("--set clip=1.0")
    if recipe.precision == "fp16":
        tries.append("--set precision=bf16")
    return ", or ".join(tries) + "; in another run"


def _first_fault(network: nn.Module, loss: Callable[[], Tensor]) -> str:
    for name, parameter in network.named_parameters():
        if not _finite(parameter):
            return f"the parameter {name} is not finite"
    outputs: list[str] = []
    gradients: list[str] = []
    with ExitStack() as hooks:
        for name, module in network.named_modules():
            if next(module.children(), None) is None:
                hook = partial(_look, outputs, f"{name or 'the network'} ({type(module).__name__})")
                hooks.callback(module.register_forward_hook(hook).remove)
        for name, parameter in network.named_parameters():
            if parameter.requires_grad:
                watch = partial(_look_at_gradient, gradients, name)
                hook = parameter.register_post_accumulate_grad_hook(watch)  # type: ignore[no-untyped-call]
                hooks.callback(hook.remove)
        network.zero_grad()
        value = loss()
        if outputs:
            return f"the first layer whose output is not finite is {outputs[0]}"
        if not _finite(value):
            return "the loss is not finite, though all layers' outputs are: an input or a target is not"
        value.backward()  # type: ignore[no-untyped-call]
    if gradients:
        return f"on the way back, the first gradient that is not finite is that of {gradients[0]}"
    return "the loss or its gradient was not finite; computed again, both are"


def _look(found: list[str], name: str, module: nn.Module, inputs: Any, output: Any) -> None:
    several = output if isinstance(output, (tuple, list)) else (output,)
    if not all(_finite(one) for one in several if isinstance(one, Tensor)):
        found.append(name)


def _look_at_gradient(found: list[str], name: str, parameter: Tensor) -> None:
    if parameter.grad is not None and not _finite(parameter.grad):
        found.append(name)


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether PyTorch or Python found no memory."""
    words = ("can't allocate memory", "out of memory", "not enough memory")
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )


def out_of_memory(recipe: Recipe, error: BaseException) -> BackendError:
    """The error of a step that found too little memory, with what needs less."""
    parts = max(2, 2 * recipe.accumulate)
    hints = [f"--set accumulate={parts} (the same gradients, in parts)"]
    if recipe.precision == "fp32":
        hints.append("--set precision=bf16")
    hints.append(f"--set data.batch={max(1, recipe.data.batch // 2)} (with half the learning rate)")
    first = str(error).strip().split("\n")[0]
    return BackendError(
        f"not enough memory for a batch of {recipe.data.batch} in {recipe.accumulate} part"
        f"{'s' if recipe.accumulate > 1 else ''}: {first}",
        hint=", or ".join(hints),
    )


def unwritable(
    folder: Path, error: OSError, *, step: int | None = None, kept: int | None = None
) -> InputError:
    """The error of a run whose folder cannot be written; what was saved before is still there.

    Args:
        folder: of the run.
        error: what the system said.
        step: steps done; None before training.
        kept: the step of the last checkpoint.
    """
    what = f"cannot write {error.filename or folder}: {error.strerror or error}"
    if step is None:
        return InputError(what, expected="a folder that can be written", hint="--run PATH")
    saved = "nothing is saved yet" if kept is None else f"what was saved at step {kept} is whole"
    return InputError(
        f"{what}, at step {step}; {saved}",
        expected="space and permission to write",
        hint="make room, then the same command with --resume",
    )
