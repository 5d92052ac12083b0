"""What a device is: `Accelerator` (memories and processing arrays in a row) and `Roofline` (a CPU or GPU).

Words: an *operand* is one of I (inputs), W (weights), O (outputs and their partial sums). The *levels* of an
accelerator stand outermost (DRAM) first; an `Array` between two memories multiplies everything inside it, so a
`Memory` below a 12 x 14 array exists 168 times. Multiply-accumulate units stand below the last level, one for
each instance of it; they hold nothing, so each operation reads its operands from the innermost level that
keeps them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite, prod
from pathlib import Path
from typing import Any, Literal

from steelyard._display import Printable
from steelyard.errors import InputError, UnknownNameError
from steelyard.hardware.device_checks import at_least_one, known, not_negative
from steelyard.hardware.zero_means import Sparsity

Operand = Literal["I", "W", "O"]
LinkKind = Literal["unicast", "multicast", "neighbour", "reduce"]
EnergyUnit = Literal["pJ", "MAC"]

ENERGY_UNITS: tuple[EnergyUnit, ...] = ("pJ", "MAC")
"""Picojoules, or multiples of the energy of one multiply-accumulate."""

OPERANDS: tuple[Operand, ...] = ("I", "W", "O")
"""Inputs, weights, outputs."""

DIMENSIONS: tuple[str, ...] = ("N", "G", "M", "C", "P", "Q", "R", "S")
"""Loops of a layer; M and C are per group here."""

RELEVANT: dict[Operand, frozenset[str]] = {
    "I": frozenset("NGCPQRS"),
    "W": frozenset("GMCRS"),
    "O": frozenset("NGMPQ"),
}
"""The loops that move through each operand; over the others its element stays the same."""

PerOperand = float | Mapping[Operand, float]
"""One number for all operands, or one for each (those left out: not applicable)."""


@dataclass(frozen=True, slots=True)
class Link:
    """How an operand crosses one axis of an array.

    Attributes:
        kind: ``unicast``: every instance has its own transfer with the memory above; ``multicast``: instances
            that need the same element share one read; ``neighbour``: the same, but the element is handed on
            from instance to instance (systolic); for O, ``reduce`` (adder tree) and ``neighbour`` (chain)
            sum the partial sums of instances that work on the same output before the memory above sees them.
        pj: energy of one element; multicast: per receiving instance; neighbour and reduce: per instance
            after the first; unicast: per transfer. For an element of the device's bits of that operand.
    """

    kind: LinkKind = "unicast"
    pj: float = 0.0


UNICAST = Link()


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of an array.

    Attributes:
        name: ``x``, ``y`` ...; unique in the device.
        size: instances along it.
        links: how each operand crosses it; `UNICAST` where not said.
        dims: loops that may be unrolled along it (None: any).
    """

    name: str
    size: int
    links: Mapping[Operand, Link] = field(default_factory=dict)
    dims: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        at_least_one(f"axis {self.name!r}: size", self.size)
        for operand, link in self.links.items():
            known("operand", operand, OPERANDS)
            known("kind of link", link.kind, ("unicast", "multicast", "neighbour", "reduce"))
            if (link.kind == "reduce" and operand != "O") or (
                link.kind == "multicast" and operand == "O"
            ):
                raise InputError(
                    f"axis {self.name!r}: {operand} cannot be linked by {link.kind}",
                    expected="multicast for I and W, reduce for O, neighbour or unicast for any",
                )
            not_negative(f"axis {self.name!r}: pj of {operand}", link.pj)
        for dim in self.dims or ():
            known("dimension", dim, DIMENSIONS)

    def link(self, operand: Operand) -> Link:
        """How the operand crosses this axis."""
        return self.links.get(operand, UNICAST)

    def shares(self, operand: Operand) -> bool:
        """True if instances that need (or add to) the same element cost the memory above one access."""
        return self.link(operand).kind != "unicast"


@dataclass(frozen=True, slots=True)
class Array:
    """A fan-out: everything below exists once per point of the grid that its axes span."""

    name: str
    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        if not self.axes:
            raise InputError(f"array {self.name!r} has no axes", expected="at least one axis")

    @property
    def size(self) -> int:
        """Instances."""
        return prod(axis.size for axis in self.axes)


@dataclass(frozen=True, slots=True)
class Memory:
    """One level of memory.

    Attributes:
        name: unique in the device.
        holds: operands that it can keep.
        capacity_bytes: of one instance; None: unbounded. A number is shared by all operands; a mapping gives
            each its own part.
        read_pj, write_pj: energy of one access of ``word_bits``; an operand of other width costs in proportion.
        word_bits: what the energies are stated for.
        read_bandwidth, write_bandwidth: elements per cycle of one instance, shared by the operands, or a
            mapping with a port for each; None: unbounded.
        double_buffered: operands whose next tile arrives while this one is used: twice the room, no waiting.
        psum_bits: width of an output in this memory where it is an accumulator, which keeps sums wider than
            outputs are outside of it; None: as the device's outputs.
    """

    name: str
    holds: tuple[Operand, ...] = OPERANDS
    capacity_bytes: PerOperand | None = None
    read_pj: PerOperand = 0.0
    write_pj: PerOperand = 0.0
    word_bits: int = 16
    read_bandwidth: PerOperand | None = None
    write_bandwidth: PerOperand | None = None
    double_buffered: tuple[Operand, ...] = ()
    psum_bits: int | None = None

    def __post_init__(self) -> None:
        where = f"memory {self.name!r}: "
        if not self.holds:
            raise InputError(where + "it holds nothing", expected="at least one of I, W, O")
        for operand in (*self.holds, *self.double_buffered):
            known("operand", operand, OPERANDS)
        at_least_one(where + "word_bits", self.word_bits)
        if self.psum_bits is not None:
            at_least_one(where + "psum_bits", self.psum_bits)
            if "O" not in self.holds:
                raise InputError(
                    where + "psum_bits, and it holds no outputs", expected="O in holds"
                )
        for name, value in (("read_pj", self.read_pj), ("write_pj", self.write_pj)):
            for number in _numbers(value, self.holds, where + name):
                not_negative(where + name, number)
        for name, bound in (
            ("capacity_bytes", self.capacity_bytes),
            ("read_bandwidth", self.read_bandwidth),
            ("write_bandwidth", self.write_bandwidth),
        ):
            if bound is not None:
                for number in _numbers(bound, self.holds, where + name):
                    if not isfinite(number) or number <= 0:
                        raise InputError(
                            f"{where}{name} is {number:g}", expected="a number above 0, or none"
                        )

    def width(self, operand: Operand, bits: int) -> int:
        """Bits that an element takes here, which has so many elsewhere."""
        return self.psum_bits if operand == "O" and self.psum_bits else bits

    def read_energy(self, operand: Operand, bits: int) -> float:
        """pJ to read one element of so many bits (elsewhere)."""
        return per_operand(self.read_pj, operand) * self.width(operand, bits) / self.word_bits

    def write_energy(self, operand: Operand, bits: int) -> float:
        """pJ to write one element of so many bits (elsewhere)."""
        return per_operand(self.write_pj, operand) * self.width(operand, bits) / self.word_bits


class Device(Printable):
    """Any hardware: an `Accelerator` or a `Roofline`."""

    __slots__ = ()

    @staticmethod
    def from_yaml(path: str | Path) -> Accelerator | Roofline:
        """The device that a file describes; see `steelyard.hardware.yamlfile.read_device`.

        Raises:
            FileFormatError: the file is missing, not YAML, or says something that no device can be.
        """
        from steelyard.hardware.yamlfile import read_device

        return read_device(path)

    def to_yaml(self) -> str:
        """The device as the text of a file that `from_yaml` reads."""
        from steelyard.hardware.yamlwriter import to_yaml

        return to_yaml(self)

    def to_dict(self) -> dict[str, Any]:
        """The device as plain data, with the keys of its file."""
        from steelyard.hardware.yamlwriter import to_dict

        return to_dict(self)


@dataclass(frozen=True, slots=True)
class Accelerator(Device):
    """A spatial accelerator.

    Attributes:
        name: what the user types.
        levels: outermost first; the first is a memory that holds all operands without bound.
        mac_pj: energy of one multiply-accumulate.
        bits: width of each operand.
        clock_hz: cycles per second.
        title: one line.
        node_nm, area_mm2: process and chip area, where known.
        dataflow: name of the dataflow that the device is built for, "" for any.
        zeros: what it makes of zeros; nothing if not said.
        energy_unit: of ``mac_pj`` and all other energies; ``MAC``: they are ratios to one operation, not joules.
        sources: where each number comes from: path in the device's file -> text.
    """

    name: str
    levels: tuple[Memory | Array, ...]
    mac_pj: float
    bits: Mapping[Operand, int] = field(default_factory=lambda: {"I": 16, "W": 16, "O": 16})
    clock_hz: float = 1e9
    title: str = ""
    node_nm: float | None = None
    area_mm2: float | None = None
    dataflow: str = ""
    zeros: Sparsity = field(default_factory=Sparsity)
    energy_unit: EnergyUnit = "pJ"
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"device {self.name!r}"
        if not self.levels or not isinstance(self.levels[0], Memory):
            raise InputError(
                f"{where}: no memory stands outermost", expected="DRAM as the first level"
            )
        outer = self.levels[0]
        if set(outer.holds) != set(OPERANDS) or outer.capacity_bytes is not None:
            raise InputError(
                f"{where}: the outermost memory {outer.name!r} is limited",
                expected="one that holds I, W and O without a capacity",
            )
        names = [level.name for level in self.levels]
        names += [axis.name for array in self.arrays for axis in array.axes]
        for name in names:
            if names.count(name) > 1:
                raise InputError(
                    f"{where}: two levels or axes are named {name!r}", expected="unique names"
                )
        if set(self.bits) != set(OPERANDS):
            raise InputError(f"{where}: bits of {sorted(self.bits)}", expected="bits of I, W and O")
        for operand, bits in self.bits.items():
            at_least_one(f"{where}: bits of {operand}", bits)
        for memory in self.memories:
            least = self.bits["O"] if memory is not outer else 0
            if memory.psum_bits is not None and not 0 < least <= memory.psum_bits:
                raise InputError(
                    f"{where}: sums of {memory.psum_bits} bits in {memory.name!r}, outputs of {self.bits['O']}",
                    expected="accumulators as wide as outputs or wider, not in the outermost memory",
                )
        not_negative(f"{where}: mac_pj", self.mac_pj)
        known("unit of energy", self.energy_unit, ENERGY_UNITS)
        if not isfinite(self.clock_hz) or self.clock_hz <= 0:
            raise InputError(
                f"{where}: clock_hz is {self.clock_hz:g}", expected="cycles per second above 0"
            )

    @property
    def memories(self) -> tuple[Memory, ...]:
        """The memories, outermost first."""
        return tuple(level for level in self.levels if isinstance(level, Memory))

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The arrays, outermost first."""
        return tuple(level for level in self.levels if isinstance(level, Array))

    @property
    def pes(self) -> int:
        """Multiply-accumulate units."""
        return prod(array.size for array in self.arrays)

    def instances(self, name: str) -> int:
        """How often the memory of that name exists.

        Raises:
            UnknownNameError: there is none.
        """
        count = 1
        for level in self.levels:
            if isinstance(level, Array):
                count *= level.size
            elif level.name == name:
                return count
        raise UnknownNameError("memory", name, [m.name for m in self.memories])

    def level(self, name: str) -> Memory | Array:
        """The memory or array of that name.

        Raises:
            UnknownNameError: there is none.
        """
        for level in self.levels:
            if level.name == name:
                return level
        raise UnknownNameError("level", name, [level.name for level in self.levels])

    @property
    def digest(self) -> str:
        """SHA-256 of everything that a mapping depends on (names, sources, units, use of zeros left out)."""
        content = asdict(self)
        for word in ("name", "title", "sources", "zeros", "node_nm", "area_mm2", "energy_unit"):
            del content[word]
        kinds = [type(level).__name__ for level in self.levels]
        text = json.dumps([content, kinds], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Roofline(Device):
    """A CPU or GPU of which only the ceilings are known.

    Attributes:
        name, title: as for `Accelerator`.
        peak_macs_per_s: by data type of the operands (``float32``, ``int8`` ...).
        bandwidth_bytes_per_s: by memory, the outermost (``dram``) first.
        memory_bytes: capacity of the outermost memory, where known.
        power_w: thermal design power, where known.
        clock_hz, node_nm, area_mm2: where known.
        sources: where each number comes from.
    """

    name: str
    peak_macs_per_s: Mapping[str, float]
    bandwidth_bytes_per_s: Mapping[str, float]
    title: str = ""
    memory_bytes: int | None = None
    power_w: float | None = None
    clock_hz: float | None = None
    node_nm: float | None = None
    area_mm2: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for word, numbers in (
            ("peak_macs_per_s", self.peak_macs_per_s),
            ("bandwidth_bytes_per_s", self.bandwidth_bytes_per_s),
        ):
            if not numbers:
                raise InputError(f"device {self.name!r}: no {word}", expected="at least one")
            for key, number in numbers.items():
                if not isfinite(number) or number <= 0:
                    raise InputError(
                        f"device {self.name!r}: {word} of {key} is {number:g}",
                        expected="a number above 0",
                    )


def per_operand(value: PerOperand, operand: Operand) -> float:
    """The number that applies to the operand (0 where a mapping leaves it out)."""
    return float(value.get(operand, 0.0)) if isinstance(value, Mapping) else float(value)


def _numbers(value: PerOperand, holds: tuple[Operand, ...], where: str) -> list[float]:
    if not isinstance(value, Mapping):
        return [value]
    if missing := [operand for operand in holds if operand not in value]:
        raise InputError(
            f"{where} says nothing of {', '.join(missing)}", expected=f"one for each of {holds}"
        )
    for operand in value:
        known("operand", operand, OPERANDS)
    return list(value.values())
