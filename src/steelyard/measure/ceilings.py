"""`ceilings`: peak rate of arithmetic and of memory that this machine reaches by number of threads, measured."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any

from steelyard._display import Printable
from steelyard.errors import BackendError
from steelyard.measure.child import available_cores, cores_for, pin, thread_environment

_LIMIT_S = 300.0
_CODE = """
import json
from steelyard.hardware.measured import measured_cpu
found = measured_cpu()
print(json.dumps([found.peak_macs_per_s["float32"], found.bandwidth_bytes_per_s["dram"],
                  found.sources["peak_macs_per_s"]]))
"""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The roofline of this machine with so many threads, see `steelyard.hardware.measured`.

    Attributes:
        threads: each on a core of its own.
        macs_per_s: the fastest matrix product, float32.
        bytes_per_s: the fastest copy from and to memory, read plus written.
        source: how it was measured.
    """

    threads: int
    macs_per_s: float
    bytes_per_s: float
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Ceilings(Printable):
    """The rooflines of this machine, from one thread to as many as it has cores."""

    rows: tuple[Ceiling, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.ceilings/1``."""
        return {
            "schema": "steelyard.ceilings/1",
            "ceilings": [one.to_dict() for one in self.rows],
        }


def ceilings() -> Ceilings:
    """Measured with 1, 2, 4 ... threads and as many as this process may use cores; seconds the first time.

    Raises:
        BackendError: a process that measured failed.
    """
    most = available_cores()
    counts = [2**n for n in range(most.bit_length()) if 2**n < most]
    return Ceilings(tuple(ceiling(count) for count in (*counts, most)))


def ceiling(threads: int | None = None) -> Ceiling:
    """Measured in a process of its own, pinned to as many cores; remembered in the cache folder.

    Args:
        threads: default: as many as this process may use cores.

    Raises:
        BackendError: the process failed.
    """
    count = threads or available_cores()
    cores = cores_for(count)
    process = subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", _CODE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=thread_environment(count, pinned=cores is not None),
    )  # fmt: skip
    if cores is not None:
        pin(process.pid, cores)
    try:
        out, said = process.communicate(timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise BackendError(f"measuring the roofline took over {_LIMIT_S:.0f} s") from None
    if process.returncode:
        last = (said.strip().splitlines() or [""])[-1]
        raise BackendError(f"measuring the roofline ended with {process.returncode}: {last}")
    rate, bandwidth, source = json.loads(out)
    return Ceiling(count, float(rate), float(bandwidth), str(source))
