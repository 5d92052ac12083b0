"""Timeloop: a layer as a v0.4 problem, an accelerator as a v0.4 architecture with its energy reference table.

Formats as in NVlabs/timeloop (``problem-shapes/``), Accelergy-Project/timeloopfe (``timeloopfe/v4``) and the
reference outputs of its exercises (Parashar et al., "Timeloop", ISPASS 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard.errors import InputError
from steelyard.hardware.device import DIMENSIONS, OPERANDS, Accelerator, Axis, Memory, Operand
from steelyard.hardware.energy_units import unit_note
from steelyard.hardware.export.parts import Part, parts, yaml_text
from steelyard.hardware.problem import Problem
from steelyard.workload.loopnest import LoopNest

SPACES: Mapping[Operand, str] = {"I": "Inputs", "W": "Weights", "O": "Outputs"}
"""Timeloop's names of the operands."""

_VERSION = "0.4"
_PROJECTIONS: Mapping[Operand, list[list[list[str]]]] = {
    "W": [[["G"]], [["M"]], [["C"]], [["R"]], [["S"]]],
    "I": [
        [["N"]],
        [["G"]],
        [["C"]],
        [["R", "Hdilation"], ["P", "Hstride"]],
        [["S", "Wdilation"], ["Q", "Wstride"]],
    ],
    "O": [[["N"]], [["G"]], [["M"]], [["P"]], [["Q"]]],
}


class Component(dict[str, Any]):
    """A node that is written as ``!Component``: a memory or the multiply-accumulate unit."""


class Container(dict[str, Any]):
    """A node that is written as ``!Container``: a fan-out."""


class Parallel(dict[str, Any]):
    """A node that is written as ``!Parallel``: memories side by side, one for each operand."""


def timeloop_problem(
    layer: LoopNest | Problem, *, densities: Mapping[Operand, float] | None = None
) -> str:
    """A layer as the text of a problem file: a grouped convolution of N, G, M, C, P, Q, R, S.

    Args:
        layer: its loops; M and C are written per group.
        densities: share of the elements that are not zero, spread evenly (hypergeometric).

    Raises:
        InputError: the layer is empty.
    """
    problem = layer if isinstance(layer, Problem) else Problem.of(layer)
    rows, columns = problem.rows, problem.columns
    instance: dict[str, Any] = dict(zip(DIMENSIONS, problem.sizes, strict=True))
    instance |= {
        "Hstride": rows.stride,
        "Wstride": columns.stride,
        "Hdilation": rows.dilation,
        "Wdilation": columns.dilation,
    }
    if densities:
        instance["densities"] = {
            SPACES[operand]: {"distribution": "hypergeometric", "density": float(density)}
            for operand, density in densities.items()
        }
    shape = {
        "name": "grouped_convolution",
        "dimensions": list(DIMENSIONS),
        "coefficients": [
            {"name": name, "default": 1}
            for name in ("Hstride", "Wstride", "Hdilation", "Wdilation")
        ],
        "data_spaces": [
            {"name": SPACES[operand], "projection": projection}
            | ({"read_write": True} if operand == "O" else {})
            for operand, projection in _PROJECTIONS.items()
        ],
    }
    notes = []
    if rows.before or columns.before:
        notes.append(
            "Timeloop has no padding: it moves the padded input, steelyard only what is stored"
        )
    content = {"problem": {"version": _VERSION, "shape": shape, "instance": instance}}
    return yaml_text(content, notes=notes)


def timeloop_architecture(device: Accelerator) -> str:
    """An accelerator as the text of an architecture file, with the energies as its ERT.

    A word is an element; each axis of an array is a container, its unicast operands ``no_reuse``.

    Raises:
        InputError: a memory shares its room between operands of different width or price.
    """
    nodes: list[dict[str, Any]] = []
    tables: list[dict[str, Any]] = []
    notes = [*unit_note(device)]
    mesh = ["meshX", "meshY"]
    for level in device.levels:
        if isinstance(level, Memory):
            group = parts(level)
            components = [_component(part, device, notes) for part in group]
            tables += [_table(part, device) for part in group]
            nodes += components if len(group) == 1 else [Parallel(nodes=components)]
            continue
        for axis in level.axes:
            nodes.append(_container(f"{level.name}_{axis.name}", axis, mesh[0]))
            mesh.reverse()
            if any(link.pj for link in axis.links.values()):
                notes.append(
                    f"the energy of the links along {axis.name} of {level.name} is left out"
                )
    nodes.append(
        Component({"name": "mac", "class": "intmac", "attributes": {"datawidth": device.bits["O"]}})
    )
    tables.append(_actions("mac", device.pes, {"compute": device.mac_pj}))
    content = {
        "architecture": {"version": _VERSION, "nodes": nodes},
        "ERT": {"version": _VERSION, "tables": tables},
    }
    return yaml_text(content, notes=notes, tags=(Component, Container, Parallel))


def _component(part: Part, device: Accelerator, notes: list[str]) -> dict[str, Any]:
    memory, bits = part.memory, _bits(part, device)
    attributes: dict[str, Any] = {"datawidth": bits, "width": bits}
    if part.capacity_bytes is not None:
        attributes["depth"] = int(part.capacity_bytes * 8 // bits)
    if part.double_buffered:
        attributes["multiple_buffering"] = 2
    elif memory.double_buffered and set(memory.double_buffered) & set(part.holds):
        notes.append(
            f"{part.name}: only {' '.join(memory.double_buffered)} is double buffered; left out"
        )
    for key, bandwidth in (
        ("read_bandwidth", memory.read_bandwidth),
        ("write_bandwidth", memory.write_bandwidth),
    ):
        if isinstance(bandwidth, Mapping):
            attributes[key] = sum(bandwidth[operand] for operand in part.holds)
            if len(part.holds) > 1:
                notes.append(f"{part.name}: {key} is the sum of a port for each operand")
        elif bandwidth is not None:
            attributes[key] = bandwidth
    outermost = memory is device.memories[0]
    node: dict[str, Any] = {
        "name": part.name,
        "class": "DRAM" if outermost else "storage",
        "attributes": attributes,
    }
    if len(part.holds) < len(OPERANDS):
        bypass = [SPACES[operand] for operand in OPERANDS if operand not in part.holds]
        node["constraints"] = {"dataspace": {"bypass": bypass}}
    return Component(node)


def _bits(part: Part, device: Accelerator) -> int:
    widths = {part.memory.width(operand, device.bits[operand]) for operand in part.holds}
    if len(widths) > 1:
        raise InputError(
            f"memory {part.name!r} holds elements of {' and '.join(map(str, sorted(widths)))} bits",
            expected="one width: Timeloop's memories have words",
        )
    return widths.pop()


def _container(name: str, axis: Axis, mesh: str) -> dict[str, Any]:
    spatial: dict[str, Any] = {}
    if axis.dims is not None:
        spatial["factors"] = [f"{dim}=1" for dim in DIMENSIONS if dim not in axis.dims]
    if alone := [SPACES[operand] for operand in OPERANDS if not axis.shares(operand)]:
        spatial["no_reuse"] = alone
    constraints = {"constraints": {"spatial": spatial}} if spatial else {}
    return Container({"name": name, "spatial": {mesh: axis.size}, **constraints})


def _table(part: Part, device: Accelerator) -> dict[str, Any]:
    memory, bits = part.memory, _bits(part, device)
    write = memory.write_energy(part.holds[0], bits)
    energies = {"read": memory.read_energy(part.holds[0], bits), "write": write, "update": write}
    return _actions(part.name, device.instances(memory.name), energies)


def _actions(name: str, instances: int, energies: Mapping[str, float]) -> dict[str, Any]:
    actions = [
        {"name": action, "arguments": {}, "energy": float(pj)}
        for action, pj in {**energies, "leak": 0.0}.items()
    ]
    return {"name": f"system_top_level.{name}[1..{instances}]", "actions": actions}
