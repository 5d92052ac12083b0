"""`CombinedExits`: an early-exit network whose exits also weigh what the earlier ones said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from steelyard.dynamic.combination import check_combination, joined
from steelyard.dynamic.early_exit import State, as_early_exit, run_stages

__all__ = ["CombinedExits"]


class CombinedExits(nn.Module):
    """A network's exits, each exit's logits a weighted sum of its own and the earlier ones; itself an `EarlyExit`.

    Args:
        network: an early-exit network; it is shared, not copied.
        weights: of `steelyard.dynamic.combination.fit_combination`.

    Raises:
        UsageError: no early-exit network, or weights of another number of exits.
    """

    weights: Tensor
    numbers: list[list[float]]
    """The weights for tensors; to read them from a tensor would take as long as a small layer takes."""
    arrays: list[list[NDArray[np.float32]]]
    """The weights for arrays, of one number each: a Python number would take longer to convert than to multiply by."""

    def __init__(self, network: nn.Module, weights: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.exits = as_early_exit(network).exits
        check_combination(weights, self.exits)
        self.network = network
        square = torch.zeros(self.exits, self.exits)
        for stage, row in enumerate(weights):
            square[stage, : len(row)] = torch.tensor(row)
        self.register_buffer("weights", square)
        _read(self)
        cast("Any", self).register_load_state_dict_post_hook(_read)

    def begin(self, images: Tensor) -> State:
        """See `EarlyExit.begin`."""
        return cast("Any", self.network).begin(images), []

    def advance(self, stage: int, state: State) -> tuple[Tensor, State]:
        """See `EarlyExit.advance`."""
        inner, earlier = state
        logits, inner = cast("Any", self.network).advance(stage, inner)
        said = [*earlier, logits]
        return joined(self.numbers[stage], said), (inner, said)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> logits (N, classes) of every exit, earliest first."""
        return run_stages(self, images)


def _read(module: nn.Module, _: object = None) -> None:
    """Takes over the weights, those that were loaded, too."""
    chosen = cast("CombinedExits", module)
    chosen.numbers = chosen.weights.tolist()
    chosen.arrays = [[np.array(one, dtype=np.float32) for one in row] for row in chosen.numbers]
