"""`EarlyExit`: a network that can be run classifier by classifier, and what holds for every such network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from steelyard.errors import InputError, ShapeError, UsageError

__all__ = [
    "EarlyExit",
    "State",
    "as_early_exit",
    "exit_logits",
    "leaves",
    "map_leaves",
    "paused",
    "rows",
    "run_stages",
]

State: TypeAlias = Any
"""Tensors, each with the batch in dimension 0, nested in lists, tuples and dicts in any way."""


@runtime_checkable
class EarlyExit(Protocol):
    """A chain of stages with a classifier behind each; a module, and what a stage needs is kept, not computed again.

    Stage by stage::

        state = network.begin(images)
        for stage in range(network.exits):
            logits, state = network.advance(stage, state)

    A stage may read the state that it is given, but must not change its tensors. Samples do not mix: the state of
    some rows of a batch is those rows of the state, see `rows`.

    Attributes:
        exits: number of classifiers.
    """

    exits: int

    def begin(self, images: Tensor) -> State:
        """What the first stage reads: images (N, C, H, W) -> state."""

    def advance(self, stage: int, state: State) -> tuple[Tensor, State]:
        """Runs stage ``stage`` (0 is the first) -> logits (N, classes) of its exit, and what later stages read."""

    def __call__(self, images: Tensor) -> Sequence[Tensor]:
        """All stages: (N, C, H, W) -> logits (N, classes) of every exit, earliest first."""


def as_early_exit(network: object) -> EarlyExit:
    """The network itself.

    Raises:
        UsageError: it cannot be run exit by exit.
    """
    if isinstance(network, nn.Module) and isinstance(network, EarlyExit):
        return cast("EarlyExit", network)
    raise UsageError(
        f"a {type(network).__name__} cannot be run exit by exit",
        expected="a network with exits, begin and advance, such as an MSDNet",
        hint="steelyard.attach_exits(network, at=[...])",
    )


def run_stages(network: EarlyExit, images: Tensor) -> list[Tensor]:
    """Every stage in turn: (N, C, H, W) -> logits (N, classes) of every exit."""
    state, logits = network.begin(images), []
    for stage in range(network.exits):
        out, state = network.advance(stage, state)
        logits.append(out)
    return logits


def leaves(state: State) -> Iterator[Tensor]:
    """The tensors of a state, in order.

    Raises:
        UsageError: something else is among them.
    """
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, Mapping):
        for part in state.values():
            yield from leaves(part)
    elif isinstance(state, (list, tuple)):
        for part in state:
            yield from leaves(part)
    else:
        raise UsageError(
            f"the state of an early-exit network holds a {type(state).__name__}",
            expected="tensors in lists, tuples and dicts",
        )


def map_leaves(change: Callable[[Tensor], Tensor], state: State) -> State:
    """A state of the same form with every tensor changed.

    Raises:
        UsageError: something is among them that is not a tensor.
    """
    if isinstance(state, Tensor):
        return change(state)
    if isinstance(state, Mapping):
        return {key: map_leaves(change, part) for key, part in state.items()}
    if isinstance(state, list):
        return [map_leaves(change, part) for part in state]
    if isinstance(state, tuple):
        return tuple(map_leaves(change, part) for part in state)
    return next(leaves(state))


def rows(state: State, index: Tensor) -> State:
    """The state of some samples of the batch.

    Args:
        state: of N samples.
        index: (N,) bool, or (n,) int64 row numbers.

    Raises:
        ShapeError: a tensor of the state has another number of rows than a mask has entries.
        UsageError: something in the state is not a tensor.
    """
    if index.dtype == torch.bool:
        for leaf in leaves(state):
            if leaf.shape[:1] != index.shape:
                raise ShapeError(
                    f"a state of shape {tuple(leaf.shape)} for a mask of {len(index)} samples",
                    expected="the batch in dimension 0 of every tensor",
                )
        index = index.nonzero()[:, 0]
    return map_leaves(lambda leaf: leaf.index_select(0, index.to(leaf.device)), state)


@contextmanager
def paused(network: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every module is in the mode that it was in."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def exit_logits(network: EarlyExit, batches: Iterable[Tensor]) -> NDArray[np.float32]:
    """What every exit says of every image: (exits, N, classes); the network is left as it was.

    Args:
        network: any early-exit network.
        batches: images (n, C, H, W); they are moved to the network's device.

    Raises:
        InputError: no images.
        ShapeError: exits that disagree in images or classes.
    """
    module = cast("nn.Module", as_early_exit(network))
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    parts = []
    with paused(module):
        for images in batches:
            outputs = module(images.to(device))
            shapes = [tuple(out.shape) for out in outputs]
            if len(set(shapes)) != 1:
                raise ShapeError(
                    f"exits return logits of shapes {shapes}",
                    expected="(N, classes), the same of each",
                )
            parts.append(torch.stack(list(outputs), 0).float().cpu())
    if not parts:
        raise InputError("no images to run the exits on", expected="one batch or more")
    joined: NDArray[np.float32] = torch.cat(parts, dim=1).numpy()
    return joined
