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
from pathlib import Path

from steelyard.errors import InputError, UsageError
from steelyard.hardware.dataflows import constraints as dataflow_constraints
from steelyard.hardware.device import Accelerator, Roofline
from steelyard.hardware.estimate_layers import layer_estimate, problems_of, simplified
from steelyard.hardware.estimate_result import Estimate as Estimate
from steelyard.hardware.estimate_result import LayerEstimate as LayerEstimate
from steelyard.hardware.estimate_result import Pointwise
from steelyard.hardware.estimate_solver import Progress, Question, Solver
from steelyard.hardware.fusion import fuse as fuse_layers
from steelyard.hardware.mapper_answer import (
    MAPSPACES,
    OBJECTIVES,
    Found,
    MapspaceKind,
    Objective,
)
from steelyard.hardware.mapping_cache import MappingCache
from steelyard.hardware.mapspace import Constraints
from steelyard.hardware.problem import Problem
from steelyard.hardware.registry import device as named_device
from steelyard.workload import Workload


def estimate(
    workload: Workload,
    device: str | Path | Accelerator | Roofline,
    *,
    objective: Objective = "energy",
    dataflow: str = "",
    mapspace: MapspaceKind = "even",
    batch: int | None = None,
    pointwise: Pointwise = "fused",
    fuse: bool = False,
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
        dataflow: WS, OS-A, OS-B, OS-C, IS, NLR or RS; "" or any: the free optimum.
        mapspace: ``even``: the tiles of all operands in a memory begin at the same loop; ``uneven``: each at a
            loop of its own, which may save a little and takes longer to search (without a dataflow only).
        batch: images of one pass; None: as captured.
        pointwise: ``fused`` or ``separate``, see the module.
        fuse: keep maps between consecutive layers on the chip where that pays (`steelyard.hardware.fusion`).
        budget_s: about how long to search in all; then the best so far, with its gap.
        workers: threads; None: one a core.
        cache: whether found mappings are kept on disk, or the file to keep them in.
        progress: called with (done, all, layer's name) as problems are solved.

    Raises:
        UsageError: an unknown option, options that exclude each other, or a device that has no memories to
            map to (a roofline).
        UnknownNameError: no such device or dataflow.
        InputError: a layer that fits no level of the device.
    """
    begun = time.perf_counter()
    dataflow = "" if dataflow.lower() == "any" else dataflow
    _check(workload, objective, pointwise, fuse=fuse)
    _check_mapspace(mapspace, dataflow)
    chosen = accelerator(device)
    if batch is not None:
        workload = workload.with_batch(batch)
    asked = dataflow_constraints(dataflow, chosen) if dataflow else Constraints()
    store = MappingCache(cache if isinstance(cache, Path) else None) if cache else None
    solver = Solver(objective, store, budget_s, workers or os.cpu_count() or 1, progress, mapspace)
    answers = _answers(workload, chosen, asked, solver)
    layers = tuple(
        layer_estimate(layer, workload, chosen, answers, pointwise) for layer in workload.layers
    )
    fusion = None
    if fuse:
        layers, fusion = fuse_layers(workload, chosen, layers, objective, asked, solver)
    return Estimate(
        workload=workload.name,
        device=chosen,
        objective=objective,
        dataflow=dataflow.upper(),
        batch=workload.batch,
        pointwise=pointwise,
        layers=layers,
        problems=solver.problems,
        searched=solver.searched,
        seconds=time.perf_counter() - begun,
        notes=(
            *dict.fromkeys(store.notes if store else ()),
            *solver.notes,
            *simplified(workload),
        ),
        fusion=fusion,
        mapspace=mapspace,
    )


def _check(workload: Workload, objective: str, pointwise: str, *, fuse: bool) -> None:
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
    if fuse and pointwise != "fused":
        raise UsageError(
            "fuse=True with pointwise='separate'",
            expected="one of them: what is separate goes through DRAM",
        )


def _check_mapspace(mapspace: str, dataflow: str) -> None:
    if mapspace not in MAPSPACES:
        raise UsageError(f"mapspace {mapspace!r}", expected="one of " + ", ".join(MAPSPACES))
    if mapspace == "uneven" and dataflow:
        raise UsageError(
            f"uneven mappings with dataflow {dataflow}",
            expected="one of them: a dataflow says where the loops of even mappings stand",
        )


def accelerator(device: str | Path | Accelerator | Roofline) -> Accelerator:
    """The device that layers can be mapped to.

    Raises:
        UsageError: it is a roofline.
        UnknownNameError: no such device.
    """
    chosen = named_device(device) if isinstance(device, str | Path) else device
    if not isinstance(chosen, Accelerator):
        raise UsageError(
            f"{chosen.name!r} is a roofline: there is nothing to map to",
            expected="an accelerator",
            hint=f"steelyard roofline NETWORK --device {chosen.name}, or another device: steelyard devices",
        )
    return chosen


def _answers(
    workload: Workload, device: Accelerator, asked: Constraints, solver: Solver
) -> dict[Problem, Found]:
    """The mapping of every different problem of the network."""
    first: dict[Problem, str] = {}
    for layer in workload.layers:
        for problem in problems_of(layer):
            first.setdefault(problem, layer.name)
    questions = [Question(problem, device, asked, name) for problem, name in first.items()]
    answers: dict[Problem, Found] = {}
    for question, found in zip(questions, solver.solve(questions), strict=True):
        if isinstance(found, InputError):
            raise found
        answers[question.problem] = found
    return answers
