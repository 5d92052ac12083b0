"""`fuse`: consecutive layers whose maps stay on the chip, and which layers to fuse.

A group of layers is computed whole or strip by strip (`steelyard.hardware.fusion_schedule`) and what its layers
hand to each other never goes to DRAM. The network is cut into groups by dynamic programming
(`steelyard.hardware.fusion_partition.partition`). A group that nobody has mapped yet is costed at what its layers
cost on the chip when they are separate, plus DRAM for its input, its output and its weights, plus what it
computes twice; the groups of the best cut are mapped and the cut is made again with what they really cost, until
all groups of the best cut are mapped. A group that is no better than its layers apart is left out, so fusion
never costs more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf

from steelyard.hardware.device import OPERANDS, Accelerator, Operand
from steelyard.hardware.estimate_result import LayerEstimate
from steelyard.hardware.estimate_solver import Solver
from steelyard.hardware.fusion_mapping import GroupMapper
from steelyard.hardware.fusion_partition import Chip, Plan, Span, partition, plans, spans
from steelyard.hardware.fusion_result import FusedGroup, Fusion
from steelyard.hardware.fusion_units import Line, line
from steelyard.hardware.mapper_answer import Objective
from steelyard.hardware.mapspace import Constraints
from steelyard.workload import Workload

_SHARES = (1.0, 0.5)
"""Of the memory of the maps: the best plan that takes no more than each share is mapped, the better one kept."""


def fuse(
    workload: Workload,
    device: Accelerator,
    separate: Sequence[LayerEstimate],
    objective: Objective,
    asked: Constraints,
    solver: Solver,
) -> tuple[tuple[LayerEstimate, ...], Fusion]:
    """The layers with the best groups fused.

    Args:
        workload: the network.
        device: the accelerator.
        separate: its layers, each on its own, in order.
        objective: what is minimised.
        asked: constraints on every mapping.
        solver: finds mappings.
    """
    chip = Chip.of(device)
    groups: list[FusedGroup] = []
    layers = {layer.name: layer for layer in separate}
    if chip is not None:
        search = _Search(line(workload), chip, layers, objective)
        search.run(GroupMapper(device, chip, asked, solver))
        for span in search.cut:
            if span in search.mapped:
                plan, found = search.mapped[span]
                own = [layers[layer.name] for layer in found]
                groups.append(_group(plan, own, found))
                layers |= {layer.name: layer for layer in found}
    fused = tuple(layers[layer.name] for layer in separate)
    fusion = Fusion(
        memory=chip.maps.name if chip else "",
        capacity_bytes=chip.capacity if chip else 0.0,
        groups=tuple(groups),
        before=_dram(separate),
        after=_dram(fused),
        energy_pj=(_energy(separate), _energy(fused)),
    )
    return fused, fusion


class _Search:
    """The cut of a network into groups, mapped as far as it must be."""

    def __init__(
        self, line: Line, chip: Chip, layers: dict[str, LayerEstimate], objective: Objective
    ) -> None:
        self.line, self.chip, self.layers, self.objective = line, chip, layers, objective
        self.mapped: dict[Span, tuple[Plan, tuple[LayerEstimate, ...]]] = {}
        self.options: dict[Span, list[Plan]] = {}
        self.costs: dict[Span, float] = {}
        self.cut: list[Span] = []
        for k in range(len(line.units)):
            self.costs[k, k] = self._cost(self._own((k, k)))
        for span in spans(line):
            fitting = plans(line.units[span[0] : span[1] + 1], chip)
            if fitting:
                self.options[span] = sorted(fitting, key=lambda p: self._planned(span, p))
                self.costs[span] = self._planned(span, self.options[span][0])

    def run(self, mapper: GroupMapper) -> None:
        """Maps groups until all of the best cut are mapped."""
        while True:
            self.cut, _ = partition(len(self.line.units), self.costs)
            fresh = [s for s in self.cut if s[0] < s[1] and s not in self.mapped]
            if not fresh:
                return
            for span in fresh:
                self._map(span, mapper)

    def _map(self, span: Span, mapper: GroupMapper) -> None:
        own = self._own(span)
        tried: list[Plan] = []
        best = self._value(own)
        self.costs[span] = inf
        for share in _SHARES:
            fitting = (p for p in self.options[span] if p.peak <= share * self.chip.capacity)
            plan = next(fitting, None)
            if plan is None or plan in tried:
                continue
            tried.append(plan)
            found = mapper.layers(plan, self.layers)
            if found is not None and self._value(found) < best:
                best = self._value(found)
                self.mapped[span] = (plan, found)
                self.costs[span] = self._cost(found)

    def _own(self, span: Span) -> list[LayerEstimate]:
        units = self.line.units[span[0] : span[1] + 1]
        return [self.layers[name] for unit in units for name in unit.layers]

    def _cost(self, layers: Iterable[LayerEstimate]) -> float:
        """What the cut minimises: accesses for ``dram``, else energy."""
        if self.objective == "dram":
            return float(sum(layer.dram_accesses for layer in layers))
        return _energy(layers)

    def _value(self, layers: Sequence[LayerEstimate]) -> float:
        """The objective of a group."""
        if self.objective in ("energy", "dram"):
            return self._cost(layers)
        cycles = sum(layer.cycles for layer in layers)
        return cycles if self.objective == "latency" else cycles * _energy(layers)

    def _planned(self, span: Span, plan: Plan) -> float:
        """What a group is taken to cost before it is mapped."""
        if self.objective == "dram":
            return float(sum(plan.moved.values()))
        own = self._own(span)
        cost = self.chip.dram_pj(plan.moved)
        outer = self.chip.outer.name
        cost += sum(layer.energy_pj - layer.levels.get(outer, 0.0) for layer in own)
        for unit, extra in zip(plan.schedule.units, plan.extra, strict=True):
            layer = self.layers[unit.layers[0]]
            if extra:
                inside = layer.energy_pj - layer.levels.get(outer, 0.0)
                cost += extra / layer.macs * inside
        return cost


def _group(
    plan: Plan, before: Sequence[LayerEstimate], after: Sequence[LayerEstimate]
) -> FusedGroup:
    schedule = plan.schedule
    return FusedGroup(
        layers=tuple(layer.name for layer in after),
        rows=schedule.units[-1].rows,
        height=schedule.height,
        strips=schedule.strips,
        halo=schedule.halo,
        images=schedule.images,
        weights_kept=plan.kept,
        room_bytes=plan.peak,
        extra_macs=sum(plan.extra),
        before=_dram(before),
        after=_dram(after),
        energy_pj=(_energy(before), _energy(after)),
        cycles=(sum(layer.cycles for layer in before), sum(layer.cycles for layer in after)),
    )


def _dram(layers: Iterable[LayerEstimate]) -> dict[Operand, int]:
    total: dict[Operand, int] = dict.fromkeys(OPERANDS, 0)
    for layer in layers:
        for operand, moved in layer.dram.items():
            total[operand] += moved
    return total


def _energy(layers: Iterable[LayerEstimate]) -> float:
    return sum(layer.energy_pj for layer in layers)
