"""`Group`: the processes that train one network together, and what they tell each other.

The loop asks a group for everything that depends on the number of processes. `Group` itself is one process;
several are `steelyard.train.processes.Processes`.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    def enter(self, network: nn.Module, *, synchronize: bool) -> None:
        """Makes a network, on its device, the same in every process.

        Args:
            network: what will be trained.
            synchronize: batch normalisation sees the images of all processes; its modules may be exchanged.
        """

    def share(self, parameters: Sequence[nn.Parameter]) -> None:
        """After a batch's backward: gradients become means over the processes.

        So do the running statistics that each process computed over its own images.
        """

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        return values

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag whether any process has it up."""
        return flags

    def gathered(self, value: _Value) -> list[_Value]:
        """The values of all processes, by rank; plain data or results."""
        return [value]

    def agreed(self, value: _Value) -> _Value:
        """The value of the process that leads; plain data or results."""
        return value

    def wait(self) -> None:
        """Until all processes are here."""
