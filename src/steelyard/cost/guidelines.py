"""ShuffleNet V2's four guidelines for fast networks, as formulas and as findings about a workload.

Source: Ma, Zhang, Zheng, Sun, "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture
Design", ECCV 2018, section 2. What the paper abbreviates MAC is its *memory access cost*; here it is
called access, and ``macs`` are multiply-accumulates (the paper's B).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from steelyard._display import Printable
from steelyard.cost.counts import tally
from steelyard.cost.fragments import Block, parallel_blocks
from steelyard.workload import Layer, LoopNest, Workload
from steelyard.workload.tensor import dtype_bits

Guideline = Literal["G1", "G2", "G3", "G4"]

FUSABLE_KINDS = frozenset({"activation", "elementwise", "norm"})
"""Kinds that a fused kernel computes while the operand is still at hand (counted under G4)."""


@dataclass(frozen=True, slots=True)
class Finding(Printable):
    """One guideline that the workload does not meet.

    Attributes:
        guideline: ``G1`` to ``G4``.
        layer: name of the layer (G1, G2), of the layer at which the branches part (G3, "" for the
            network's input), or the operator (G4).
        formula: how ``value`` was computed.
        value: G1, G2: elements accessed; G3: operators that multiply, side by side; G4: share of the
            network's accessed bytes.
        bound: what ``value`` would be with the guideline met.
        gain: bytes of memory access that meeting it would save; findings are ranked by it.
        text: the finding in one sentence.
    """

    guideline: Guideline
    layer: str
    formula: str
    value: float
    bound: float
    gain: int
    text: str

    def to_dict(self) -> dict[str, object]:
        """The fields as plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


def pointwise_access(rows: int, c1: int, c2: int, *, groups: int = 1) -> int:
    """Elements that a 1x1 convolution accesses: PQ (c1 + c2) + c1 c2 / G.

    Args:
        rows: P Q, times the batch size.
        c1, c2: input and output channels.
        groups: G, divides both.
    """
    return rows * (c1 + c2) + c1 * c2 // groups


def g1_bound(rows: int, c1: int, c2: int) -> float:
    """G1: least access of any dense 1x1 convolution with the same macs, 2 sqrt(PQ B) + B / PQ.

    B = PQ c1 c2. By the inequality of arithmetic and geometric means c1 + c2 >= 2 sqrt(c1 c2), so
    access = PQ (c1 + c2) + c1 c2 reaches the bound only at c1 = c2 (eq. 1 of the paper).

    >>> g1_bound(56 * 56, 128, 128) == pointwise_access(56 * 56, 128, 128)
    True
    """
    macs = rows * c1 * c2
    return 2 * sqrt(rows * macs) + macs / rows


def g2_bound(rows: int, c1: int, c2: int, groups: int) -> float:
    """G2: access of the dense 1x1 convolution with the same macs and input, PQ c1 + B/c1 + B/PQ.

    B = PQ c1 c2 / G. The grouped convolution accesses PQ c1 + B G / c1 + B / PQ (eq. 2 of the paper):
    it grows with G, since at equal macs the output has G times as many channels.

    >>> g2_bound(56 * 56, 128, 128, 1) == pointwise_access(56 * 56, 128, 128)
    True
    """
    macs = rows * c1 * c2 / groups
    return rows * c1 + macs / c1 + macs / rows


def guidelines(workload: Workload) -> tuple[Finding, ...]:
    """Findings of all four guidelines, greatest gain first.

    - G1, each dense 1x1 convolution of stride 1 with c1 != c2: see `g1_bound`.
    - G2, each grouped 1x1 convolution of stride 1: see `g2_bound`.
    - G3, each block in which two or more branches with multiply-accumulates run side by side: value
      is the number of such branches, bound 1; the gain is what reading the common input once, in
      place of once a branch, would save.
    - G4, each element-wise operator: value is its share of the network's accessed bytes, bound 0; the
      gain is what computing it inside the operator that makes its operand would save.
    """
    findings = [*_pointwise(workload), *_fragmentation(workload), *_elementwise(workload)]
    return tuple(sorted(findings, key=lambda f: (-f.gain, f.guideline, f.layer)))


def _pointwise(workload: Workload) -> list[Finding]:
    findings = []
    for layer in workload.layers:
        nest = layer.nest
        if layer.kind == "conv" and nest and _plain_pointwise(nest):
            finding = _g1(workload, layer, nest) if nest.G == 1 else _g2(workload, layer, nest)
            if finding.gain > 0:
                findings.append(finding)
    return findings


def _plain_pointwise(nest: LoopNest) -> bool:
    """One filter tap, and as many outputs as inputs on the map; nothing empty."""
    return nest.is_pointwise and nest.input == nest.out and nest.macs > 0


def _rows(nest: LoopNest) -> int:
    return nest.output_elements // nest.M


def _bytes(workload: Workload, layer: Layer, elements: float) -> int:
    return int(elements * dtype_bits(workload.tensor(layer.outputs[0]).dtype) / 8)


def _g1(workload: Workload, layer: Layer, nest: LoopNest) -> Finding:
    rows = _rows(nest)
    value = pointwise_access(rows, nest.C, nest.M)
    bound = g1_bound(rows, nest.C, nest.M)
    ideal = sqrt(nest.C * nest.M)
    return Finding(
        guideline="G1",
        layer=layer.name,
        formula="access = PQ(c1 + c2) + c1 c2 >= 2 sqrt(PQ B) + B/PQ, B = PQ c1 c2",
        value=value,
        bound=bound,
        gain=_bytes(workload, layer, value - bound) if nest.C != nest.M else 0,
        text=f"{nest.C} -> {nest.M} channels: with the same macs, {ideal:.0f} -> {ideal:.0f} would "
        f"access {value / bound:.2f} times less memory",
    )


def _g2(workload: Workload, layer: Layer, nest: LoopNest) -> Finding:
    rows = _rows(nest)
    value = pointwise_access(rows, nest.C, nest.M, groups=nest.G)
    bound = g2_bound(rows, nest.C, nest.M, nest.G)
    return Finding(
        guideline="G2",
        layer=layer.name,
        formula="access = PQ(c1 + c2) + c1 c2/G >= PQ c1 + B/c1 + B/PQ, B = PQ c1 c2/G",
        value=value,
        bound=bound,
        gain=_bytes(workload, layer, value - bound),
        text=f"{nest.G} groups, {nest.C} -> {nest.M} channels: a dense convolution with the same "
        f"macs would access {value / bound:.2f} times less memory",
    )


def _fragmentation(workload: Workload) -> list[Finding]:
    return [_g3(block) for block in parallel_blocks(workload)]


def _g3(block: Block) -> Finding:
    where = f"after {block.fork}" if block.fork else "on the network's input"
    until = f" until {block.join}" if block.join else ""
    return Finding(
        guideline="G3",
        layer=block.fork,
        formula="branches with macs between a fork and its join; gain = (readers - 1) x input",
        value=block.branches,
        bound=1,
        gain=block.reread_bytes,
        text=f"{block.branches} branches with {block.operators} operators that multiply run side by "
        f"side {where}{until}",
    )


def _elementwise(workload: Workload) -> list[Finding]:
    access = [counts[4] for counts in tally(workload)]
    total = sum(access)
    made = {name for layer in workload.layers for name in layer.outputs}
    readers = Counter(n for layer in workload.layers for n in set(layer.inputs))
    readers.update(workload.outputs)
    share: dict[str, list[int]] = {}
    for layer, moved in zip(workload.layers, access, strict=True):
        if layer.kind in FUSABLE_KINDS:
            # fused into the operator that makes the operand: it is not read back, and if nobody else
            # reads it, it is not written either
            saved = (
                workload.tensor(name).nbytes * (2 if readers[name] == 1 else 1)
                for name in layer.inputs
                if name in made
            )
            entry = share.setdefault(layer.op, [0, 0, 0])
            entry[0] += 1
            entry[1] += moved
            entry[2] += max(saved, default=0)
    return [
        Finding(
            guideline="G4",
            layer=op,
            formula="access of the operator / access of the network",
            value=moved / total,
            bound=0.0,
            gain=gain,
            text=f"{op} ({count} times) makes {moved / total:.1%} of the memory accesses and no "
            "multiply-accumulates",
        )
        for op, (count, moved, gain) in share.items()
        if moved
    ]
