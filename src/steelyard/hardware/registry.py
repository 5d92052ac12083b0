"""Devices by name: the presets beside this file, the machine at hand (``cpu``), and users' own files."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from steelyard.errors import UnknownNameError
from steelyard.hardware.device import Accelerator, Roofline
from steelyard.hardware.yamlfile import read_device

PRESETS = Path(__file__).with_name("presets")
"""One file a device; its name is the device's."""

MEASURED = "cpu"
"""The device whose numbers are measured on this machine."""


def list_devices(pattern: str = "*") -> list[str]:
    """Names of the devices that match a shell pattern, in alphabetical order.

    >>> list_devices("eyeriss*")
    ['eyeriss', 'eyeriss_isca16', 'eyeriss_v2']
    """
    names = [file.stem for file in PRESETS.glob("*.yaml")] + [MEASURED]
    return sorted(name for name in names if fnmatchcase(name, pattern))


def device(name: str | Path) -> Accelerator | Roofline:
    """The device of that name, or the one that a YAML file describes.

    Args:
        name: one of `list_devices`, or a path: what has a folder or ends in ``.yaml`` or ``.yml``. ``cpu`` is
            measured, which takes seconds the first time on a machine.

    >>> device("eyeriss").pes
    168

    Raises:
        UnknownNameError: no such device; the nearest names are given.
        FileFormatError: the file is missing or wrong.
    """
    if isinstance(name, Path) or _is_path(name):
        return read_device(name)
    if name == MEASURED:
        from steelyard.hardware.measured import measured_cpu

        return measured_cpu()
    if name not in list_devices():
        raise UnknownNameError(
            "device", name, list_devices(), hint="steelyard devices, or the path of a .yaml file"
        )
    return _preset(name)


def _is_path(name: str) -> bool:
    return "/" in name or "\\" in name or name.lower().endswith((".yaml", ".yml"))


@lru_cache(maxsize=64)
def _preset(name: str) -> Accelerator | Roofline:
    return read_device(PRESETS / f"{name}.yaml")
