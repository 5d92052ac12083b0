"""`Group`: the processes that train one network together, and what they tell each other.

The loop asks a group for everything that depends on the number of processes; `Group` itself is one process.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from torch import Tensor, nn

__all__ = ["Group"]

_Value = TypeVar("_Value")


class Group:
    """One process, which has nobody to talk to.

    Attributes:
        rank: which process this is.
        world: how many there are.
    """

    rank = 0
    world = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """What is called in training: its gradients are means over the processes."""
        return network

    def local(self, wrapped: nn.Module, last: bool) -> AbstractContextManager[None]:
        """While a batch goes through in parts, only the ``last`` of them exchanges gradients."""
        return nullcontext()

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        return values

    def gathered(self, value: _Value) -> list[_Value]:
        """The values of all processes, by rank; plain data or results."""
        return [value]

    def agreed(self, value: _Value) -> _Value:
        """The value of the process that leads; plain data."""
        return value

    def wait(self) -> None:
        """Until all processes are here."""
