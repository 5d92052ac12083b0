"""`Gatherer`: asks the other rooms for what a report shows; they are looked up by name when they are needed."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.cost import CostReport
from steelyard.errors import SteelyardError
from steelyard.report.against import Against, hold_against
from steelyard.report.neighbours import Neighbours, neighbours
from steelyard.report.snapshot import Snapshot, read_report, snapshot
from steelyard.workload import Workload

if TYPE_CHECKING:
    from steelyard.hardware.mapper_answer import Objective
    from steelyard.measure.against_macs import AgainstMacs
    from steelyard.metrics import Scorecard
    from steelyard.report.placed import Placed

Rewritten = Mapping[str, tuple[Workload, Sequence["Placed"]]]
"""By rule: the network after it, and that on those devices on which it was looked at."""

RULES = ("depthwise_separable", "grouped", "asymmetric", "stack3x3", "shift", "bottleneck")
"""The rewrites that are tried: those that save; others are made for accuracy."""

_ESTIMATED = 2
"""Rewrites of a network that are estimated on accelerators, those with the fewest MACs: each takes as long as the network."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a report is held against.

    Attributes:
        where: it comes from, in words.
        networks: in numbers.
        any_name: it is a network, which may have another name.
    """

    where: str
    networks: tuple[Snapshot, ...]
    any_name: bool


@dataclass(frozen=True, slots=True)
class Gatherer:
    """One report's settings; see `steelyard.report.api.report`."""

    devices: Sequence[object]
    objective: Objective
    dataflow: str
    input_shape: object
    progress: Callable[[str], None] | None

    def weigh(self, network: object) -> CostReport:
        """The cost of anything that names a network."""
        if isinstance(network, CostReport):
            return network
        if isinstance(network, Workload):
            return CostReport(network)
        # capture imports torch where it must, this room never does
        capture = _find("steelyard.capture.api", "capture")
        return CostReport(capture(network, input_shape=self.input_shape))

    def place(self, load: Workload, devices: Sequence[object] | None = None) -> tuple[Placed, ...]:
        """A network on the devices, or on others."""
        chosen = self.devices if devices is None else devices
        if not chosen:
            return ()
        # the hardware room loads numpy
        on = _find("steelyard.report.placed", "place_on")
        placed: tuple[Placed, ...] = on(load, chosen, self.objective, self.dataflow, self.progress)
        return placed

    def measured_here(self) -> tuple[AgainstMacs, ...]:
        """MACs against latency of all that was measured on this machine."""
        found: tuple[AgainstMacs, ...] = _find("steelyard.measure.here", "measured_here")()
        return found

    def neighbours(self, costs: Sequence[CostReport]) -> tuple[Neighbours | None, ...]:
        """Each network among those of the zoo."""
        figures = _find("steelyard.zoo.published", "published_figures")()
        rows = [row for of_model in figures.values() for row in of_model]
        found = []
        for cost in costs:
            load = cost.workload
            outputs = [load.tensor(name).shape for name in load.outputs]
            # a capture of the zoo is called by its SOURCE
            source = load.name if load.source == "module" else ""
            macs = cost.total.macs / max(1, load.batch)
            found.append(neighbours(load.name, macs, outputs, rows, source))
        return tuple(found)

    def cards(
        self, costs: Sequence[CostReport], placed: Sequence[Sequence[Placed]]
    ) -> tuple[tuple[Scorecard, ...], ...]:
        """The scorecard of each network on each device; none without devices."""
        if not placed:
            return ()
        card = _find("steelyard.metrics.api", "scorecard")
        how = {
            "objective": self.objective,
            "dataflow": self.dataflow,
            # each factor takes as long as an estimate of the network
            "pe_factors": (1, 2),
            "progress": self.progress,
        }
        return tuple(
            tuple(card(cost, on.device, known=on.estimate, **how) for on in several)
            for cost, several in zip(costs, placed, strict=True)
        )

    # ---- rewrites ------------------------------------------------------------------------------

    def rewritten(
        self,
        networks: Sequence[object],
        costs: Sequence[CostReport],
        placed: Sequence[Sequence[Placed]],
        given: bool | Sequence[Mapping[str, Workload]],
    ) -> tuple[Rewritten, ...]:
        """For each network what the rules make of it; those with the fewest MACs also on accelerators.

        Args:
            networks: as they were handed in.
            costs: of them.
            placed: on devices.
            given: what was made of them already, or True.
        """
        found = []
        for number, (network, cost) in enumerate(zip(networks, costs, strict=True)):
            after = self._tried(network) if isinstance(given, bool) else given[number]
            load = cost.workload
            after = {rule: one.with_batch(load.batch) for rule, one in after.items()}
            order = sorted(after, key=lambda rule: CostReport(after[rule]).total.macs)
            on = placed[number] if placed else ()
            found.append(
                {
                    rule: (after[rule], self._on(after[rule], on, all_of_them=place < _ESTIMATED))
                    for place, rule in enumerate(order)
                }
            )
        return tuple(found)

    def _tried(self, network: object) -> dict[str, Workload]:
        """By rule the network after it; none of what is no module any more."""
        if isinstance(network, Workload | CostReport):
            return {}
        if isinstance(network, str) and Path(network).suffix in (".onnx", ".pt2", ".json"):
            return {}
        self._say("exchanging layers by the rules of steelyard rewrite")
        try:
            found = _find("steelyard.design.rewrite", "try_rules")(
                network, RULES, input_shape=self.input_shape
            )
        except SteelyardError:
            return {}
        return {rule: one.comparison.b.workload for rule, one in found.items()}

    def _on(self, load: Workload, on: Sequence[Placed], *, all_of_them: bool) -> tuple[Placed, ...]:
        return self.place(load, [one.device for one in on if all_of_them or one.estimate is None])

    # ---- an earlier report ---------------------------------------------------------------------

    def earlier(self, given: object) -> Earlier:
        """What the report is held against.

        Args:
            given: a report, the name of a JSON file, or a network.
        """
        if isinstance(given, str | os.PathLike):
            given = os.fspath(given)
            read = read_report(Path(given)) if given.endswith(".json") else None
            if read is not None:
                return Earlier(given, read, any_name=False)
        elif isinstance(parts := getattr(given, "parts", None), tuple):
            networks = tuple(snapshot(one.cost, one.placed) for one in parts)
            return Earlier(str(getattr(given, "title", "")), networks, any_name=False)
        cost = self.weigh(given)
        self._say(f"weighing {cost.workload.name}, which the report is held against")
        one = snapshot(cost, self.place(cost.workload))
        return Earlier(given if isinstance(given, str) else one.name, (one,), any_name=True)

    def hold(
        self,
        costs: Sequence[CostReport],
        placed: Sequence[Sequence[Placed]],
        old: Earlier,
    ) -> tuple[Against, ...]:
        """Each network against the earlier one."""
        new = [snapshot(cost, placed[n] if placed else ()) for n, cost in enumerate(costs)]
        return hold_against(new, old.networks, old.where, any_name=old.any_name)

    def _say(self, doing: str) -> None:
        if self.progress is not None:
            self.progress(doing)


def _find(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)
