"""What may be added to a training: a base class, and CondenseNet's condensation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from steelyard.layers.condensation import CondensationSchedule
from steelyard.train.recipe import Recipe

__all__ = ["Callback", "Condensation", "callbacks_of"]


class Callback:
    """Called by the loop; every method may be left out.

    Whatever it keeps must follow from the network and the step: a training that is resumed makes the
    callback anew.
    """

    def before_step(self, network: nn.Module, step: int, steps: int) -> None:
        """Before step ``step`` (0 is the first) of ``steps``."""

    def added_loss(self, network: nn.Module) -> Tensor | None:
        """A scalar that is added to the mean loss of the batch, or None."""
        return None

    def after_epoch(self, row: Mapping[str, Any]) -> None:
        """After the evaluation; ``row`` is what was recorded of the epoch."""


class Condensation(Callback):
    """Lets learned groups drop inputs as training goes on; Huang et al. 2017 (arXiv:1711.09224), sec. 3.2.

    Args:
        network: one with learned groups.
        group_lasso: weight of the regulariser.
    """

    def __init__(self, network: nn.Module, group_lasso: float) -> None:
        self.schedule = CondensationSchedule(network)
        self.group_lasso = group_lasso

    def before_step(self, network: nn.Module, step: int, steps: int) -> None:
        """The stages that are due by now."""
        self.schedule.update(step, steps)

    def added_loss(self, network: nn.Module) -> Tensor | None:
        """The group lasso of the layers that still condense."""
        return self.group_lasso * self.schedule.penalty() if self.group_lasso else None


def callbacks_of(recipe: Recipe, network: nn.Module) -> list[Callback]:
    """What a recipe's network needs: condensation where it has learned groups."""
    condensation = Condensation(network, recipe.loss.group_lasso)
    return [condensation] if condensation.schedule.layers else []
