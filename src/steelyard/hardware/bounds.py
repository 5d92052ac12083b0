"""`bounds`: the speed that a layer can reach on an accelerator, after each of seven steps that make it real.

Each step adds a limit, so the attainable multiply-accumulates per cycle never rise; the step that costs most is
what to change. After Chen et al., Eyeriss v2, 2019, sec. II and appendix A ("Eyexam"; steps 1 to 4 as printed in
IEEE Solid-State Circuits Magazine, summer 2020, p. 33; the others from memory). The last step is an upper bound for every mapping of the dataflow in the model of
`steelyard.hardware.evaluate`; so are the first four. Steps 5 to 7 look at the choice of memories that keep each
operand (the others it passes by) which is best in the end.

1. *layer shape and size*: every operation at once.
2. *dataflow*: only over the dimensions that may be spread over units: an axis's own, else the dataflow's.
3. *number of PEs*: as many units as there are; what is spread takes whole rounds.
4. *physical dimensions of the array*: the dimensions are laid over the axes; each takes whole rounds.
5. *storage capacity*: a unit needs its operands in the memories that keep them; what they hold feeds so many.
6. *average bandwidth*: each memory passes on what must pass it, at a steady rate.
7. *access pattern*: units wait for tiles whose place in a memory is not double buffered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, inf, prod
from typing import Any

from steelyard._display import Printable
from steelyard.errors import UsageError
from steelyard.hardware.device import Accelerator, Roofline
from steelyard.hardware.limits import Memories, least_rounds, spreading_axes
from steelyard.hardware.problem import Problem
from steelyard.hardware.registry import device as find_device
from steelyard.workload import LoopNest, Workload

STEPS = (
    "layer shape and size",
    "dataflow",
    "number of PEs",
    "physical dimensions of the array",
    "storage capacity",
    "average bandwidth",
    "access pattern",
)
"""The seven steps, in order."""


@dataclass(frozen=True, slots=True)
class LayerBounds:
    """One layer.

    Attributes:
        name: of the layer.
        macs: multiply-accumulates.
        pes: units of the device.
        macs_per_cycle: the bound after each of `STEPS`; never rises.
    """

    name: str
    macs: int
    pes: int
    macs_per_cycle: tuple[float, ...]

    @property
    def attainable(self) -> float:
        """Multiply-accumulates per cycle after the last step."""
        return self.macs_per_cycle[-1]

    @property
    def utilization(self) -> float:
        """`attainable` of all units."""
        return self.attainable / self.pes

    @property
    def limit(self) -> str:
        """The step that costs most of what the units could do; the number of PEs if nothing is lost."""
        reached = [float(self.pes), *(min(bound, self.pes) for bound in self.macs_per_cycle)]
        losses = [before / after for before, after in pairwise(reached)]
        worst = max(range(len(STEPS)), key=lambda step: losses[step])
        return STEPS[worst] if losses[worst] > 1 + 1e-9 else STEPS[2]


@dataclass(frozen=True, slots=True)
class Bounds(Printable):
    """All layers of a workload that multiply and accumulate.

    Attributes:
        workload, device: names.
        pes: units of the device.
        clock_hz: cycles per second.
        layers: in order of execution.
    """

    workload: str
    device: str
    pes: int
    clock_hz: float
    layers: tuple[LayerBounds, ...]

    @property
    def network(self) -> LayerBounds:
        """The layers one after the other."""
        macs = sum(layer.macs for layer in self.layers)
        cycles = [
            sum(layer.macs / layer.macs_per_cycle[step] for layer in self.layers)
            for step in range(len(STEPS))
        ]
        rates = tuple(macs / each if each else 0.0 for each in cycles)
        return LayerBounds(self.workload, macs, self.pes, rates)

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a versioned schema."""
        return {
            "schema": "steelyard.bounds/1",
            "workload": self.workload,
            "device": self.device,
            "pes": self.pes,
            "clock_hz": self.clock_hz,
            "steps": list(STEPS),
            "layers": [
                {
                    "name": layer.name,
                    "macs": layer.macs,
                    "macs_per_cycle": list(layer.macs_per_cycle),
                    "utilization": layer.utilization,
                    "limit": layer.limit,
                }
                for layer in self.layers
            ],
        }


def bounds(load: Workload, device: str | Accelerator, *, dataflow: str | None = None) -> Bounds:
    """The seven bounds of every layer that multiplies and accumulates.

    Args:
        load: the captured network.
        device: an accelerator or its name.
        dataflow: what may be spread over units where an axis does not say: WS, OS-A, OS-B, OS-C, IS, NLR or
            RS, "" for anything; None: the device's own.

    Raises:
        UsageError: the device is a CPU or GPU of which only the ceilings are known.
        UnknownNameError: no such device or dataflow.
        FileFormatError: see `steelyard.hardware.registry.device`.
    """
    found = find_device(device) if isinstance(device, str) else device
    if isinstance(found, Roofline):
        raise UsageError(
            f"{found.name} is a roofline: its inside is not known",
            expected="an accelerator",
            hint="sy.roofline(load, device)",
        )
    layers = []
    known: dict[LoopNest, LayerBounds] = {}
    for layer in load.layers:
        nests = [nest for nest in layer.nests if nest.macs]
        if nests:
            for nest in nests:
                if nest not in known:
                    known[nest] = layer_bounds(nest, found, dataflow=dataflow)
            parts = [replace(known[nest], name=layer.name) for nest in nests]
            layers.append(parts[0] if len(parts) == 1 else _in_turn(parts))
    return Bounds(load.name, found.name, found.pes, found.clock_hz, tuple(layers))


def layer_bounds(
    nest: LoopNest, device: Accelerator, name: str = "", *, dataflow: str | None = None
) -> LayerBounds:
    """The seven bounds of one loop nest; arguments as in `bounds`.

    Raises:
        InputError: an empty nest, or one too large to count.
        UnknownNameError: no such dataflow.
    """
    return problem_bounds(Problem.of(nest), device, name, dataflow=dataflow)


def problem_bounds(
    problem: Problem, device: Accelerator, name: str = "", *, dataflow: str | None = None
) -> LayerBounds:
    """The seven bounds of a layer as accelerators see it; arguments as in `bounds`.

    Raises:
        UnknownNameError: no such dataflow.
    """
    axes = spreading_axes(device, device.dataflow if dataflow is None else dataflow)
    free = frozenset("".join(dims for _, dims in axes))
    spread = prod(problem.size(dim) for dim in free)
    steps = problem.macs // spread
    rounds = ceil(spread / device.pes)
    laid = least_rounds(tuple((dim, problem.size(dim)) for dim in sorted(free)), axes)
    memories = Memories(problem, device)
    best = (inf, inf, inf)
    for units, port_cycles, stall_cycles in memories.limits():
        fed = max(float(steps * laid), problem.macs / units)
        steady = max(fed, port_cycles)
        best = min(best, (max(steady, fed + stall_cycles), steady, fed))
    cycles = (1.0, steps, steps * rounds, steps * laid, *reversed(best))
    return LayerBounds(name, problem.macs, device.pes, tuple(problem.macs / c for c in cycles))


def _in_turn(parts: list[LayerBounds]) -> LayerBounds:
    macs = sum(part.macs for part in parts)
    rates = tuple(
        macs / sum(part.macs / part.macs_per_cycle[step] for part in parts)
        for step in range(len(STEPS))
    )
    return LayerBounds(parts[0].name, macs, parts[0].pes, rates)
