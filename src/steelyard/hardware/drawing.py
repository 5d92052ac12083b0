"""`draw_mapping`: a layer's mapping as an annotated loop nest, in text.

Read from the top: each memory with the tiles that it holds and what it moves, below it the loops that walk over
the tiles of the next one; loops side by side stand at their array. A loop says how far it steps: ``for m in
0 .. 95 step 16`` hands over 16 filters at a time. In an uneven mapping a line says where a tile begins that does
not begin at its memory's first loop.
"""

from __future__ import annotations

from steelyard.hardware.device import OPERANDS, Accelerator, Array, Memory, Operand
from steelyard.hardware.energy_units import format_energy
from steelyard.hardware.evaluate import Evaluation
from steelyard.hardware.mapping import Loop, Mapping
from steelyard.hardware.problem import Problem
from steelyard.hardware.transfers import FlatLoop, flatten, footprint
from steelyard.units import format_bytes, format_si

_DEEP = 24
"""Loops deeper than this are not indented further."""


def draw_mapping(
    problem: Problem, mapping: Mapping, device: Accelerator, evaluation: Evaluation
) -> str:
    """The loops of a layer on a device, a line each, with tiles, accesses and energy.

    Args:
        problem: the layer.
        mapping: of it on ``device``.
        device: the accelerator.
        evaluation: what `evaluate` says of them.
    """
    flat = flatten(mapping)
    sizes = " ".join(
        f"{d}={size}" for d, size in zip("NGMCPQRS", problem.sizes, strict=True) if size > 1
    )
    lines = [sizes or "a single operation"]
    late = mapping.late(device)
    depth = number = 0
    for place, level in enumerate(device.levels):
        margin = "  " * min(depth, _DEEP)
        if isinstance(level, Memory):
            lines.append("")
            lines += [
                margin + text for text in _memory(problem, flat, place, mapping, device, evaluation)
            ]
        elif mapping.loops[place]:
            lines += ["", margin + _array(level, mapping.loops[place], evaluation, device)]
        for loop in mapping.loops[place]:
            lines += ["  " * min(depth, _DEEP) + text for text in _late(late.get(number, []))]
            if loop.bound > 1:
                step = next(found.stride for found in flat if found.number == number)
                lines.append("  " * min(depth, _DEEP) + _loop(loop, step, problem.size(loop.dim)))
                depth += 1
            number += 1
    margin = "  " * min(depth, _DEEP)
    lines += [margin + text for text in _late(late.get(number, []))]
    used = f"{evaluation.units_used:,} of {evaluation.units:,} units"
    lines += ["", f"{margin}o += i * w    {used}, {format_energy(evaluation.mac_pj, device)}"]
    lines += ["", _summary(evaluation, device)]
    return "\n".join(line.rstrip() for line in lines)


def _memory(
    problem: Problem,
    flat: tuple[FlatLoop, ...],
    place: int,
    mapping: Mapping,
    device: Accelerator,
    evaluation: Evaluation,
) -> list[str]:
    level = device.levels[place]
    count = device.instances(level.name)
    head = f"[{level.name}]" + (f" x {count:,}" if count > 1 else "")
    kept = [operand for operand in OPERANDS if level.name in mapping.keeps(operand)]
    if not kept:
        return [f"{head} passed by"]
    memory = next(m for m in device.memories if m.name == level.name)
    tiles = []
    for operand in kept:
        lives = operand in mapping.resident and mapping.keeps(operand)[0] == level.name
        start = 0 if lives else mapping.start(device, operand, place)
        elements = footprint(problem, flat, operand, start)
        access = evaluation.access(level.name, operand)
        tiles.append(
            f"  {operand}: {'all ' if lives else ''}{elements:,} elements, "
            f"{format_bytes(elements * memory.width(operand, device.bits[operand]) / 8)}; "
            f"{access.total_reads:,} reads, {access.total_writes:,} writes, {format_energy(access.pj, device)}"
        )
    room = level.capacity_bytes if isinstance(level, Memory) else None
    if isinstance(room, int | float):
        taken = evaluation.footprint_bytes[level.name]
        head += f" {format_bytes(taken)} of {format_bytes(room)} taken ({taken / room:.0%})"
        homes = [mapping.keeps(operand)[0] for operand in mapping.resident]
        head += " beside what stays there" if level.name in homes else ""
    return [head, *tiles]


def _array(
    array: Array, loops: tuple[Loop, ...], evaluation: Evaluation, device: Accelerator
) -> str:
    used = []
    for axis in array.axes:
        bound = 1
        for loop in loops:
            bound *= loop.bound if loop.axis == axis.name else 1
        used.append(f"{axis.name} {bound} of {axis.size}")
    pj = sum(crossing.pj for crossing in evaluation.crossings if crossing.array == array.name)
    return f"<{array.name}> {', '.join(used)}" + (
        f"; links {format_energy(pj, device)}" if pj else ""
    )


def _late(begun: list[tuple[Operand, str]]) -> list[str]:
    """Says which tiles begin here."""
    return [f"-- tile of {operand} in {name} begins" for operand, name in begun]


def _loop(loop: Loop, step: int, size: int) -> str:
    word = f"side by side along {loop.axis}:" if loop.axis else "for"
    stop = min(size, loop.bound * step) - 1
    by = f" step {step}" if step > 1 else ""
    return f"{word} {loop.dim.lower()} in 0 .. {stop}{by}    x {loop.bound}"


def _summary(evaluation: Evaluation, device: Accelerator) -> str:
    seconds = format_si(evaluation.cycles / device.clock_hz, "s")
    return (
        f"{evaluation.macs:,} MACs, {format_energy(evaluation.energy_pj, device)}, {evaluation.cycles:,} cycles "
        f"({seconds}), utilisation {evaluation.utilization:.1%}"
    )
