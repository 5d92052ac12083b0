"""`GroupMapper`: what the layers of a fused group cost, each strip mapped to what room the maps leave.

While a layer runs, the maps that it reads and writes inside the group live in the memory of the maps (and its
weights, if they stay, in theirs): its mapping begins there instead of in DRAM, and the room that all maps take
at that moment is not its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil

from steelyard.errors import InputError
from steelyard.hardware.device import OPERANDS, Accelerator, Memory, Operand, per_operand
from steelyard.hardware.estimate_layers import dram_traffic
from steelyard.hardware.estimate_result import LayerEstimate, add_up
from steelyard.hardware.estimate_solver import Question, Solver
from steelyard.hardware.evaluate import Evaluation
from steelyard.hardware.fusion_partition import Chip, Plan
from steelyard.hardware.fusion_units import Source, Unit
from steelyard.hardware.mapper_answer import Found
from steelyard.hardware.mapspace import Constraints
from steelyard.hardware.problem import Problem

Part = tuple[Problem, Found]


@dataclass(slots=True)
class _Bill:
    """Data that are moved once, outside of any mapping."""

    chip: Chip
    levels: dict[str, float] = field(default_factory=dict)
    operands: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys((*OPERANDS, "MAC"), 0.0)
    )
    dram: dict[Operand, int] = field(default_factory=lambda: dict.fromkeys(OPERANDS, 0))
    busy: dict[tuple[str, str], float] = field(default_factory=dict)

    def read(self, memory: Memory, operand: Operand, elements: int) -> None:
        """Elements leave a memory."""
        pj = memory.read_energy(operand, self.chip.bits[operand])
        bandwidth = per_operand(memory.read_bandwidth or 0.0, operand)
        self._add(memory, "reads", operand, elements, pj, bandwidth)

    def write(self, memory: Memory, operand: Operand, elements: int) -> None:
        """Elements enter a memory."""
        pj = memory.write_energy(operand, self.chip.bits[operand])
        bandwidth = per_operand(memory.write_bandwidth or 0.0, operand)
        self._add(memory, "writes", operand, elements, pj, bandwidth)

    def _add(
        self,
        memory: Memory,
        way: str,
        operand: Operand,
        elements: int,
        pj: float,
        bandwidth: float,
    ) -> None:
        self.levels[memory.name] = self.levels.get(memory.name, 0.0) + elements * pj
        self.operands[operand] += elements * pj
        if memory == self.chip.outer:
            self.dram[operand] += elements
        if bandwidth:
            port = (memory.name, way)
            self.busy[port] = self.busy.get(port, 0.0) + elements / bandwidth

    @property
    def cycles(self) -> int:
        """Until the slowest port has passed everything."""
        return ceil(max(self.busy.values(), default=0.0))


class GroupMapper:
    """Maps plans of groups.

    Args:
        device: the accelerator.
        chip: its memories.
        asked: constraints on every mapping.
        solver: finds mappings.
    """

    def __init__(self, device: Accelerator, chip: Chip, asked: Constraints, solver: Solver) -> None:
        self.device, self.chip, self.asked, self.solver = device, chip, asked, solver

    def layers(
        self, plan: Plan, separate: dict[str, LayerEstimate]
    ) -> tuple[LayerEstimate, ...] | None:
        """The cost of each layer of a group in order, or None if some strip fits no mapping.

        Args:
            plan: the group's strips.
            separate: its layers as they are when nothing is fused, by name.
        """
        units = plan.schedule.units
        questions: list[Question] = []
        times: list[list[int]] = []
        for k, unit in enumerate(units):
            problems = self._problems(plan, k)
            device, asked = self._place(plan, k)
            questions += [Question(p, device, asked, unit.layers[0]) for p in problems]
            times.append([*problems.values()])
        answers = self.solver.solve(questions, tolerant=True)
        found: list[LayerEstimate] = []
        for k, unit in enumerate(units):
            parts: list[Part] = []
            for _ in times[k]:
                question, answer = questions.pop(0), answers.pop(0)
                if isinstance(answer, InputError):
                    return None
                parts.append((question.problem, answer))
            found += self._unit(plan, k, unit, separate, parts, times[k])
        return tuple(found)

    def _problems(self, plan: Plan, k: int) -> Counter[Problem]:
        """The problems of a unit's strips and how often each runs."""
        schedule, unit = plan.schedule, plan.schedule.units[k]
        count: Counter[Problem] = Counter()
        if unit.kind == "nest":
            for rows in schedule.runs(k):
                count[unit.part(rows.start, rows.stop, schedule.images)] += schedule.passes
        return count

    def _place(self, plan: Plan, k: int) -> tuple[Accelerator, Constraints]:
        """The device with the room that is left, and where operands live."""
        schedule, chip = plan.schedule, self.chip
        unit = schedule.units[k]
        living: list[tuple[Operand, str]] = []
        if any(s.tensor in schedule.inside or schedule.streams(k, s) for s in unit.sources):
            living.append(("I", chip.maps.name))
        if k + 1 < len(schedule.units):
            living.append(("O", chip.maps.name))
        if plan.kept and chip.weights is not None:
            living.append(("W", chip.weights.name))
        left = replace(chip.maps, capacity_bytes=chip.capacity - plan.rooms[k])
        levels = tuple(left if level == chip.maps else level for level in self.device.levels)
        return replace(self.device, levels=levels), replace(self.asked, resident=tuple(living))

    def _unit(
        self,
        plan: Plan,
        k: int,
        unit: Unit,
        separate: dict[str, LayerEstimate],
        parts: Sequence[Part],
        times: Sequence[int],
    ) -> list[LayerEstimate]:
        own = _Bill(self.chip)
        for source in unit.sources:
            self._reads(own, plan, k, source)
        if unit.kind == "pool":
            rows = sum(map(len, plan.schedule.runs(k)))
            last = k + 1 == len(plan.schedule.units)
            own.write(
                self.chip.outer if last else self.chip.maps, "O", rows * unit.row * unit.images
            )
        if plan.kept and self.chip.weights is not None:
            own.read(self.chip.outer, "W", unit.weights)
            own.write(self.chip.weights, "W", unit.weights)
        bills = {name: _Bill(self.chip) for name in unit.layers}
        for name, side in unit.sides:
            self._reads(bills[name], plan, k, side, direct=True)
        bills[unit.layers[0]] = own
        runs = [
            evaluation
            for (_, found), n in zip(parts, times, strict=True)
            for evaluation in [found.evaluation] * n
        ]
        return [
            self._estimate(
                separate[name],
                bill,
                runs if name == unit.layers[0] else [],
                parts if name == unit.layers[0] else (),
                times if name == unit.layers[0] else (),
            )
            for name, bill in bills.items()
        ]

    def _reads(
        self, bill: _Bill, plan: Plan, k: int, source: Source, *, direct: bool = False
    ) -> None:
        """What a unit reads of a map, apart from what its mappings read."""
        schedule, chip = plan.schedule, self.chip
        unit = schedule.units[k]
        each = source.needed * unit.images
        direct = direct or unit.kind == "pool"
        if schedule.streams(k, source):
            fetched = schedule.fetched(k, source) * each
            bill.read(chip.outer, "I", fetched)
            bill.write(chip.maps, "I", fetched)
        elif direct and source.tensor not in schedule.inside:
            bill.read(chip.outer, "I", schedule.read(k, source) * each)
            return
        if direct:
            bill.read(chip.maps, "I", schedule.read(k, source) * each)

    def _estimate(
        self,
        separate: LayerEstimate,
        bill: _Bill,
        runs: list[Evaluation],
        parts: Sequence[Part],
        times: Sequence[int],
    ) -> LayerEstimate:
        mapped = dram_traffic(runs, self.device)
        cycles = sum(run.cycles for run in runs) + bill.cycles
        levels = add_up([*(run.energy_by_level() for run in runs), bill.levels])
        possible = cycles * self.device.pes
        return replace(
            separate,
            energy_pj=sum(levels.values()),
            cycles=cycles,
            dram={operand: mapped[operand] + bill.dram[operand] for operand in OPERANDS},
            utilization=separate.macs / possible if possible else 0.0,
            parts=tuple(parts),
            repeats=tuple(times),
            levels={name: pj for name, pj in levels.items() if pj} if not runs else levels,
            operands=add_up([*(run.energy_by_operand() for run in runs), bill.operands]),
        )
