"""When the learned groups of a network condense, and the network that results.

Huang et al. 2017 (arXiv:1711.09224), sec. 3.2 and fig. 4.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from steelyard.layers.learned_group_conv import (
    LearnedGroupConv2d,
    LearnedGroupUnit,
    LearnedLinear,
)


class CondensationSchedule:
    """Tells all learned groups of a network to drop inputs as training goes on.

    The first half of training holds C - 1 condensing stages of equal length; at the end of each, every
    group drops 1/C of all inputs. Example::

        schedule = CondensationSchedule(model)
        for epoch in range(epochs):
            schedule.update(epoch, epochs)          # or after every batch, in batches
            for image, target in loader:
                loss = criterion(model(image), target) + 1e-5 * schedule.penalty()
                ...
        condensed = condense(model)

    What has been dropped is kept in the layers' buffers, so that training resumes from a checkpoint
    without a word about it.
    """

    def __init__(self, model: nn.Module) -> None:
        self.layers = [
            m for m in model.modules() if isinstance(m, (LearnedGroupConv2d, LearnedLinear))
        ]

    def update(self, done: float, total: float = 1.0) -> None:
        """Does the stages that are due: ``update(0.25)`` or ``update(30, 120)``.

        Raises:
            UsageError: ``done`` is not from 0 to ``total``.
        """
        for layer in self.layers:
            layer.advance(done / total)

    def penalty(self) -> Tensor:
        """Group lasso of the convolutions that are still condensing; a scalar, 0 when all are done."""
        convolutions = [m for m in self.layers if isinstance(m, LearnedGroupConv2d)]
        terms = [m.group_lasso() for m in convolutions if m.stage < m.condensation - 1]
        return torch.stack(terms).sum() if terms else torch.zeros(())


def condense(model: nn.Module) -> nn.Module:
    """A copy of a network in which learned layers have become gathers and standard grouped ones.

    The same outputs in eval and in training mode; exact at every condensing stage. The model is not
    changed.

    Raises:
        UsageError: it is on the meta device, where no group is known.
    """
    return _condensed(copy.deepcopy(model))


def _condensed(module: nn.Module) -> nn.Module:
    if isinstance(module, (LearnedGroupConv2d, LearnedGroupUnit, LearnedLinear)):
        return module.condense()
    for name, child in list(module.named_children()):
        setattr(module, name, _condensed(child))
    return module
