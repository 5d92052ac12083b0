"""Scalability on one chip: speed and energy against the number of PEs, the array grown by stated rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from steelyard._display import Printable
from steelyard.errors import InputError, UsageError
from steelyard.hardware.device import Accelerator, Array, Memory, PerOperand
from steelyard.hardware.energy_units import relative
from steelyard.hardware.estimate import estimate
from steelyard.hardware.estimate_result import Estimate
from steelyard.hardware.mapper_answer import Objective
from steelyard.metrics.card import Factor, Figure, product, unavailable
from steelyard.workload import Workload

SCHEMA = "steelyard.scaling_of_pes/1"
Grow = Literal["array", "bandwidth"]

RULES: dict[Grow, str] = {
    "array": "the outermost array's shortest axis doubles, then the next; memories and their bandwidths stay",
    "bandwidth": "the outermost array's shortest axis doubles, then the next; the bandwidths of all memories outside "
    "of it, DRAM's too, grow with the PEs",
}
"""What grows."""

FACTORS = (1, 2, 4)

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """The device at one size.

    Attributes:
        factor: of the number of PEs.
        pes: of them.
        per_s: inferences a second; None where something does not fit.
        energy: of one inference, in joules, or MACs where the device's energies are multiples of an operation's.
        utilization: of the PEs.
        problem: why there is no figure; "" if there is.
    """

    factor: float
    pes: int
    per_s: float | None
    energy: float | None
    utilization: float | None
    problem: str = ""


@dataclass(frozen=True, repr=False)
class PeScaling(Printable):
    """A network on a device of several sizes.

    Attributes:
        network, device: names.
        rule: what grows; a key of `RULES`.
        objective: what each mapping minimises.
        energy_unit: ``J`` or ``MAC``, of every energy.
        sizes: as asked for; the first is what speed-ups are taken from.
    """

    network: str
    device: str
    rule: Grow
    objective: Objective
    energy_unit: str
    sizes: tuple[Size, ...]

    def speedup(self, size: Size) -> float | None:
        """Throughput over that of the first size."""
        first = self.sizes[0].per_s
        return size.per_s / first if size.per_s and first else None

    def figure(self) -> Figure:
        """Speed-up of the largest size over how much larger it is: 1 is a device that scales."""
        first, last = self.sizes[0], self.sizes[-1]
        name = "speed-up per PE"
        if not first.per_s or not last.per_s:
            reason = next((one.problem for one in self.sizes if one.problem), "nothing takes time")
            return unavailable(name, "share", reason)
        factors = (
            Factor(f"throughput of {last.pes} PEs", last.per_s, "inferences/s"),
            Factor(f"throughput of {first.pes} PEs", first.per_s, "inferences/s", divides=True),
            Factor("times as many PEs", last.pes / first.pes, "", divides=True),
        )
        return product(name, "share", factors, "modelled")

    def energy_figure(self) -> Figure:
        """Energy of an inference at the largest size over that at the first."""
        first, last = self.sizes[0], self.sizes[-1]
        name = f"energy, {last.pes} PEs to {first.pes}"
        if not first.energy or not last.energy:
            return unavailable(name, "", "a size has no figure")
        factors = (
            Factor(f"energy, {last.pes} PEs", last.energy, self.energy_unit),
            Factor(f"energy, {first.pes} PEs", first.energy, self.energy_unit, divides=True),
        )
        return product(name, "", factors, "modelled")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.scaling_of_pes/1``."""
        return {
            "schema": SCHEMA,
            "network": self.network,
            "device": self.device,
            "rule": self.rule,
            "objective": self.objective,
            "energy_unit": self.energy_unit,
            "sizes": [{**asdict(one), "speedup": self.speedup(one)} for one in self.sizes],
        }

    def __repr__(self) -> str:
        return f"<PeScaling of {self.device} for {self.network}: {len(self.sizes)} sizes>"


def pe_scaling(
    load: Workload,
    device: Accelerator,
    *,
    factors: Sequence[float] = FACTORS,
    rule: Grow = "array",
    objective: Objective = "energy",
    dataflow: str = "",
    first: Estimate | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> PeScaling:
    """A network on a device with more and fewer PEs.

    Args:
        load: the network.
        device: at its own size.
        factors: powers of two, of the number of PEs, in the order shown.
        rule: what grows with the PEs.
        objective, dataflow: of the mappings, as in `steelyard.estimate`.
        first: the estimate at the device's own size by the same objective and dataflow, if there is one.
        workers: threads; None: one a core.
        progress: called with (done, all, size).

    Raises:
        UsageError: no factor, one that is no power of two, or no such rule.
        InputError: an array that cannot be halved so often.
    """
    if not factors:
        raise UsageError("no size to try", expected="factors such as 1, 2, 4")
    if rule not in RULES:
        raise UsageError(f"the rule {rule!r}", expected=" or ".join(RULES))
    unit, scale = ("MAC", 1.0) if relative(device) else ("J", 1e-12)
    sizes = []
    for number, factor in enumerate(factors):
        chip = resized(device, factor, rule)
        if progress is not None:
            progress(number, len(factors), f"{chip.pes} PEs")
        try:
            found = (
                first
                if factor == 1 and first is not None
                else estimate(load, chip, objective=objective, dataflow=dataflow, workers=workers)
            )
        except InputError as error:
            sizes.append(Size(factor, chip.pes, None, None, None, error.given))
            continue
        sizes.append(
            Size(
                factor,
                chip.pes,
                found.throughput_per_s if found.cycles else None,
                scale * found.energy_pj / found.batch,
                found.utilization,
            )
        )
    return PeScaling(load.name, device.name, rule, objective, unit, tuple(sizes))


def resized(device: Accelerator, factor: float, rule: Grow = "array") -> Accelerator:
    """The device with ``factor`` times as many PEs.

    >>> from steelyard.hardware.registry import device
    >>> [(axis.name, axis.size) for axis in resized(device("eyeriss"), 2).arrays[0].axes]
    [('x', 14), ('y', 24)]

    Raises:
        UsageError: a factor that is no power of two.
        InputError: an axis of odd size would have to be halved.
    """
    steps = _steps(factor)
    if not device.arrays:
        raise InputError(
            f"{device.name} has no array", expected="an accelerator with PEs in an array"
        )
    array = device.arrays[0]
    sizes = {axis.name: axis.size for axis in array.axes}
    for _ in range(abs(steps)):
        if steps > 0:
            sizes[min(sizes, key=lambda name: sizes[name])] *= 2
            continue
        even = [name for name, size in sizes.items() if size % 2 == 0]
        if not even:
            raise InputError(
                f"the array {array.name!r} of {device.name} cannot be halved so often",
                expected="larger factors",
            )
        sizes[max(even, key=lambda name: sizes[name])] //= 2
    axes = tuple(replace(axis, size=sizes[axis.name]) for axis in array.axes)
    levels = tuple(
        replace(array, axes=axes) if level is array else level for level in device.levels
    )
    grown = replace(device, levels=levels)
    return _wider(grown, factor, array.name) if rule == "bandwidth" else grown


def _steps(factor: float) -> int:
    steps = (
        round(abs(factor)).bit_length() - 1
        if factor >= 1
        else 1 - round(1 / max(factor, 1e-9)).bit_length()
    )
    if factor <= 0 or 2.0**steps != factor:
        raise UsageError(
            f"{factor:g} times as many PEs", expected="a power of two, such as 0.5, 2 or 4"
        )
    return steps


def _wider(device: Accelerator, factor: float, array: str) -> Accelerator:
    levels: list[Memory | Array] = []
    outside = True
    for level in device.levels:
        outside = outside and level.name != array
        if outside and isinstance(level, Memory):
            level = replace(
                level,
                read_bandwidth=_times(level.read_bandwidth, factor),
                write_bandwidth=_times(level.write_bandwidth, factor),
            )
        levels.append(level)
    return replace(device, levels=tuple(levels))


def _times(bandwidth: PerOperand | None, factor: float) -> PerOperand | None:
    if bandwidth is None:
        return None
    if isinstance(bandwidth, Mapping):
        return {operand: value * factor for operand, value in bandwidth.items()}
    return bandwidth * factor


# below the classes that it prints, so that whoever has a result can print it
from steelyard.metrics import layout_tables as _layout  # noqa: E402, F401
