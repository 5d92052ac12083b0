"""What zeros spare on an accelerator: gating (energy), skipping (time and energy), compression (DRAM traffic).

An operation with a zero operand changes nothing. *Gating* leaves it idle: its cycle passes, but neither the
unit nor the memories beside it work. *Skipping* does not even spend the cycle. *Compression* stores an operand
in the outermost memory without most of its zeros. A device says which it does (``zeros:`` in its file); one that
does none costs what `evaluate` says.

The counts are expectations: operands are zero independently of each other, skipped operations are spread
evenly over units and time (so the cycles are a lower bound: real zeros leave some units waiting), and tiles
compress as well as whole maps. Densities are shares of elements that are not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, isfinite, prod

from steelyard.errors import UsageError
from steelyard.hardware.compression import stored_ratio
from steelyard.hardware.device import OPERANDS, Accelerator, Memory, Operand, PerOperand
from steelyard.hardware.evaluate import Access, Evaluation
from steelyard.hardware.zero_means import Sparsity


@dataclass(frozen=True, slots=True)
class Densities:
    """Share of the elements of each operand of one layer that are not zero; 1 where nothing is known."""

    I: float = 1.0  # noqa: E741 - the operand's name
    W: float = 1.0
    O: float = 1.0  # noqa: E741

    def __post_init__(self) -> None:
        for operand in OPERANDS:
            share = self.of(operand)
            if not isfinite(share) or not 0 <= share <= 1:
                raise UsageError(f"a density of {operand} of {share!r}", expected="from 0 to 1")

    def of(self, operand: Operand) -> float:
        """The share of one operand."""
        return {"I": self.I, "W": self.W, "O": self.O}[operand]


def with_sparsity(
    dense: Evaluation, device: Accelerator, densities: Densities, means: Sparsity
) -> Evaluation:
    """A layer's cost with zeros made use of.

    Accesses are expectations, rounded to whole elements; energies are not rounded. In the outermost memory an
    access of a compressed operand counts as elements of the plain width. ``macs`` stay those of the layer, so
    the utilisation of a device that skips may exceed 1.

    Args:
        dense: what `evaluate` says.
        device: where it was evaluated.
        densities: of the layer's operands.
        means: what the device makes of zeros.
    """
    accesses = tuple(_access(access, dense, device, densities, means) for access in dense.accesses)
    levels = {memory.name: _port_cycles(memory, dense, accesses) for memory in device.memories}
    compute = dense.compute_cycles * prod(densities.of(operand) for operand in means.skip)
    return replace(
        dense,
        accesses=accesses,
        mac_pj=dense.mac_pj * prod(densities.of(operand) for operand in means.idle),
        compute_cycles=ceil(compute),
        level_cycles={name: ceil(cycles) for name, cycles in levels.items()},
        exact_cycles=max(1.0, compute + dense.stall_cycles, *levels.values()),
    )


def _access(
    access: Access, dense: Evaluation, device: Accelerator, densities: Densities, means: Sparsity
) -> Access:
    operand = access.operand
    counts: dict[str, float] = {
        name: getattr(access, name)
        for name in ("reads", "fills", "updates", "psum_reads", "drains")
    }
    last = [a.level for a in dense.accesses if a.operand == operand][-1]
    # only what stands beside one unit is spared when that unit is idle
    if access.level == last and device.instances(last) == device.pes:
        others = prod(densities.of(other) for other in means.idle if other != operand)
        for name in ("reads", "updates", "psum_reads"):
            counts[name] *= others
    if access.level == device.memories[0].name:
        scheme = means.compress.get(operand, "none")
        ratio = stored_ratio(scheme, densities.of(operand), bits=device.bits[operand])
        final = counts["updates"] - counts["psum_reads"]
        counts["reads"] *= ratio
        counts["updates"] -= final * (1 - ratio)
    level = next(memory for memory in device.memories if memory.name == access.level)
    reads = counts["reads"] + counts["psum_reads"] + counts["drains"]
    writes = counts["fills"] + counts["updates"]
    bits = device.bits[operand]
    pj = reads * level.read_energy(operand, bits) + writes * level.write_energy(operand, bits)
    whole = {name: round(number) for name, number in counts.items()}
    return Access(access.level, operand, **whole, pj=pj)


def _port_cycles(memory: Memory, dense: Evaluation, sparse: tuple[Access, ...]) -> float:
    """The dense cycles of a memory's ports, in proportion to what now passes them."""
    before, after = (
        max(
            _port(memory.read_bandwidth, {a.operand: a.total_reads for a in own}),
            _port(memory.write_bandwidth, {a.operand: a.total_writes for a in own}),
        )
        for own in (
            [a for a in accesses if a.level == memory.name] for accesses in (dense.accesses, sparse)
        )
    )
    return dense.level_cycles[memory.name] * after / before if before else 0.0


def _port(bandwidth: PerOperand | None, elements: Mapping[Operand, int]) -> float:
    if bandwidth is None or not elements:
        return 0.0
    if isinstance(bandwidth, Mapping):
        return max(number / bandwidth[operand] for operand, number in elements.items())
    return sum(elements.values()) / bandwidth
