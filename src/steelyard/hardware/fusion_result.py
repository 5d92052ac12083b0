"""`Fusion` and `FusedGroup`: which layers were fused, how, and what it brought."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from steelyard.hardware.device import Operand
from steelyard.hardware.fusion_schedule import Halo


@dataclass(frozen=True, slots=True)
class FusedGroup:
    """Layers that are computed together.

    Attributes:
        layers: names, in order.
        rows: of the last map; height: of them, in a strip.
        strips: so many make the map.
        halo: ``whole`` (one strip), ``keep`` or ``recompute``.
        images: that pass through a strip together.
        weights_kept: all weights are fetched once and stay.
        room_bytes: the most that maps (and weights) take in the memory of the maps.
        extra_macs: operations done more than once.
        before, after: elements to and from the outermost memory by operand, apart and fused.
        energy_pj: apart and fused.
        cycles: apart and fused.
    """

    layers: tuple[str, ...]
    rows: int
    height: int
    strips: int
    halo: Halo
    images: int
    weights_kept: bool
    room_bytes: float
    extra_macs: int
    before: dict[Operand, int] = field(hash=False)
    after: dict[Operand, int] = field(hash=False)
    energy_pj: tuple[float, float]
    cycles: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        """The group as plain data."""
        return {
            "layers": list(self.layers),
            "rows": self.rows,
            "height": self.height,
            "strips": self.strips,
            "halo": self.halo,
            "images": self.images,
            "weights_kept": self.weights_kept,
            "room_bytes": self.room_bytes,
            "extra_macs": self.extra_macs,
            "dram_before": self.before,
            "dram_after": self.after,
            "energy_pj_before": self.energy_pj[0],
            "energy_pj_after": self.energy_pj[1],
            "cycles_before": self.cycles[0],
            "cycles_after": self.cycles[1],
        }


@dataclass(frozen=True, slots=True)
class Fusion:
    """What fusing brought.

    Attributes:
        memory: name of the memory of the maps, "" if the device has none.
        capacity_bytes: of it.
        groups: the fused groups in order.
        before, after: elements to and from the outermost memory, of the whole network, by operand.
        energy_pj: of the whole network, apart and fused.
    """

    memory: str
    capacity_bytes: float
    groups: tuple[FusedGroup, ...]
    before: dict[Operand, int] = field(hash=False)
    after: dict[Operand, int] = field(hash=False)
    energy_pj: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "memory": self.memory,
            "capacity_bytes": self.capacity_bytes,
            "dram_before": self.before,
            "dram_after": self.after,
            "energy_pj_before": self.energy_pj[0],
            "energy_pj_after": self.energy_pj[1],
            "groups": [group.to_dict() for group in self.groups],
        }
