"""`Places`: the devices that a search asks about, found once, so that every worker means the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steelyard.design.latency import Clock, clock, energy_device
from steelyard.design.search.goals import PLACED, SEARCHED, Quantity
from steelyard.hardware.area import silicon_area
from steelyard.hardware.device import Accelerator
from steelyard.hardware.estimate import accelerator


@dataclass(frozen=True, slots=True)
class Places:
    """Devices by the names that quantities call them.

    Attributes:
        clocks: where a latency is asked for.
        chips: where an energy is asked for.
        areas: square millimetres, where they are asked for.
    """

    clocks: Mapping[str, Clock]
    chips: Mapping[str, Accelerator]
    areas: Mapping[str, float]

    @property
    def measures(self) -> bool:
        """Whether networks run on this machine to be timed."""
        return any(one.means == "measured" for one in self.clocks.values())


def places(wanted: Sequence[Quantity]) -> Places:
    """The devices of some quantities, other than the one that is searched.

    Raises:
        UsageError: a device that does not tell what is asked.
        UnknownNameError: no such device.
    """
    asked = {
        name: [q.device for q in wanted if q.name == name and q.device != SEARCHED]
        for name in PLACED
    }
    return Places(
        {name: clock(name) for name in asked["latency_ms"]},
        {name: energy_device(name) for name in asked["energy_mj"]},
        {name: silicon_area(accelerator(name)).mm2 for name in asked["area_mm2"]},
    )
