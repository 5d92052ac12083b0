"""`estimate`: a whole network on an accelerator, every layer with its best mapping.

Layers that multiply and accumulate are mapped (`steelyard.hardware.mapper`); a layer of several nests
(attention, recurrent) is the sum of its nests, one after another. Equal nests are searched once. The other
layers cost the movement of their data between the outermost memory and the chip: every input element read
once, every output element written once, at the outermost memory's energy and bandwidth; views are free. With
``pointwise="fused"`` activations, batch normalisation and other layers of one input that keep its shape are
applied while the data pass and cost nothing; a sum of two maps then costs reading the second.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from threading import Event
from typing import Any, Literal

from steelyard._display import Printable
from steelyard.errors import InputError, UsageError
from steelyard.hardware.dataflows import constraints as dataflow_constraints
from steelyard.hardware.device import Accelerator, Roofline, per_operand
from steelyard.hardware.evaluate import Evaluation
from steelyard.hardware.mapper import OBJECTIVES, Found, Objective, find_mapping
from steelyard.hardware.mapping_cache import MappingCache, key
from steelyard.hardware.mapspace import Constraints
from steelyard.hardware.problem import Problem
from steelyard.hardware.registry import device as named_device
from steelyard.workload import Layer, Workload

SCHEMA = "steelyard.estimate/1"

Progress = Callable[[int, int, str], None]
Pointwise = Literal["fused", "separate"]

_FREE = frozenset({"view", "create"})
_POINTWISE = frozenset({"activation", "norm", "quantize", "elementwise"})


@dataclass(frozen=True, slots=True)
class LayerEstimate:
    """One layer on the device.

    Attributes:
        name, kind: as in the workload.
        macs: operations.
        energy_pj, cycles: of the layer.
        dram_accesses: elements read from and written to the outermost memory.
        utilization: operations done of those possible in its cycles; 0 without operations.
        parts: problem and answer of each nest, empty for layers that only move data.
        levels: pJ by memory, array and ``MAC``.
        operands: pJ by I, W, O and ``MAC``.
    """

    name: str
    kind: str
    macs: int
    energy_pj: float
    cycles: int
    dram_accesses: int
    utilization: float
    parts: tuple[tuple[Problem, Found], ...] = ()
    levels: dict[str, float] = field(default_factory=dict, hash=False)
    operands: dict[str, float] = field(default_factory=dict, hash=False)

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

    @property
    def macs(self) -> int:
        """Operations of one pass."""
        return sum(layer.macs for layer in self.layers)

    @property
    def energy_pj(self) -> float:
        """Energy of one pass."""
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
    def power_w(self) -> float:
        """Energy of one pass over its time."""
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
        """pJ by memory, array and ``MAC``."""
        return _add(layer.levels for layer in self.layers)

    def energy_by_operand(self) -> dict[str, float]:
        """pJ by I, W, O and ``MAC``."""
        return _add(layer.operands for layer in self.layers)

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
            "batch": self.batch,
            "pointwise": self.pointwise,
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
            "layers": [self._layer(layer) for layer in self.layers],
            "problems": self.problems,
            "searched": self.searched,
            "seconds": self.seconds,
            "notes": list(self.notes),
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
        }

    def __repr__(self) -> str:
        return (
            f"<Estimate {self.workload!r} on {self.device.name}: {self.energy_pj:.4g} pJ, "
            f"{self.cycles} cycles>"
        )


def estimate(
    workload: Workload,
    device: str | Path | Accelerator | Roofline,
    *,
    objective: Objective = "energy",
    dataflow: str = "",
    batch: int | None = None,
    pointwise: Pointwise = "fused",
    budget_s: float | None = None,
    workers: int | None = None,
    cache: bool | Path = True,
    progress: Progress | None = None,
) -> Estimate:
    """Energy, time and data movement of a network on an accelerator, each layer mapped as well as can be.

    Args:
        workload: the network, e.g. from `steelyard.capture`.
        device: a name of `steelyard devices`, a YAML file, or an `Accelerator`.
        objective: what each layer's mapping minimises: energy, latency, edp (their product) or dram.
        dataflow: WS, OS-A, OS-B, OS-C, IS, NLR or RS; "": the free optimum.
        batch: images of one pass; None: as captured.
        pointwise: ``fused`` or ``separate``, see the module.
        budget_s: about how long to search in all; then the best so far, with its gap.
        workers: threads; None: one a core.
        cache: whether found mappings are kept on disk, or the file to keep them in.
        progress: called with (done, all, layer's name) as problems are solved.

    Raises:
        UsageError: an unknown option, or a device that has no memories to map to (a roofline).
        UnknownNameError: no such device or dataflow.
        InputError: a layer that fits no level of the device.
    """
    begun = time.perf_counter()
    if not isinstance(workload, Workload):
        raise UsageError(
            f"estimate() was given {type(workload).__name__}",
            expected="a Workload",
            hint="sy.estimate(sy.capture(net, input_shape=...), 'eyeriss')",
        )
    if objective not in OBJECTIVES:
        raise UsageError(f"objective {objective!r}", expected="one of " + ", ".join(OBJECTIVES))
    if pointwise not in ("fused", "separate"):
        raise UsageError(f"pointwise {pointwise!r}", expected="fused or separate")
    chosen = named_device(device) if isinstance(device, str | Path) else device
    if not isinstance(chosen, Accelerator):
        raise UsageError(
            f"{chosen.name!r} is a roofline: there is nothing to map to",
            expected="an accelerator",
            hint="steelyard devices",
        )
    if batch is not None:
        workload = workload.with_batch(batch)
    asked = dataflow_constraints(dataflow, chosen) if dataflow else Constraints()
    first: dict[Problem, str] = {}
    for layer in workload.layers:
        for problem in _problems(layer):
            first.setdefault(problem, layer.name)
    store = MappingCache(cache if isinstance(cache, Path) else None) if cache else None
    solver = _Solver(chosen, objective, asked, store, budget_s, workers or os.cpu_count() or 1)
    answers = solver.solve(first, progress)
    layers = tuple(_layer(layer, workload, chosen, answers, pointwise) for layer in workload.layers)
    notes = (*dict.fromkeys(store.notes if store else ()), *solver.notes)
    return Estimate(
        workload=workload.name,
        device=chosen,
        objective=objective,
        dataflow=dataflow.upper(),
        batch=workload.batch,
        pointwise=pointwise,
        layers=layers,
        problems=len(first),
        searched=solver.searched,
        seconds=time.perf_counter() - begun,
        notes=notes,
    )


def _problems(layer: Layer) -> list[Problem]:
    return [Problem.of(nest) for nest in layer.nests if nest.macs]


class _Solver:
    """Answers for all problems: from the cache, else searched by several threads."""

    def __init__(
        self,
        device: Accelerator,
        objective: Objective,
        asked: Constraints,
        store: MappingCache | None,
        budget_s: float | None,
        workers: int,
    ) -> None:
        self.device, self.objective, self.asked = device, objective, asked
        self.store, self.budget_s, self.workers = store, budget_s, workers
        self.searched = 0
        self.notes: list[str] = []

    def solve(self, first: dict[Problem, str], progress: Progress | None) -> dict[Problem, Found]:
        names = {p: key(p, self.device, self.objective, self.asked) for p in first}
        kept = self.store.get([*names.values()]) if self.store else {}
        answers = {p: kept[name] for p, name in names.items() if name in kept}
        open_ = sorted((p for p in first if p not in answers), key=lambda p: -p.macs)
        self.searched = len(open_)
        if not open_:
            return answers
        self._say_if_slow()
        each = None if self.budget_s is None else self.budget_s * self.workers / len(open_)
        halt = Event()
        with ThreadPoolExecutor(self.workers) as pool:
            running: dict[Future[Found], Problem] = {
                pool.submit(self._search, p, names[p], first[p], each, halt): p for p in open_
            }
            try:
                while running:
                    done, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                    for future in done:
                        problem = running.pop(future)
                        answers[problem] = future.result()
                        if progress:
                            progress(len(answers), len(first), first[problem])
            except BaseException:
                halt.set()
                for future in running:
                    future.cancel()
                raise
        return answers

    def _search(
        self, problem: Problem, name: str, layer: str, budget_s: float | None, halt: Event
    ) -> Found:
        try:
            found = find_mapping(
                problem,
                self.device,
                self.objective,
                constraints=self.asked,
                budget_s=budget_s,
                stop=halt.is_set,
            )
        except InputError as error:
            raise InputError(
                f"layer {layer!r}: {error.given}", expected=error.expected, hint=error.hint
            ) from error
        if self.store:
            self.store.put(name, found)
        return found

    def _say_if_slow(self) -> None:
        from steelyard.hardware.mapper_kernels import COMPILED

        if not COMPILED:
            self.notes.append(
                "numba is not installed, the search is about a hundred times slower: "
                "pip install 'steelyard[fast]'"
            )


def _layer(
    layer: Layer,
    workload: Workload,
    device: Accelerator,
    answers: dict[Problem, Found],
    pointwise: Pointwise,
) -> LayerEstimate:
    parts = tuple((problem, answers[problem]) for problem in _problems(layer))
    if not parts:
        return _moved(layer, workload, device, pointwise)
    evaluations: list[Evaluation] = [found.evaluation for _, found in parts]
    cycles = sum(e.cycles for e in evaluations)
    macs = sum(e.macs for e in evaluations)
    return LayerEstimate(
        name=layer.name,
        kind=layer.kind,
        macs=macs,
        energy_pj=sum(e.energy_pj for e in evaluations),
        cycles=cycles,
        dram_accesses=sum(e.dram_accesses for e in evaluations),
        utilization=macs / (cycles * device.pes) if cycles else 0.0,
        parts=parts,
        levels=_add(e.energy_by_level() for e in evaluations),
        operands=_add(e.energy_by_operand() for e in evaluations),
    )


def _moved(
    layer: Layer, workload: Workload, device: Accelerator, pointwise: Pointwise
) -> LayerEstimate:
    """A layer that only moves data."""
    reads = writes = weights = 0
    if layer.kind not in _FREE:
        sizes = [workload.tensor(name).numel for name in layer.inputs]
        out = sum(workload.tensor(name).numel for name in layer.outputs)
        same = layer.kind in _POINTWISE and bool(sizes) and out == max(sizes)
        if pointwise == "fused" and same:
            reads = sum(sizes) - max(sizes)
        else:
            reads, writes = sum(sizes), out
            params = sum(workload.tensor(name).numel for name in layer.params)
            # a table look-up reads what it hands out, not the table
            weights = min(params, out) if layer.kind == "embedding" else params
    outer = device.memories[0]
    bits = device.bits
    pj = {
        "I": reads * outer.read_energy("I", bits["I"]),
        "W": weights * outer.read_energy("W", bits["W"]),
        "O": writes * outer.write_energy("O", bits["O"]),
        "MAC": 0.0,
    }
    cycles = max(
        _cycles(reads + weights, per_operand(outer.read_bandwidth or 0.0, "I")),
        _cycles(writes, per_operand(outer.write_bandwidth or 0.0, "O")),
    )
    energy = sum(pj.values())
    return LayerEstimate(
        name=layer.name,
        kind=layer.kind,
        macs=0,
        energy_pj=energy,
        cycles=cycles,
        dram_accesses=reads + weights + writes,
        utilization=0.0,
        levels={outer.name: energy},
        operands=pj,
    )


def _cycles(elements: int, bandwidth: float) -> int:
    return ceil(elements / bandwidth) if bandwidth else 0


def _add(parts: Iterable[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for part in parts:
        for name, number in part.items():
            total[name] = total.get(name, 0.0) + number
    return {
        name: total[name] for name in (*(n for n in total if n != "MAC"), "MAC") if name in total
    }


# below the classes that it prints, so that whoever has an estimate can print it
from steelyard.hardware import estimate_layout as _layout  # noqa: E402, F401
