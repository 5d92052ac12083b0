"""Energy of a stretch of time, from the counters that the machine offers: RAPL (CPU) and NVML (NVIDIA); else why not."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RAPL = Path("/sys/class/powercap")


@dataclass(frozen=True, slots=True)
class Energy:
    """Joules, or the reason why they are unknown; never 0 for unknown.

    Attributes:
        joules: of the whole package or board, whatever else it did meanwhile; None if unknown.
        source: which counter.
        unavailable: the reason; "" if there is a figure.
    """

    joules: float | None
    source: str = ""
    unavailable: str = ""

    def per(self, count: int) -> Energy:
        """Shared out among ``count`` inferences."""
        if self.joules is None:
            return self
        return Energy(self.joules / count, self.source)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"joules": self.joules, "source": self.source, "unavailable": self.unavailable}


@dataclass(slots=True)
class Meter:
    """Counts while it is on, over several stretches.

    Attributes:
        source: which counter; "" if there is none.
        unavailable: why there is none.
        joules: so far.
    """

    source: str
    unavailable: str
    read: Callable[[], float] | None = None
    wraps_at: float | None = None
    joules: float = 0.0
    _broken: str = field(default="")

    @contextmanager
    def on(self) -> Iterator[None]:
        """Adds what is used inside."""
        before = self._now()
        try:
            yield
        finally:
            after = self._now()
            if before is not None and after is not None:
                used = after - before
                if used < 0 and self.wraps_at:
                    used += self.wraps_at
                if used < 0:
                    self._broken = f"{self.source} ran backwards"
                self.joules += max(used, 0.0)

    def _now(self) -> float | None:
        if self.read is None or self._broken:
            return None
        try:
            return self.read()
        except (OSError, ValueError) as error:
            self._broken = f"{self.source} stopped answering: {error}"
            return None

    def energy(self) -> Energy:
        """What was counted."""
        if self.read is None:
            return Energy(None, unavailable=self.unavailable)
        if self._broken or self.joules <= 0:
            return Energy(None, unavailable=self._broken or f"{self.source} did not move")
        return Energy(self.joules, self.source)


def meter(place: str = "cpu") -> Meter:
    """The counter for where a network runs: ``cpu`` or ``cuda``."""
    return _nvml() if place == "cuda" else _rapl(RAPL)


def _rapl(folder: Path) -> Meter:
    """Intel's and AMD's counter of a package's energy, in microjoules, as Linux shows it."""
    packages = sorted(folder.glob("*-rapl:?")) + sorted(folder.glob("*-rapl:??"))
    files = [package / "energy_uj" for package in packages]
    if not files:
        return Meter(
            "", "no RAPL counter here (Linux on Intel or AMD has one, virtual machines rarely)"
        )
    wraps = 0.0
    try:
        for file in files:
            int(file.read_text("ascii"))
            with suppress(OSError, ValueError):
                wraps += int((file.parent / "max_energy_range_uj").read_text("ascii")) / 1e6
    except PermissionError:
        return Meter("", f"{files[0]} may be read by root only")
    except (OSError, ValueError) as error:
        return Meter("", f"{files[0]} cannot be read: {error}")

    def read() -> float:
        return sum(int(file.read_text("ascii")) for file in files) / 1e6

    return Meter("RAPL, whole package", "", read, wraps or None)


def _nvml() -> Meter:
    """NVIDIA's counter of a board's energy, in millijoules (Volta and newer)."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return Meter("", "the package nvidia-ml-py is not installed")
    try:
        nvml.nvmlInit()
        board = nvml.nvmlDeviceGetHandleByIndex(0)
        nvml.nvmlDeviceGetTotalEnergyConsumption(board)
    except nvml.NVMLError as error:
        return Meter("", f"NVML: {error}")

    def read() -> float:
        try:
            return float(nvml.nvmlDeviceGetTotalEnergyConsumption(board)) / 1e3
        except nvml.NVMLError as error:
            raise OSError(str(error)) from error

    return Meter("NVML, whole board", "", read)
