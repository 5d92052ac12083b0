"""`roofline`: the speed that a device's ceilings allow each layer of a workload, and which ceiling it meets.

Attainable = min(peak, bandwidth x operations per byte) (Williams, Waterman, Patterson, Roofline, 2009), here in
multiply-accumulates, with every tensor moved once: an upper bound for any program. Layers without
multiply-accumulates take the time of their data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from steelyard._display import Printable
from steelyard.errors import UsageError
from steelyard.hardware.device import Accelerator, Operand, PerOperand, Roofline
from steelyard.hardware.registry import device as find_device
from steelyard.workload import Layer, Workload
from steelyard.workload.tensor import dtype_bits

Limit = Literal["compute", "memory", "nothing"]


@dataclass(frozen=True, slots=True)
class Point:
    """One layer under the roof.

    Attributes:
        name, kind: of the layer.
        macs: multiply-accumulates.
        access_bytes: of its tensors, each moved once.
        attainable_macs_per_s: the roof above it; 0 without multiply-accumulates.
        time_s: the shortest time that the ceilings allow.
        limit: the ceiling that it meets: ``compute`` or ``memory``; ``nothing`` for a view.
    """

    name: str
    kind: str
    macs: int
    access_bytes: float
    attainable_macs_per_s: float
    time_s: float
    limit: Limit

    @property
    def intensity(self) -> float:
        """Multiply-accumulates per byte; 0.0 where nothing is accessed."""
        return self.macs / self.access_bytes if self.access_bytes else 0.0


@dataclass(frozen=True, slots=True)
class RooflineReport(Printable):
    """All layers of a workload under one device's roof.

    Attributes:
        workload, device: names.
        dtype: data type of the peak, or the accelerator's widths.
        peak_macs_per_s: the flat part of the roof.
        bandwidth_bytes_per_s: the slope: reading from the outermost memory.
        layers: in order of execution.
    """

    workload: str
    device: str
    dtype: str
    peak_macs_per_s: float
    bandwidth_bytes_per_s: float
    layers: tuple[Point, ...]

    @property
    def ridge(self) -> float:
        """Multiply-accumulates per byte from which on the peak can be reached."""
        return self.peak_macs_per_s / self.bandwidth_bytes_per_s

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers."""
        return sum(point.macs for point in self.layers)

    @property
    def time_s(self) -> float:
        """The layers' times, one after the other."""
        return sum(point.time_s for point in self.layers)

    @property
    def attainable_macs_per_s(self) -> float:
        """Of the whole network."""
        return self.macs / self.time_s if self.time_s else 0.0

    @property
    def memory_share(self) -> float:
        """Part of the time in which the memory is the limit."""
        bound = sum(point.time_s for point in self.layers if point.limit == "memory")
        return bound / self.time_s if self.time_s else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a versioned schema."""
        return {
            "schema": "steelyard.roofline/1",
            "workload": self.workload,
            "device": self.device,
            "dtype": self.dtype,
            "peak_macs_per_s": self.peak_macs_per_s,
            "bandwidth_bytes_per_s": self.bandwidth_bytes_per_s if self.bounded else None,
            "macs": self.macs,
            "time_s": self.time_s,
            "attainable_macs_per_s": self.attainable_macs_per_s,
            "layers": [
                {
                    "name": point.name,
                    "kind": point.kind,
                    "macs": point.macs,
                    "access_bytes": point.access_bytes,
                    "intensity": point.intensity,
                    "attainable_macs_per_s": point.attainable_macs_per_s,
                    "time_s": point.time_s,
                    "limit": point.limit,
                }
                for point in self.layers
            ],
        }

    @property
    def bounded(self) -> bool:
        """False for a device whose outermost memory is never waited for."""
        return self.bandwidth_bytes_per_s != float("inf")


def roofline(
    load: Workload, device: str | Accelerator | Roofline, *, dtype: str | None = None
) -> RooflineReport:
    """The roofline of a workload on a device.

    Args:
        load: the captured network.
        device: a device or its name.
        dtype: what a CPU or GPU computes in; by default the workload's own type. An accelerator computes in
            its own widths.

    Raises:
        UsageError: the device has no peak for the data type, or it is an accelerator and one is given.
        UnknownNameError, FileFormatError: see `steelyard.hardware.registry.device`.
    """
    found = find_device(device) if isinstance(device, str) else device
    if isinstance(found, Roofline):
        roof = _of_roofline(load, found, dtype)
    elif dtype is None:
        roof = _of_accelerator(found)
    else:
        raise UsageError(
            f"dtype={dtype!r} for the accelerator {found.name}",
            expected="none: an accelerator computes in its own widths",
        )
    return RooflineReport(
        load.name,
        found.name,
        roof.dtype,
        roof.peak,
        roof.bandwidth,
        tuple(_point(load, layer, roof) for layer in load.layers),
    )


@dataclass(frozen=True, slots=True)
class _Roof:
    """Peak, and elements and bits a second for each operand, read and written."""

    dtype: str
    peak: float
    bits: Mapping[Operand, float]
    reads: PerOperand
    writes: PerOperand
    one_port: bool
    bandwidth: float


def _of_roofline(load: Workload, device: Roofline, dtype: str | None) -> _Roof:
    own = next((load.tensor(name).dtype for name in load.inputs), "float32")
    wanted = dtype or own
    if wanted not in device.peak_macs_per_s:
        known = ", ".join(device.peak_macs_per_s)
        raise UsageError(
            f"{device.name} has no peak for {wanted}",
            expected=f"one of {known}",
            hint=f"--dtype {next(iter(device.peak_macs_per_s))}, or dtype=",
        )
    # tfloat32 is stored as float32
    bits = float(dtype_bits("float32" if wanted == "tfloat32" else wanted))
    bandwidth = next(iter(device.bandwidth_bytes_per_s.values()))
    each: dict[Operand, float] = {"I": bits, "W": bits, "O": bits}
    rate = bandwidth * 8 / bits
    return _Roof(wanted, device.peak_macs_per_s[wanted], each, rate, rate, True, bandwidth)


def _of_accelerator(device: Accelerator) -> _Roof:
    outer = device.memories[0]

    def per_second(bandwidth: PerOperand | None) -> PerOperand:
        if bandwidth is None:
            return float("inf")
        if isinstance(bandwidth, Mapping):
            return {operand: value * device.clock_hz for operand, value in bandwidth.items()}
        return bandwidth * device.clock_hz

    reads, writes = per_second(outer.read_bandwidth), per_second(outer.write_bandwidth)
    bits = {operand: float(width) for operand, width in device.bits.items()}
    if isinstance(reads, Mapping):
        slope = sum(reads[operand] * bits[operand] / 8 for operand in ("I", "W"))
    else:
        slope = reads * bits["I"] / 8
    widths = " ".join(f"{operand}{width}" for operand, width in device.bits.items())
    return _Roof(widths, device.pes * device.clock_hz, bits, reads, writes, False, slope)


def _point(load: Workload, layer: Layer, roof: _Roof) -> Point:
    elements = moved_elements(load, layer)
    moved = sum(count * roof.bits[operand] / 8 for operand, count in elements.items())
    read: dict[Operand, int] = {"I": elements["I"], "W": elements["W"]}
    times = [_seconds(read, roof.reads), _seconds({"O": elements["O"]}, roof.writes)]
    data_s = sum(times) if roof.one_port else max(times)
    compute_s = layer.macs / roof.peak
    time_s = max(data_s, compute_s)
    limit: Limit = "nothing" if not time_s else "compute" if compute_s >= data_s else "memory"
    rate = layer.macs / time_s if time_s else 0.0
    return Point(layer.name, layer.kind, layer.macs, moved, rate, time_s, limit)


def _seconds(elements: Mapping[Operand, int], rate: PerOperand) -> float:
    if isinstance(rate, Mapping):
        return max((count / rate[operand] for operand, count in elements.items()), default=0.0)
    return sum(elements.values()) / rate


def moved_elements(load: Workload, layer: Layer) -> dict[Operand, int]:
    """Elements that a layer moves if each of its tensors moves once: read as I and W, written as O.

    Views move nothing; a look-up reads as much of its table as it writes.
    """
    if layer.kind == "view":
        return {"I": 0, "W": 0, "O": 0}
    inputs = sum(load.tensor(name).numel for name in dict.fromkeys(layer.inputs))
    weights = sum(load.tensor(name).numel for name in dict.fromkeys(layer.params))
    outputs = sum(load.tensor(name).numel for name in layer.outputs)
    if layer.kind == "create":
        inputs = weights = 0
    if layer.kind == "embedding":
        weights = min(weights, outputs)
    return {"I": inputs, "W": weights, "O": outputs}
