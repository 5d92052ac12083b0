"""In what a device states its energies: picojoules, or MACs where a study gives only ratios to one operation.

Every figure that is called pJ elsewhere is in the device's own unit; these functions name it when it is printed.
"""

from __future__ import annotations

from collections.abc import Iterable

from steelyard.hardware.device import Accelerator, Device
from steelyard.units import format_si


def relative(device: Device) -> bool:
    """True if energies are multiples of the energy of one MAC, and joules and watts unknown."""
    return isinstance(device, Accelerator) and device.energy_unit == "MAC"


def comparable(device: Device, others: Iterable[Device]) -> bool:
    """True if the device's energies may stand beside those of the others: ratios only among themselves."""
    return not relative(device) or all(map(relative, others))


def format_energy(energy: float, device: Device) -> str:
    """An energy of the device with its unit: ``7.9 µJ``, or ``34 MMAC`` where it is counted in MACs."""
    return format_si(round(energy), "MAC") if relative(device) else format_si(energy * 1e-12, "J")


def format_power(watts: float | None) -> str:
    """Watts, or that they are unknown."""
    return "power unknown" if watts is None else format_si(watts, "W")


def million(device: Device) -> str:
    """The unit of a table that holds millionths of what the device states: ``µJ`` or ``M MAC``."""
    return "M MAC" if relative(device) else "µJ"


def energy_axis(device: Device) -> str:
    """The unit at an axis of energies: ``J`` or ``MAC``."""
    return "MAC" if relative(device) else "J"


def unit_note(device: Accelerator) -> tuple[str, ...]:
    """The sentence that stands beside energies which are no joules."""
    if not relative(device):
        return ()
    return (
        f"Energies of {device.name} are multiples of the energy of one MAC, not joules: only ratios mean anything, "
        "and power is unknown.",
    )
