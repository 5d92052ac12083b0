"""`TorchStages`: an early-exit network in PyTorch as an engine runs it, eager or with each stage compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from steelyard.dynamic.early_exit import as_early_exit, rows
from steelyard.errors import UsageError

__all__ = ["TorchStages"]

Advance = Callable[[Any], tuple[Tensor, Any]]


class TorchStages:
    """See `steelyard.dynamic.engine.Stages`; the state is the network's own.

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
        self.fingerprint = fingerprint
        self._place = next((p.device for p in network.parameters()), torch.device("cpu"))
        self._advance = [self._stage(i, compiled=compiled) for i in range(self.exits)]

    @property
    def exits(self) -> int:
        """How many."""
        return self.network.exits

    def begin(self, images: Tensor | NDArray[np.float32]) -> Any:
        """See `Stages.begin`."""
        given = images if isinstance(images, Tensor) else torch.from_numpy(images)
        with torch.inference_mode():
            return self.network.begin(given.to(self._place))

    def advance(self, stage: int, state: Any) -> tuple[NDArray[np.float32], Any]:
        """See `Stages.advance`."""
        with torch.inference_mode():
            logits, later = self._advance[stage](state)
            return logits.float().cpu().numpy(), later

    def keep(self, state: Any, rows_kept: NDArray[np.int64]) -> Any:
        """See `Stages.keep`."""
        with torch.inference_mode():
            return rows(state, torch.from_numpy(rows_kept))

    def _stage(self, stage: int, *, compiled: bool) -> Advance:
        def advance(state: Any) -> tuple[Tensor, Any]:
            return self.network.advance(stage, state)

        return torch.compile(advance, dynamic=True) if compiled else advance
