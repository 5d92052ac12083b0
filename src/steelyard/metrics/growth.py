"""The card's scalability: more PEs, more threads, more machines; which of them are known depends on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.errors import InputError
from steelyard.hardware.device import Accelerator, Roofline
from steelyard.hardware.estimate_result import Estimate
from steelyard.hardware.mapper_answer import Objective
from steelyard.measure.measurement import Measurement
from steelyard.metrics.card import Factor, Figure, Metric, product, unavailable
from steelyard.metrics.machines import GRADIENT_BYTES, MACHINES, DataParallel, measured_machines
from steelyard.metrics.scalability import RULES, Grow, PeScaling, pe_scaling
from steelyard.metrics.trainings import run_hours
from steelyard.workload import Workload

if TYPE_CHECKING:
    from steelyard.train.run import Run

EQUATION = (
    "speed-up per PE = throughput of n PEs / throughput of one size / (n / that size); 1 is perfect"
)
_NAME = "speed-up per PE"


@dataclass(frozen=True, slots=True)
class Growth:
    """What is tried.

    Attributes:
        factors: of an accelerator's PEs; () for none.
        rule: what grows with them.
        link_bytes_per_s: between machines.
    """

    factors: tuple[float, ...]
    rule: Grow
    link_bytes_per_s: float

    def of_accelerator(
        self,
        load: Workload,
        chip: Accelerator,
        dataflow: str,
        objective: Objective,
        first: Estimate | None,
        runs: Sequence[Run],
        say: Callable[[str], None],
    ) -> Metric:
        """The array grown, each size mapped anew; ``first`` is the estimate at its own size."""
        figure = unavailable(_NAME, "share", "no other size was asked for")
        sizes: tuple[Figure, ...] = ()
        if len(self.factors) > 1:
            try:
                found = pe_scaling(
                    load, chip, factors=self.factors, rule=self.rule, objective=objective, dataflow=dataflow, first=first,
                    progress=lambda done, every, size: say(f"mapping {load.name} to {chip.name} with {size}"),
                )  # fmt: skip
            except InputError as error:
                figure = unavailable(_NAME, "share", error.given)
            else:
                figure, sizes = found.figure(), _sizes(found)
        grows = ("what grows", f"{RULES[self.rule]}; each layer's mapping minimises {objective}")
        return self._metric(figure, sizes, load, runs, grows)

    def of_threads(
        self, load: Workload, rows: Sequence[Measurement], runs: Sequence[Run]
    ) -> Metric:
        """Measured with one thread and with more."""
        few, many = rows[0], rows[-1]
        if few.threads == many.threads:
            figure = unavailable(
                "speed-up per thread", "share", "the process may use one core only"
            )
        else:
            factors = (
                Factor(f"throughput of {many.threads} threads", many.throughput, "inferences/s"),
                Factor(
                    f"throughput of {few.threads} threads",
                    few.throughput,
                    "inferences/s",
                    divides=True,
                ),
                Factor("times as many threads", many.threads / few.threads, "", divides=True),
            )
            figure = product("speed-up per thread", "share", factors, "measured")
        return self._metric(
            figure, (), load, runs, ("what grows", "threads on one machine, batch the same")
        )

    def of_processor(self, load: Workload, device: Roofline, runs: Sequence[Run]) -> Metric:
        """Nothing is known but its ceilings."""
        figure = unavailable(
            _NAME,
            "share",
            f"only ceilings of {device.name} are known; --measured tries threads of this machine",
        )
        return self._metric(figure, (), load, runs, ("what grows", "nothing was tried"))

    def _metric(
        self,
        figure: Figure,
        others: Sequence[Figure],
        load: Workload,
        runs: Sequence[Run],
        grows: tuple[str, str],
    ) -> Metric:
        parallel = DataParallel(load.params * GRADIENT_BYTES, self.link_bytes_per_s)
        machines = (
            Figure(
                f"inference, speed-up of {MACHINES} machines", float(MACHINES), basis="modelled"
            ),
            parallel.all_reduce(MACHINES),
            self._training(parallel, runs),
        )
        stated = (
            grows,
            (
                "machines",
                "inference: each takes images of its own, nothing is exchanged; training: data-parallel, a ring adds up "
                f"{GRADIENT_BYTES} B a parameter over {8e-9 * self.link_bytes_per_s:g} Gbit/s, hidden behind nothing",
            ),
        )
        return Metric("scalability", figure, (*others, *machines), EQUATION, stated)

    def _training(self, parallel: DataParallel, runs: Sequence[Run]) -> Figure:
        if len(runs) > 1:
            return measured_machines(runs)
        name = f"training, speed-up per machine of {MACHINES}"
        if not runs:
            return unavailable(name, "share", "no step of a training is known: --run RUN")
        try:
            _, processes, per_s = run_hours(runs[0])
        except InputError as error:
            return unavailable(name, "share", error.given)
        if processes > 1:
            return unavailable(name, "share", f"the run itself took {processes} processes")
        return parallel.efficiency(MACHINES, runs[0].recipe.data.batch / per_s)


def _sizes(found: PeScaling) -> tuple[Figure, ...]:
    """Throughput and energy at each size."""
    figures = [found.energy_figure()]
    for size in found.sizes:
        name = f"throughput, {size.pes} PEs"
        if size.per_s is None:
            figures.append(unavailable(name, "inferences/s", size.problem or "nothing takes time"))
        else:
            figures.append(Figure(name, size.per_s, "inferences/s", basis="modelled"))
    return tuple(figures)
