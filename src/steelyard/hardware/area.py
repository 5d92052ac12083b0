"""`silicon_area`: square millimetres of an accelerator's memories and multipliers, from published densities.

Control, wires, links and pads are not in it, which real chips are full of: it tells which of two variants of a device is
larger, not how large a chip is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from steelyard.errors import UsageError
from steelyard.hardware.device import Accelerator, PerOperand
from steelyard.hardware.energy_tables import mac_um2

STORAGE_NM = 65

_UM2_PER_BYTE = (
    (2, 103.47), (4, 172.07), (8, 177.07), (16, 169.89), (32, 96.06), (64, 59.15), (128, 39.94),
    (256, 27.48), (512, 20.87), (1024, 16.14), (2048, 13.89), (4096, 12.70),
)  # fmt: skip
"""Area per byte of a memory of so many bytes, in square micrometres (65 nm), linear between these sizes: the table in
the simulator of the row-stationary study (github.com/ominux/eyeriss-dataflow, a public copy)."""

LARGE_UM2 = 52020 / 4096
"""Per byte of a large memory, the same table unrounded."""


@dataclass(frozen=True, slots=True)
class SiliconArea:
    """Square millimetres, in the device's own process.

    Attributes:
        memories_mm2: of all memories with a bound.
        macs_mm2: of the multiply-accumulate units.
    """

    memories_mm2: float
    macs_mm2: float

    @property
    def mm2(self) -> float:
        """Of both."""
        return self.memories_mm2 + self.macs_mm2


def silicon_area(device: Accelerator) -> SiliconArea:
    """The area of a device's memories and multipliers.

    A memory that is divided between operands is one memory for each. Areas go with the square of the process.

    Raises:
        UsageError: a device that does not state its process.
    """
    if device.node_nm is None:
        raise UsageError(
            f"the area of {device.name} in an unknown process", expected="node_nm in its file"
        )
    storage = sum(
        device.instances(memory.name) * _held(memory.capacity_bytes)
        for memory in device.memories
        if memory.capacity_bytes is not None
    )
    macs = device.pes * mac_um2(max(device.bits["I"], device.bits["W"]), device.node_nm)
    return SiliconArea(storage * (device.node_nm / STORAGE_NM) ** 2 * 1e-6, macs * 1e-6)


def _held(capacity: PerOperand) -> float:
    parts = capacity.values() if isinstance(capacity, Mapping) else (capacity,)
    return sum(storage_um2(part) for part in parts)


def storage_um2(size: float) -> float:
    """Square micrometres of one memory of so many bytes, at 65 nm; below two bytes nothing is known, and it is 0."""
    if size >= _UM2_PER_BYTE[-1][0]:
        return size * _UM2_PER_BYTE[-1][1]
    for (small, dear), (large, cheap) in pairwise(_UM2_PER_BYTE):
        if small <= size < large:
            return size * (dear + (cheap - dear) * (size - small) / (large - small))
    return 0.0
