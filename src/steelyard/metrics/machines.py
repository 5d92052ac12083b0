"""Scalability across machines: a data-parallel step with its all-reduce, modelled, and training runs beside one another.

Inference needs no exchange: each machine takes images of its own, and n machines do n times as much. Training
adds up gradients after every step. A ring all-reduce moves 2 (n - 1) / n times the gradients through every
machine's link (Patarasuk, Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.errors import UsageError
from steelyard.metrics.card import Factor, Figure, product, unavailable
from steelyard.metrics.trainings import run_hours

if TYPE_CHECKING:
    from steelyard.train.run import Run

LINK_BYTES_PER_S = 1.25e9
"""10 Gbit/s Ethernet, unless told otherwise."""

MACHINES = 8
GRADIENT_BYTES = 4


@dataclass(frozen=True, slots=True)
class DataParallel:
    """Training on several machines, each with a batch of its own.

    Attributes:
        gradient_bytes: that every step adds up.
        link_bytes_per_s: of each machine, in each direction.
        latency_s: of one message.
    """

    gradient_bytes: float
    link_bytes_per_s: float = LINK_BYTES_PER_S
    latency_s: float = 0.0

    def __post_init__(self) -> None:
        if self.link_bytes_per_s <= 0 or self.gradient_bytes < 0 or self.latency_s < 0:
            raise UsageError(
                f"gradients of {self.gradient_bytes:g} B over a link of {self.link_bytes_per_s:g} B/s",
                expected="a link above 0",
            )

    def all_reduce(self, machines: int) -> Figure:
        """Seconds in which a ring of machines adds up the gradients.

        Raises:
            UsageError: no machine.
        """
        if machines < 1:
            raise UsageError(f"{machines} machines", expected="1 or more")
        share = 2 * (machines - 1) / machines
        moved = share * self.gradient_bytes / self.link_bytes_per_s
        factors = (
            Factor("gradients through the link", moved, "s"),
            Factor("messages", 2 * (machines - 1) * self.latency_s, "s"),
        )
        return product(f"all-reduce, {machines} machines", "s", factors, "modelled", "sum")

    def efficiency(self, machines: int, step_s: float) -> Figure:
        """Speed-up over the number of machines; nothing is hidden behind the computation.

        Args:
            machines: how many.
            step_s: one machine's step on its own batch.
        """
        reduce_s = self.all_reduce(machines).value or 0.0
        factors = (
            Factor("step of one machine", step_s, "s"),
            Factor("step with its all-reduce", step_s + reduce_s, "s", divides=True),
        )
        return product(
            f"training, speed-up per machine of {machines}", "share", factors, "modelled"
        )


def measured_machines(runs: Sequence[Run]) -> Figure:
    """Speed-up for each process, of training runs that differ in their processes.

    Args:
        runs: two or more, by their own records; the least and the most processes are compared.
    """
    found = sorted((run_hours(run)[1:] for run in runs), key=lambda one: one[0])
    name = "training, speed-up per process"
    if len({processes for processes, _ in found}) < 2:
        return unavailable(name, "share", "the runs do not differ in their processes")
    (few, slow), (many, fast) = found[0], found[-1]
    factors = (
        Factor(f"images/s of {many} processes", fast, "images/s"),
        Factor(f"images/s of {few} processes", slow, "images/s", divides=True),
        Factor("times as many processes", many / few, "", divides=True),
    )
    return product(name, "share", factors, "measured")
