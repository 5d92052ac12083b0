"""What both formats need: memories that hold one thing at one price, layers with names, and YAML text."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from steelyard.errors import InputError
from steelyard.hardware.device import Memory, Operand, PerOperand, per_operand
from steelyard.hardware.problem import Problem
from steelyard.workload.workload import Workload


@dataclass(frozen=True, slots=True)
class Part:
    """A memory, or the part of one that is a single operand's.

    Attributes:
        name: of the part, unique in the device.
        memory: the level that it belongs to.
        holds: the operands in it.
        capacity_bytes: of one instance; None: unbounded.
    """

    name: str
    memory: Memory
    holds: tuple[Operand, ...]
    capacity_bytes: float | None

    @property
    def double_buffered(self) -> bool:
        """True if all that it holds is."""
        return set(self.holds) <= set(self.memory.double_buffered)

    def energy(self, price: PerOperand) -> float:
        """What `Memory.read_pj` or `write_pj` says of this part."""
        return per_operand(price, self.holds[0])


def parts(memory: Memory) -> tuple[Part, ...]:
    """A memory as parts of one price each: itself, or one part an operand.

    Raises:
        InputError: operands share room but not the price of an access, which neither format can say.
    """
    capacity = memory.capacity_bytes
    differ = any(
        len({per_operand(price, operand) for operand in memory.holds}) > 1
        for price in (memory.read_pj, memory.write_pj)
    )
    if not isinstance(capacity, Mapping) and not (differ and capacity is None):
        if differ:
            raise InputError(
                f"memory {memory.name!r}: its operands share {capacity:,.0f} bytes at different energies",
                expected="one energy, or a part of the room for each operand",
            )
        return (Part(memory.name, memory, memory.holds, capacity),)
    return tuple(
        Part(
            f"{memory.name}_{operand}",
            memory,
            (operand,),
            per_operand(capacity, operand) if isinstance(capacity, Mapping) else None,
        )
        for operand in memory.holds
    )


def problems(load: Workload) -> Iterator[tuple[str, Problem]]:
    """The layers that multiply and accumulate; one with several products gives ``name[0]``, ``name[1]`` ..."""
    for layer in load.layers:
        for number, nest in enumerate(layer.nests):
            if nest.macs:
                name = layer.name if len(layer.nests) == 1 else f"{layer.name}[{number}]"
                yield name, Problem.of(nest)


def yaml_text(content: Any, *, notes: Iterable[str] = (), tags: tuple[type, ...] = ()) -> str:
    """Plain data as YAML in its own order, with comments at the top.

    Args:
        content: dicts, lists, text and numbers; a dict of a class in ``tags`` is written as ``!Class``.
        notes: a comment line each.
        tags: subclasses of dict.
    """
    yaml: Any = importlib.import_module("yaml")

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:
            return True

    for tag in tags:
        Dumper.add_representer(
            tag,
            lambda dumper, data: dumper.represent_mapping(f"!{type(data).__name__}", data.items()),
        )
    text: str = yaml.dump(
        content, Dumper=Dumper, sort_keys=False, default_flow_style=None, width=110
    )
    return "".join(f"# {' '.join(note.split())}\n" for note in notes) + text
