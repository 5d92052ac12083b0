"""Variants of a device: what may be varied, how that is written, and the device that results.

A sweep is written ``PATH=VALUES``. PATH is a memory's or axis's field (``glb.capacity_bytes``,
``spad.capacity_bytes.W``, ``x.size``, ``dram.read_bandwidth``), a field of the device (``clock_hz``,
``mac_pj``) or ``dataflow``; ``glb_bytes`` is short for ``glb.capacity_bytes``. VALUES are a list
(``32KiB,64KiB``) or a range that doubles (``32KiB..1MiB``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from steelyard.errors import InputError, UnknownNameError, UsageError
from steelyard.hardware.device import OPERANDS, Accelerator, Array, Memory, PerOperand
from steelyard.hardware.energy_tables import sram_pj
from steelyard.units import parse_bytes, parse_count

Value = int | float | str
MOST = 100_000
"""Points of one sweep; more would not end."""

_MEMORY = ("capacity_bytes", "read_pj", "write_pj", "read_bandwidth", "write_bandwidth")
_DEVICE = ("clock_hz", "mac_pj")


@dataclass(frozen=True, slots=True)
class Sweep:
    """One thing that is varied, and its values in order."""

    path: str
    values: tuple[Value, ...]


def parse_sweep(text: str) -> Sweep:
    """A sweep as one types it.

    >>> parse_sweep("glb.capacity_bytes=32KiB..128KiB").values
    (32768, 65536, 131072)

    Raises:
        UsageError: it cannot be read.
    """
    path, equals, values = text.partition("=")
    path = path.strip()
    if not equals or not path or not values.strip():
        raise UsageError(
            f"the sweep {text!r}", expected="PATH=VALUES, e.g. glb.capacity_bytes=32KiB..1MiB"
        )
    if "." not in path and path.endswith("_bytes"):
        path = f"{path.removesuffix('_bytes')}.capacity_bytes"
    if path == "dataflow":
        return Sweep(path, tuple(dict.fromkeys(word.strip().upper() for word in values.split(","))))
    first, dots, last = values.partition("..")
    if dots:
        low, high = _number(path, first), _number(path, last)
        if not 0 < low <= high:
            raise UsageError(f"the sweep {text!r}", expected="a range that rises from above 0")
        found = [low]
        while found[-1] * 2 <= high:
            found.append(found[-1] * 2)
    else:
        found = [_number(path, word) for word in values.split(",")]
    return Sweep(path, tuple(dict.fromkeys(found)))


def _number(path: str, word: str) -> int | float:
    try:
        if "capacity_bytes" in path:
            return parse_bytes(word)
        if path == "clock_hz":
            word = word.strip().removesuffix("Hz")
        try:
            return float(word) if "." in word else int(word)
        except ValueError:
            return parse_count(word)
    except UsageError as error:
        raise UsageError(
            f"in the sweep of {path}: {error.given}", expected=error.expected
        ) from error


def settings(sweeps: Sequence[Sweep]) -> Iterator[dict[str, Value]]:
    """Every combination of the values.

    Raises:
        UsageError: none to vary, a path twice, or too many combinations.
    """
    paths = [sweep.path for sweep in sweeps]
    if not sweeps or len(set(paths)) < len(paths):
        raise UsageError(f"a sweep of {', '.join(paths) or 'nothing'}", expected="each path once")
    points = 1
    for sweep in sweeps:
        points *= len(sweep.values)
    if points > MOST:
        raise UsageError(f"a sweep of {points:,} points", expected=f"at most {MOST:,}")
    for values in product(*(sweep.values for sweep in sweeps)):
        yield dict(zip(paths, values, strict=True))


def variant(device: Accelerator, chosen: Mapping[str, Value]) -> Accelerator:
    """The device with some numbers changed.

    Where a memory's capacity changes and its energies do not, they change as an SRAM's do
    (`steelyard.hardware.energy_tables.sram_pj`).

    Args:
        device: to start from.
        chosen: path -> value; ``dataflow`` is no part of a device and left to the caller.

    Raises:
        UnknownNameError: no such level, axis or field.
        InputError: a value that no device can have.
    """
    for path, value in chosen.items():
        if path != "dataflow":
            device = _changed(device, path, value, tuple(chosen))
    return device


def _changed(device: Accelerator, path: str, value: Value, paths: tuple[str, ...]) -> Accelerator:
    head, _, rest = path.partition(".")
    number = float(value)
    if path in _DEVICE:
        return (
            replace(device, clock_hz=number)
            if path == "clock_hz"
            else replace(device, mac_pj=number)
        )
    memories = {memory.name: memory for memory in device.memories}
    axes = {axis.name for array in device.arrays for axis in array.axes}
    if head in memories:
        return _put(device, head, _memory(memories[head], rest, number, paths))
    if head in axes and rest == "size":
        return _resized(device, head, value)
    known = [f"{name}.{field}" for name in memories for field in _MEMORY]
    raise UnknownNameError(
        "parameter",
        path,
        [*known, *(f"{name}.size" for name in axes), *_DEVICE, "dataflow"],
        hint=f"MEMORY.capacity_bytes with one of {', '.join(memories)}; AXIS.size with one of "
        f"{', '.join(sorted(axes)) or 'none'}; {', '.join(_DEVICE)} or dataflow",
    )


def _memory(memory: Memory, field: str, number: float, paths: tuple[str, ...]) -> Memory:
    name, _, operand = field.partition(".")
    if name not in _MEMORY or (operand and operand not in memory.holds):
        raise UnknownNameError(
            "parameter", f"{memory.name}.{field}", [f"{memory.name}.{known}" for known in _MEMORY]
        )
    old: PerOperand | None = getattr(memory, name)
    new: PerOperand = number
    if operand:
        parts = dict(old) if isinstance(old, Mapping) else dict.fromkeys(memory.holds, old or 0.0)
        new = {each: number if each == operand else parts[each] for each in memory.holds}
    elif isinstance(old, Mapping):
        raise InputError(
            f"{memory.name}.{name} differs by operand",
            expected=" or ".join(f"{memory.name}.{name}.{each}" for each in memory.holds),
        )
    if name == "capacity_bytes":
        if old is None:
            raise InputError(f"memory {memory.name!r} is unbounded: its capacity cannot be varied")
        if not {f"{memory.name}.read_pj", f"{memory.name}.write_pj"} & set(paths):
            memory = _repriced(memory, old, new)
        return replace(memory, capacity_bytes=new)
    fields = {known: getattr(memory, known) for known in _MEMORY} | {name: new}
    return replace(memory, **fields)


def _repriced(memory: Memory, old: PerOperand, new: PerOperand) -> Memory:
    """The energies of another capacity."""

    def factor(operand: str) -> float:
        before, after = (c[operand] if isinstance(c, Mapping) else c for c in (old, new))  # type: ignore[index]
        if after <= 0:
            raise InputError(f"memory {memory.name!r} of {after:g} bytes", expected="above 0")
        return sram_pj(after) / sram_pj(before)

    def scaled(price: PerOperand) -> PerOperand:
        if isinstance(price, Mapping) or isinstance(new, Mapping):
            each = price if isinstance(price, Mapping) else dict.fromkeys(memory.holds, price)
            return {operand: pj * factor(operand) for operand, pj in each.items()}
        return price * factor(OPERANDS[0])

    return replace(memory, read_pj=scaled(memory.read_pj), write_pj=scaled(memory.write_pj))


def _put(device: Accelerator, name: str, memory: Memory) -> Accelerator:
    levels = tuple(memory if level.name == name else level for level in device.levels)
    return replace(device, levels=levels)


def _resized(device: Accelerator, name: str, value: Value) -> Accelerator:
    if not isinstance(value, int) or value < 1:
        raise InputError(f"axis {name!r} of size {value!r}", expected="a whole number from 1")
    levels = tuple(
        replace(
            level,
            axes=tuple(replace(a, size=value) if a.name == name else a for a in level.axes),
        )
        if isinstance(level, Array)
        else level
        for level in device.levels
    )
    return replace(device, levels=levels)
