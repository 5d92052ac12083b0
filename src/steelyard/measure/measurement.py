"""`Measurement`: one network in one setting, timed, with everything that is needed to believe it; and many of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from steelyard._display import Printable
from steelyard.measure.against_macs import AgainstMacs
from steelyard.measure.energy import Energy
from steelyard.measure.timing import Timing


@dataclass(frozen=True)
class Measurement(Printable):
    """One row.

    Attributes:
        network: the source, or the module's class.
        setting: backend and options.
        ran: what really computed.
        precision: of the arithmetic asked for.
        batch: samples in an inference.
        threads: of the computation.
        pinned: the cores they were bound to; () where they were free to move.
        keep_freed: the C library kept freed memory.
        timing: every sample, in order.
        deviation: largest difference to the float32 reference, as a share of its largest magnitude.
        tolerance: what was allowed.
        prepare_s: seconds for loading and compiling.
        peak_memory_bytes: the most that was held above what the process held before; None if unknown.
        energy: of one inference, or why it is unknown.
        machine: key of the environment, see `steelyard.measure.environment`.
        taken_at: UTC, ISO 8601.
        warnings: what speaks against it, each a sentence.
    """

    network: str
    setting: str
    ran: str
    precision: str
    batch: int
    threads: int
    pinned: tuple[int, ...]
    keep_freed: bool
    timing: Timing
    deviation: float
    tolerance: float
    prepare_s: float
    peak_memory_bytes: int | None
    energy: Energy
    machine: str
    taken_at: str
    warnings: tuple[str, ...] = ()

    @property
    def samples_s(self) -> tuple[float, ...]:
        """Seconds of every inference, in the order taken."""
        return self.timing.samples_s

    @property
    def median_s(self) -> float:
        """Seconds of an inference: the median."""
        return self.timing.median_s

    @property
    def interval_s(self) -> tuple[float, float] | None:
        """Its 95 % interval by bootstrap; None for a single sample."""
        return self.timing.interval_s

    @property
    def throughput(self) -> float:
        """Samples per second at this batch."""
        return self.batch / self.median_s

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.measurement/1``."""
        timing = self.timing
        return {
            "schema": "steelyard.measurement/1",
            **{key: value for key, value in _plain(self).items() if key != "timing"},
            "median_s": timing.median_s,
            "interval_s": timing.interval_s,
            "p50_s": timing.p50_s,
            "p90_s": timing.p90_s,
            "p99_s": timing.p99_s,
            "throughput": self.throughput,
            "samples_s": list(timing.samples_s),
            "discarded_s": list(timing.warmup_s),
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that could not be measured.

    Attributes:
        network: the source.
        setting: backend and options.
        batch: samples in an inference.
        threads: of the computation.
        reason: the error's own text.
    """

    network: str
    setting: str
    batch: int
    threads: int
    reason: str


@dataclass(frozen=True)
class Measurements(Printable):
    """Rows measured side by side.

    Attributes:
        rows: those that succeeded, in the order asked for.
        failures: those that did not.
        environment: the machine and its libraries.
        warnings: about the whole of it.
        against_macs: MACs against latency, for each setting in which at least five networks were measured.
    """

    rows: tuple[Measurement, ...]
    failures: tuple[Failure, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    against_macs: tuple[AgainstMacs, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.measurements/1``."""
        return {
            "schema": "steelyard.measurements/1",
            "environment": dict(self.environment),
            "warnings": list(self.warnings),
            "rows": [row.to_dict() for row in self.rows],
            "failures": [asdict(failure) for failure in self.failures],
            "against_macs": [found.to_dict() for found in self.against_macs],
        }


def _plain(row: Measurement) -> dict[str, Any]:
    found = {name: getattr(row, name) for name in row.__dataclass_fields__}
    found["energy"] = row.energy.to_dict()
    return found
