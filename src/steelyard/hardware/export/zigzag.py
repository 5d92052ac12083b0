"""ZigZag: a workload, an accelerator and a mapping as the YAML files that ``zigzag-dse`` 3.9 reads.

Format as its validators state it (``zigzag/parser``; Mei et al., "ZigZag", IEEE TC 70 (8), 2021). There an
operand is I1 (inputs), I2 (weights) or O, and one access moves as many bits as the port is wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from steelyard.errors import InputError
from steelyard.hardware.device import (
    DIMENSIONS,
    OPERANDS,
    Accelerator,
    Array,
    Axis,
    Operand,
    PerOperand,
)
from steelyard.hardware.energy_units import unit_note
from steelyard.hardware.export.parts import Part, parts, problems, yaml_text
from steelyard.hardware.problem import Problem, Window
from steelyard.workload.workload import Workload

UNBOUNDED_BITS = 2**53
"""Size of a memory without a bound; ZigZag wants a number."""

_NAMES: Mapping[Operand, str] = {"I": "I1", "W": "I2", "O": "O"}
_DIMS = dict(zip(DIMENSIONS, ("B", "G", "K", "C", "OY", "OX", "FY", "FX"), strict=True))
_AXES = 9
_HINTED = ("D1", "D2", "D3", "D4")
"""The axes for which a mapping file may name loops."""
_READS: Mapping[Operand, tuple[str, ...]] = {"I": ("tl",), "W": ("tl",), "O": ("tl", "th")}
_WRITES: Mapping[Operand, tuple[str, ...]] = {"I": ("fh",), "W": ("fh",), "O": ("fl", "fh")}


def zigzag_workload(load: Workload, *, bits: Mapping[Operand, int] | None = None) -> str:
    """The layers that multiply and accumulate, as the text of a workload file.

    Every layer stands alone: it reads its inputs from the outermost memory, as without fusion.

    Args:
        load: the network.
        bits: width of each operand, a device's ``bits``; 16 each if not given.
    """
    widths = bits or dict.fromkeys(OPERANDS, 16)
    layers = [_layer(i, name, found, widths) for i, (name, found) in enumerate(problems(load))]
    if not layers:
        raise InputError(f"nothing in {load.name!r} multiplies and accumulates")
    return yaml_text(layers)


def _layer(number: int, name: str, problem: Problem, bits: Mapping[Operand, int]) -> dict[str, Any]:
    rows, columns = problem.rows, problem.columns
    spans = [
        _span(columns, problem.size("Q"), problem.size("S")),
        _span(rows, problem.size("P"), problem.size("R")),
    ]
    return {
        "id": number,
        "name": name,
        "operator_type": "Conv",
        "equation": "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]",
        "dimension_relations": [
            f"ix={columns.stride}*ox+{columns.dilation}*fx",
            f"iy={rows.stride}*oy+{rows.dilation}*fy",
        ],
        "loop_dims": list(_DIMS.values()),
        "loop_sizes": list(problem.sizes),
        "operand_precision": {
            "W": bits["W"],
            "I": bits["I"],
            "O": bits["O"],
            "O_final": bits["O"],
        },
        "operand_source": {"W": number, "I": number},
        "pr_loop_dims": ["IX", "IY"],
        "pr_loop_sizes": [size for size, _ in spans],
        "padding": [list(padding) for _, padding in spans],
    }


def _span(window: Window, outputs: int, taps: int) -> tuple[int, tuple[int, int]]:
    """Stored positions that the layer reads along an axis, and the padding (before, after) around them."""
    reach = (outputs - 1) * window.stride + (taps - 1) * window.dilation + 1
    first, last = max(0, -window.before), min(window.size, reach - window.before)
    stored = max(1, last - first)
    before = min(max(0, window.before), reach - stored)
    return stored, (before, reach - stored - before)


def zigzag_accelerator(device: Accelerator) -> str:
    """An accelerator as the text of a hardware file.

    Raises:
        InputError: more axes than ZigZag has names for, or operands that share room at different energies.
    """
    names = _axis_names(device)
    notes = [
        *unit_note(device),
        "ZigZag has no energy of links, and shares every operand along every axis",
    ]
    memories: dict[str, Any] = {}
    below: dict[
        Operand, float
    ] = {}  # bytes of all instances of the memory inside, for each operand
    # ZigZag wants the innermost first
    for place in reversed(range(len(device.levels))):
        level = device.levels[place]
        if isinstance(level, Array):
            continue
        inside = [
            names[axis.name]
            for other in device.levels[place:]
            if isinstance(other, Array)
            for axis in other.axes
        ]
        for whole in parts(level):
            part = _of_one_width(whole, device)
            room = (part.capacity_bytes or 0.0) * device.instances(level.name)
            if len(part.holds) == 1 and 0 < room < below.get(part.holds[0], 0.0):
                notes.append(
                    f"{part.name} is left out: it holds less than the memories inside of it, and "
                    "ZigZag, which passes by none, would have to fill it first"
                )
                continue
            below |= dict.fromkeys(part.holds, room)
            memories[part.name] = _memory(part, device, inside, notes)
            if not part.double_buffered and set(level.double_buffered) & set(part.holds):
                notes.append(
                    f"{part.name}: only {' '.join(level.double_buffered)} is double buffered; left out"
                )
    axes = _axes(device)
    passed = [
        names[axis.name]
        for axis in axes
        if "neighbour" in (axis.link("I").kind, axis.link("W").kind)
    ]
    array = {
        "unit_energy": float(device.mac_pj),
        "unit_area": 0.0,
        "dimensions": [names[axis.name] for axis in axes] or ["D1"],
        "sizes": [axis.size for axis in axes] or [1],
        **({"systolic_dimensions": passed} if passed else {}),
    }
    return yaml_text(
        {"name": device.name, "memories": memories, "operational_array": array}, notes=notes
    )


def zigzag_mapping(device: Accelerator) -> str:
    """The mapping file that goes with an accelerator: which loops may be unrolled along which axis."""
    names = _axis_names(device)
    hints = {
        names[axis.name]: [_DIMS[dim] for dim in (axis.dims or DIMENSIONS)]
        for axis in _axes(device)
        if names[axis.name] in _HINTED
    }
    default = {
        "name": "default",
        "memory_operand_links": {operand: _NAMES[operand] for operand in ("O", "W", "I")},
        **({"spatial_mapping_hint": hints} if hints else {}),
    }
    return yaml_text([default])


def _axes(device: Accelerator) -> list[Axis]:
    return [axis for array in device.arrays for axis in array.axes]


def _axis_names(device: Accelerator) -> dict[str, str]:
    """ZigZag's name of each axis; those that not every loop may use come first, for their hints."""
    axes = _axes(device)
    bound = [axis for axis in axes if axis.dims is not None]
    if len(axes) > _AXES or len(bound) > len(_HINTED):
        raise InputError(
            f"device {device.name!r} has {len(axes)} axes, {len(bound)} of them for some loops only",
            expected=f"at most ZigZag's {_AXES}, and {len(_HINTED)} with hints",
        )
    if len(axes) > len(_HINTED):
        axes = bound + [axis for axis in axes if axis.dims is None]
    return {axis.name: f"D{number}" for number, axis in enumerate(axes, 1)}


def _of_one_width(part: Part, device: Accelerator) -> Part:
    """An accumulator as one whose sums have the width of outputs, as in ZigZag everywhere: as many, as dear.

    Raises:
        InputError: it holds other operands beside its wider sums.
    """
    bits = device.bits["O"]
    wide = part.memory.width("O", bits)
    if "O" not in part.holds or wide == bits:
        return part
    if part.holds != ("O",):
        raise InputError(
            f"memory {part.name!r} holds sums of {wide} bits beside other operands",
            expected="a part of its own for sums: ZigZag knows one width of them",
        )
    memory = replace(
        part.memory,
        psum_bits=None,
        read_pj=part.energy(part.memory.read_pj) * wide / bits,
        write_pj=part.energy(part.memory.write_pj) * wide / bits,
    )
    room = None if part.capacity_bytes is None else part.capacity_bytes * bits / wide
    return replace(part, memory=memory, capacity_bytes=room)


def _memory(part: Part, device: Accelerator, served: list[str], notes: list[str]) -> dict[str, Any]:
    memory = part.memory
    costs: dict[str, float] = {}
    ports: list[dict[str, Any]] = []
    for kind, price, bandwidth, ways in (
        ("read", memory.read_pj, memory.read_bandwidth, _READS),
        ("write", memory.write_pj, memory.write_bandwidth, _WRITES),
    ):
        if isinstance(bandwidth, Mapping) and len(part.holds) > 1:
            notes.append(f"{part.name}: its {kind} ports are one, as wide as all together")
        wide = _port_bits(part, bandwidth, device)
        costs[f"{kind[0]}_cost"] = part.energy(price) * wide / memory.word_bits
        ports.append(
            {
                "name": f"{kind[0]}_port_1",
                "type": kind,
                "bandwidth_min": min(wide, *(device.bits[o] for o in part.holds)),
                "bandwidth_max": wide,
                "allocation": [f"{_NAMES[o]}, {way}" for o in part.holds for way in ways[o]],
            }
        )
    unbounded = part.capacity_bytes is None
    return {
        "size": UNBOUNDED_BITS if unbounded else int((part.capacity_bytes or 0) * 8),
        **costs,
        "area": 0.0,
        "latency": 1,
        "operands": [_NAMES[operand] for operand in part.holds],
        "ports": ports,
        "served_dimensions": served,
        **({"force_double_buffering": True} if part.double_buffered else {}),
    }


def _port_bits(part: Part, bandwidth: PerOperand | None, device: Accelerator) -> int:
    """Bits a cycle; elements of different width count with their own in a mapping, the widest in a sum."""
    if bandwidth is None:
        # four elements a cycle for each unit below: more than the operation takes and gives
        units = device.pes // device.instances(part.memory.name)
        return 4 * max(device.bits.values()) * units
    if isinstance(bandwidth, Mapping):
        bits = sum(bandwidth[operand] * device.bits[operand] for operand in part.holds)
    else:
        bits = bandwidth * max(device.bits[operand] for operand in part.holds)
    return max(1, round(bits))
