"""`Estimate` and `LayerEstimate`: what a network, and each of its layers, costs on an accelerator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from steelyard._display import Printable
from steelyard.errors import InputError
from steelyard.hardware.device import Accelerator, Operand
from steelyard.hardware.energy_units import relative
from steelyard.hardware.fusion_result import Fusion
from steelyard.hardware.mapper_answer import Found, MapspaceKind, Objective
from steelyard.hardware.problem import Problem
from steelyard.hardware.systolic import cycles_apart

SCHEMA = "steelyard.estimate/1"

Pointwise = Literal["fused", "separate"]


@dataclass(frozen=True, slots=True)
class LayerEstimate:
    """One layer on the device.

    Attributes:
        name, kind: as in the workload.
        macs: operations.
        energy_pj, cycles: of the layer.
        dram: elements read from and written to the outermost memory, by operand.
        utilization: operations done of those possible in its cycles; 0 without operations.
        parts: problem and answer of each nest, empty for layers that only move data.
        repeats: how often each part runs, for the strips of a fused layer; empty: once.
        levels: pJ by memory, array and ``MAC``.
        operands: pJ by I, W, O and ``MAC``.
    """

    name: str
    kind: str
    macs: int
    energy_pj: float
    cycles: int
    dram: dict[Operand, int] = field(hash=False)
    utilization: float
    parts: tuple[tuple[Problem, Found], ...] = ()
    repeats: tuple[int, ...] = ()
    levels: dict[str, float] = field(default_factory=dict, hash=False)
    operands: dict[str, float] = field(default_factory=dict, hash=False)

    @property
    def dram_accesses(self) -> int:
        """Elements read from and written to the outermost memory."""
        return sum(self.dram.values())

    @property
    def gap(self) -> float:
        """The largest gap to the optimum of its nests; 0: all proven."""
        return max((found.gap for _, found in self.parts), default=0.0)


@dataclass(frozen=True, repr=False)
class Estimate(Printable):
    """A network on an accelerator.

    Attributes:
        workload: its name.
        device: the accelerator.
        objective: what each mapping minimises.
        dataflow: the constraint on the mappings, "" for none.
        batch: images of one pass.
        pointwise: see the module.
        layers: in order of execution.
        problems: different nests; searched: those not read from the cache.
        seconds: time that the answer took.
        notes: what a reader of the numbers must know.
        fusion: which layers were fused, if that was asked for.
        mapspace: whether mappings may be uneven.
    """

    workload: str
    device: Accelerator
    objective: Objective
    dataflow: str
    batch: int
    pointwise: Pointwise
    layers: tuple[LayerEstimate, ...]
    problems: int
    searched: int = field(compare=False)
    seconds: float = field(compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    fusion: Fusion | None = None
    mapspace: MapspaceKind = "even"

    @property
    def macs(self) -> int:
        """Operations of one pass."""
        return sum(layer.macs for layer in self.layers)

    @property
    def energy_pj(self) -> float:
        """Energy of one pass, in the device's ``energy_unit``."""
        return sum(layer.energy_pj for layer in self.layers)

    @property
    def cycles(self) -> int:
        """Cycles of one pass, layer after layer."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def latency_s(self) -> float:
        """Seconds of one pass."""
        return self.cycles / self.device.clock_hz

    @property
    def throughput_per_s(self) -> float:
        """Images a second."""
        return self.batch / self.latency_s if self.cycles else float("inf")

    @property
    def power_w(self) -> float | None:
        """Energy of one pass over its time; None if the device's energies are no joules."""
        if relative(self.device):
            return None
        return self.energy_pj * 1e-12 / self.latency_s if self.cycles else 0.0

    @property
    def dram_accesses(self) -> int:
        """Elements read from and written to the outermost memory."""
        return sum(layer.dram_accesses for layer in self.layers)

    @property
    def utilization(self) -> float:
        """Operations done of those that all units could have done."""
        return self.macs / (self.cycles * self.device.pes) if self.cycles else 0.0

    @property
    def gap(self) -> float:
        """How far below this objective's sum the optimum may lie, as the largest share of any layer."""
        return max((layer.gap for layer in self.layers), default=0.0)

    def energy_by_level(self) -> dict[str, float]:
        """pJ, or what the device's ``energy_unit`` says, by memory, array and ``MAC``."""
        return add_up(layer.levels for layer in self.layers)

    def energy_by_operand(self) -> dict[str, float]:
        """pJ by I, W, O and ``MAC``."""
        return add_up(layer.operands for layer in self.layers)

    def folds_apart(self) -> dict[str, int]:
        """Of a systolic array under WS or IS: by layer the cycles that SCALE-Sim counts, else nothing.

        Each fold fills and drains the array, memories keep up; see `steelyard.hardware.systolic`.
        """
        mapped = {
            layer.name: [problem for problem, _ in layer.parts]
            for layer in self.layers
            if layer.parts
        }
        return cycles_apart(mapped, self.device, self.dataflow)

    def layer(self, name: str) -> LayerEstimate:
        """The layer of that name.

        Raises:
            InputError: there is none.
        """
        for found in self.layers:
            if found.name == name:
                return found
        raise InputError(f"the estimate has no layer {name!r}")

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "schema": SCHEMA,
            "workload": self.workload,
            "device": self.device.name,
            "objective": self.objective,
            "dataflow": self.dataflow,
            "mapspace": self.mapspace,
            "batch": self.batch,
            "pointwise": self.pointwise,
            "energy_unit": self.device.energy_unit,
            "total": {
                "macs": self.macs,
                "energy_pj": self.energy_pj,
                "cycles": self.cycles,
                "latency_s": self.latency_s,
                "throughput_per_s": self.throughput_per_s if self.cycles else None,
                "power_w": self.power_w,
                "dram_accesses": self.dram_accesses,
                "utilization": self.utilization,
                "gap": self.gap,
                "energy_pj_by_level": self.energy_by_level(),
                "energy_pj_by_operand": self.energy_by_operand(),
            },
            "systolic_cycles_apart": self.folds_apart(),
            "layers": [self._layer(layer) for layer in self.layers],
            "problems": self.problems,
            "searched": self.searched,
            "seconds": self.seconds,
            "notes": list(self.notes),
            **({"fusion": self.fusion.to_dict()} if self.fusion else {}),
        }

    def _layer(self, layer: LayerEstimate) -> dict[str, Any]:
        return {
            "name": layer.name,
            "kind": layer.kind,
            "macs": layer.macs,
            "energy_pj": layer.energy_pj,
            "cycles": layer.cycles,
            "dram_accesses": layer.dram_accesses,
            "utilization": layer.utilization,
            "gap": layer.gap,
            "energy_pj_by_level": layer.levels,
            "energy_pj_by_operand": layer.operands,
            "mappings": [found.mapping.text(self.device) for _, found in layer.parts],
            **({"repeats": list(layer.repeats)} if layer.repeats else {}),
        }

    def __repr__(self) -> str:
        return (
            f"<Estimate {self.workload!r} on {self.device.name}: "
            f"{self.energy_pj:.4g} {self.device.energy_unit}, {self.cycles} cycles>"
        )


def add_up(parts: Iterable[dict[str, float]]) -> dict[str, float]:
    """The sum of several breakdowns, ``MAC`` last."""
    total: dict[str, float] = {}
    for part in parts:
        for name, number in part.items():
            total[name] = total.get(name, 0.0) + number
    return {
        name: total[name] for name in (*(n for n in total if n != "MAC"), "MAC") if name in total
    }


# below the classes that it prints, so that whoever has an estimate can print it
from steelyard.hardware import estimate_layout as _layout  # noqa: E402, F401
