"""What one layer costs: its mapped nests, or the movement of its data."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from steelyard.errors import InputError
from steelyard.hardware.device import OPERANDS, Accelerator, Operand, per_operand
from steelyard.hardware.estimate_result import LayerEstimate, Pointwise, add_up
from steelyard.hardware.evaluate import Evaluation
from steelyard.hardware.fusion_units import POINTWISE
from steelyard.hardware.mapper_answer import Found
from steelyard.hardware.problem import Problem
from steelyard.workload import Layer, LoopNest, Workload

_FREE = frozenset({"view", "create"})
_NAMED = 8
"""Layers whose names a note lists."""


def problems_of(layer: Layer) -> list[Problem]:
    """The problems of a layer's nests.

    Raises:
        InputError: sizes that cannot be counted; the layer is named.
    """
    try:
        return [Problem.of(nest) for nest in layer.nests if nest.macs]
    except InputError as error:
        raise InputError(
            f"layer {layer.name!r}: {error.given}", expected=error.expected, hint=error.hint
        ) from error


def simplified(workload: Workload) -> tuple[str, ...]:
    """What the mapping of some layers leaves out, a sentence each, with the layers' names.

    `Problem.of` sees a 3-d convolution as 2-d ones and a transposed one as a matrix product: exact where no two of
    their windows overlap along the axes concerned.
    """
    deep: list[str] = []
    transposed: list[str] = []
    for layer in workload.layers:
        for nest in layer.nests:
            names, axes = (
                (transposed, len(nest.out)) if nest.transposed else (deep, len(nest.out) - 2)
            )
            if nest.macs and any(_overlaps(nest, axis) for axis in range(axes)):
                names.append(layer.name)
    notes = []
    if deep:
        notes.append(
            f"3-d convolutions are mapped as 2-d ones whose planes are channels, which says too much traffic: "
            f"inputs that planes share are fetched for each ({_listed(deep)})"
        )
    if transposed:
        notes.append(
            f"transposed convolutions are mapped as matrix products that write every term; adding up the terms "
            f"of an output costs nothing here ({_listed(transposed)})"
        )
    return tuple(notes)


def _overlaps(nest: LoopNest, axis: int) -> bool:
    """Two windows share a place along the axis: m steps are a whole number of taps, within the window."""
    windows = (nest.input if nest.transposed else nest.out)[axis]
    step, tap = nest.stride[axis], nest.dilation[axis]
    reach = tap * (nest.kernel[axis] - 1)
    return any(m * step % tap == 0 for m in range(1, min(windows - 1, reach // step) + 1))


def _listed(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + rest


def layer_estimate(
    layer: Layer,
    workload: Workload,
    device: Accelerator,
    answers: dict[Problem, Found],
    pointwise: Pointwise,
) -> LayerEstimate:
    """One layer as `steelyard.hardware.estimate` describes it.

    Args:
        layer: of the workload.
        workload: the network.
        device: where it runs.
        answers: the mapping of each of the layer's problems.
        pointwise: whether layers of one map's shape are applied on the way.
    """
    parts = tuple((problem, answers[problem]) for problem in problems_of(layer))
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
        dram=dram_traffic(evaluations, device),
        utilization=macs / (cycles * device.pes) if cycles else 0.0,
        parts=parts,
        levels=add_up(e.energy_by_level() for e in evaluations),
        operands=add_up(e.energy_by_operand() for e in evaluations),
    )


def dram_traffic(evaluations: Sequence[Evaluation], device: Accelerator) -> dict[Operand, int]:
    """Elements that all together read from and write to the outermost memory, by operand."""
    outer = device.memories[0].name
    return {
        operand: sum(e.access(outer, operand).total for e in evaluations) for operand in OPERANDS
    }


def _moved(
    layer: Layer, workload: Workload, device: Accelerator, pointwise: Pointwise
) -> LayerEstimate:
    """A layer that only moves data."""
    reads = writes = weights = 0
    if layer.kind not in _FREE:
        sizes = [workload.tensor(name).numel for name in layer.inputs]
        out = sum(workload.tensor(name).numel for name in layer.outputs)
        same = layer.kind in POINTWISE and bool(sizes) and out == max(sizes)
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
        dram={"I": reads, "W": weights, "O": writes},
        utilization=0.0,
        levels={outer.name: energy},
        operands=pj,
    )


def _cycles(elements: int, bandwidth: float) -> int:
    return ceil(elements / bandwidth) if bandwidth else 0
