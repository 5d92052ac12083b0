"""ZigZag's energy of a mapping and ours of the same mapping, and the terms by which they differ.

`replay` counts a mapping of ZigZag's with our `evaluate`. `terms` computes from those counts what ZigZag's
conventions add, by formulas of their own, and what is then left unexplained: nothing, where loops divide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, gcd
from typing import Any

from zigzag.datatypes import LayerOperand

from steelyard.hardware.device import OPERANDS, Accelerator, Array, Memory, Operand
from steelyard.hardware.evaluate import Evaluation, evaluate
from steelyard.hardware.mapping import Loop, Mapping
from steelyard.hardware.problem import Problem, Window
from steelyard.hardware.transfers import flatten, tile, transfers
from zigzag_side import DIMS

OURS = {zigzag: ours for ours, zigzag in DIMS.items()}


@dataclass(frozen=True)
class Replay:
    """One operand's part of a mapping of ZigZag's, as a mapping of ours on a device with its memories alone."""

    device: Accelerator
    mapping: Mapping
    evaluation: Evaluation


def replay(found: Any, problem: Problem, device: Accelerator) -> dict[Operand, Replay]:
    """Our count of ZigZag's mapping, for each operand; only its own accesses mean something.

    There each operand's tiles may end at other loops (*uneven*), so each gets a nest of its own. Two loops over
    one dimension at one memory become loops at two memories, in the inner of which nobody keeps anything.
    """
    spatial = _spatial(found, problem, device)
    answers: dict[Operand, Replay] = {}
    for operand in OPERANDS:
        levels: list[Memory | Array] = []
        nest: list[tuple[Loop, ...]] = []
        rest = list(found.temporal_mapping.mapping_dic_origin[LayerOperand(operand)])
        for level in device.levels:
            if isinstance(level, Array):
                levels.append(level)
                nest.append(tuple(w for axis in level.axes for w in spatial.get(axis.name, ())))
            elif operand in level.holds:
                here = [Loop(OURS[str(dim)], int(size)) for dim, size in reversed(rest.pop())]
                levels.append(replace(level, capacity_bytes=None))
                nest.append(tuple(here[:1]))
                for k, loop in enumerate(here[1:]):
                    levels.append(Memory(f"{level.name}, loop {k}"))
                    nest.append((loop,))
        names = tuple(m.name for m in device.memories if operand in m.holds)
        keep = tuple((o, names if o == operand else names[:1]) for o in OPERANDS)
        mapping, alone = Mapping(tuple(nest), keep), replace(device, levels=tuple(levels))
        answers[operand] = Replay(alone, mapping, evaluate(problem, mapping, alone))
    return answers


def _spatial(found: Any, problem: Problem, device: Accelerator) -> dict[str, tuple[Loop, ...]]:
    """The loops along each axis; what ZigZag asks for beyond whole rounds is cut off, as it does."""
    axes = [axis.name for array in device.arrays for axis in array.axes]
    done: dict[str, int] = {}
    for level in found.temporal_mapping.mapping_dic_origin[LayerOperand("O")]:
        for name, size in level:
            done[OURS[str(name)]] = done.get(OURS[str(name)], 1) * int(size)
    loops: dict[str, tuple[Loop, ...]] = {}
    for oa, along in found.layer.spatial_mapping.items():
        axis = axes[int(str(oa)[1:]) - 1]
        for name, size in along.items():
            dim = OURS[str(name)]
            bound = min(int(size), ceil(problem.size(dim) / done.get(dim, 1)))
            done[dim] = done.get(dim, 1) * bound
            if bound > 1:
                loops[axis] = (*loops.get(axis, ()), Loop(dim, bound, axis))
    return loops


@dataclass(frozen=True)
class Terms:
    """One mapping's energy in both models, pJ, and what lies between.

    Attributes:
        ours, zigzag: all of it.
        carried: partial sums that ZigZag sends back inwards before they grow, and reads even where there are
            none yet; with us they begin at nothing and are added on arrival.
        windows: inputs that overlap those of the tile before, and padding, which ZigZag moves with each tile.
    """

    ours: float
    zigzag: float
    carried: float
    windows: float

    @property
    def rest(self) -> float:
        """What no convention explains: rounding where a loop does not divide, and to whole words."""
        return self.zigzag - self.ours - self.carried - self.windows


def terms(found: Any, problem: Problem, device: Accelerator) -> Terms:
    """ZigZag's cost of a mapping and our own of the same one, term by term."""
    answers = replay(found, problem, device)
    moved = sum(
        access.pj
        for operand, answer in answers.items()
        for access in answer.evaluation.accesses
        if access.operand == operand
    )
    return Terms(
        ours=moved + answers["O"].evaluation.mac_pj,
        zigzag=found.energy_total,
        carried=_carried(answers["O"], problem),
        windows=_windows(answers["I"], problem),
    )


def _carried(answer: Replay, problem: Problem) -> float:
    """Partial sums on their way back: a read above and a write below for each that later goes up."""
    device, bits = answer.device, answer.device.bits["O"]
    outputs = problem.macs // (problem.size("C") * problem.size("R") * problem.size("S"))
    names = answer.mapping.keeps("O")
    found = [answer.evaluation.access(name, "O") for name in names]
    total = 0.0
    for place, access in enumerate(found):
        memory = _memory(device, access.level)
        up = access.drains if place else outputs
        if access.updates > outputs:
            total += up * memory.read_energy("O", bits)
        if place and found[place - 1].updates > outputs:
            total += up * memory.write_energy("O", bits)
    return total


def _windows(answer: Replay, problem: Problem) -> float:
    """Inputs, when each tile moves whole: deliveries times its rows and columns, less what we count."""
    # where no two windows overlap, the count is that of deliveries and taps
    apart = replace(problem, rows=_apart(problem, "P", "R"), columns=_apart(problem, "Q", "S"))
    device, bits, flat = answer.device, answer.device.bits["I"], flatten(answer.mapping)
    pairs = zip(
        transfers(problem, answer.mapping, device),
        transfers(apart, answer.mapping, device),
        strict=True,
    )
    total = 0.0
    for ours, taps in pairs:
        if ours.operand != "I":
            continue
        parent = device.levels[ours.parent]
        inside = next(  # the array's loops side by side belong to what the parent sees
            (k for k in range(ours.parent + 1, ours.child) if isinstance(device.levels[k], Array)),
            ours.child,
        )
        whole = taps.outer * _share(problem, flat, answer.mapping.start(device, "I", inside))
        total += (whole - ours.outer) * parent.read_energy("I", bits)
        if ours.child < len(device.levels):
            start = answer.mapping.start(device, "I", ours.child)
            whole = taps.inner * _share(problem, flat, start)
            child = device.levels[ours.child]
            total += (whole - ours.inner) * child.write_energy("I", bits)
    return total


def _apart(problem: Problem, out: str, tap: str) -> Window:
    taps = problem.size(tap)
    return Window(taps, 1, 0, problem.size(out) * taps)


def _share(problem: Problem, flat: Any, start: int) -> float:
    """Different inputs of a tile for each pair of an output and a tap, as ZigZag counts them."""
    share = 1.0
    for window, out, tap in ((problem.rows, "P", "R"), (problem.columns, "Q", "S")):
        a, b = tile(flat, out, start), tile(flat, tap, start)
        a, b = min(a, problem.size(out)), min(b, problem.size(tap))
        step = gcd(window.stride, window.dilation)
        rows = a * b - max(0, b - window.stride // step) * (a - window.dilation // step)
        share *= min(rows, _stored(window, problem.size(out), problem.size(tap))) / (a * b)
    return share


def _stored(window: Window, outs: int, taps: int) -> int:
    """Rows that exist of those that a layer reaches."""
    reach = (outs - 1) * window.stride + (taps - 1) * window.dilation + 1
    return min(window.size, reach - window.before) - max(0, -window.before)


def _memory(device: Accelerator, name: str) -> Memory:
    level = device.level(name)
    assert isinstance(level, Memory)
    return level
