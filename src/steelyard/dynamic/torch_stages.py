"""`TorchStages`: an early-exit network in PyTorch as an engine runs it, eager or with each stage compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from steelyard.dynamic.combination import joined
from steelyard.dynamic.combined_exits import CombinedExits
from steelyard.dynamic.early_exit import EarlyExit, as_early_exit, rows
from steelyard.errors import UsageError

__all__ = ["TorchStages"]

Logits = NDArray[np.float32]
State = tuple[Any, list[Logits]]
"""What the network keeps, before its first stage the images; and of combined exits their own logits."""

Advance = Callable[[Any], tuple[Tensor, Any]]


class TorchStages:
    """See `steelyard.dynamic.engine.Stages`.

    Logits of combined exits are joined here, as arrays, which for the few of an image is quicker than as tensors.

    Args:
        network: in eval mode, wherever its parameters are.
        compiled: compile each stage by ``torch.compile`` for batches of any size, when it first runs.
        fingerprint: SHA-256 of the weights, to refuse thresholds of another network.

    Raises:
        UsageError: no early-exit network, or one in training mode.
    """

    def __init__(
        self, network: nn.Module, *, compiled: bool = False, fingerprint: str = ""
    ) -> None:
        self.network = as_early_exit(network)
        if any(module.training for module in network.modules()):
            raise UsageError("the network is in training mode", hint="network.eval()")
        self.exits = self.network.exits
        self.fingerprint = fingerprint
        self._place = next((p.device for p in network.parameters()), torch.device("cpu"))
        self._combined = network if isinstance(network, CombinedExits) else None
        plain = self.network if self._combined is None else self._combined.network
        early = cast("EarlyExit", plain)
        self._advance = [_stage(early, i, compiled=compiled) for i in range(self.exits)]

    def begin(self, images: Tensor | NDArray[np.float32]) -> State:
        """See `Stages.begin`."""
        given = images if isinstance(images, Tensor) else torch.from_numpy(images)
        return given.to(self._place), []

    def advance(self, stage: int, state: State) -> tuple[Logits, State]:
        """See `Stages.advance`."""
        with torch.inference_mode():
            found, later = self._advance[stage](state[0])
            logits = found.float().cpu().numpy()
        if self._combined is None:
            return logits, (later, [])
        said = [*state[1], logits]
        return joined(self._combined.arrays[stage], said), (later, said)

    def keep(self, state: State, rows_kept: NDArray[np.int64]) -> State:
        """See `Stages.keep`."""
        with torch.inference_mode():
            kept = rows(state[0], torch.from_numpy(rows_kept))
        return kept, [one[rows_kept] for one in state[1]]


def _stage(network: EarlyExit, stage: int, *, compiled: bool) -> Advance:
    """A stage; the first begins, too, which alone would cost as much as a layer."""

    def first(images: Tensor) -> tuple[Tensor, Any]:
        return network.advance(0, network.begin(images))

    def later(state: Any) -> tuple[Tensor, Any]:
        return network.advance(stage, state)

    advance = later if stage else first
    return torch.compile(advance, dynamic=True) if compiled else advance
