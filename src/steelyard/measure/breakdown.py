"""`breakdown`: where the time of one inference goes, by kind of operator and by layer, against the machine's roofline.

As figure 2 of Ma et al. (ShuffleNet V2, 2018). Every microsecond has a place: what the runtime did for no
layer of the workload, and the time between operators, are parts of their own, and the parts sum to the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from steelyard._display import Printable
from steelyard.errors import BackendError, UsageError
from steelyard.measure.backend import Setting
from steelyard.measure.ceilings import Ceiling, ceiling
from steelyard.measure.child import Child, available_cores, cores_for
from steelyard.measure.operator_kinds import KINDS
from steelyard.measure.session import Job

if TYPE_CHECKING:
    from torch import nn

    from steelyard.report.table import Table

PROFILED = ("eager", "onnxruntime", "openvino")
"""Backends that say how long each operator took."""


@dataclass(frozen=True, slots=True)
class Part:
    """A share of the run time: one operator, or what lies between them.

    Attributes:
        layer: of the workload; "" for what is no layer. Several that ran as one: ``a + b``.
        op: as the runtime calls it.
        kind: a key of `steelyard.measure.operator_kinds.KINDS`.
        seconds: median over the runs (mean, where the runtime tells no more).
        macs: multiply-accumulates of its layers.
        access_bytes: bytes that its layers move if each tensor moves once.
        bound_s: the least time that the machine's roofline allows; None where there is none to compare with.
    """

    layer: str
    op: str
    kind: str
    seconds: float
    macs: int = 0
    access_bytes: int = 0
    bound_s: float | None = None

    @property
    def macs_per_s(self) -> float:
        """Achieved."""
        return self.macs / self.seconds if self.seconds else 0.0

    @property
    def bytes_per_s(self) -> float:
        """Achieved, if each tensor moved once."""
        return self.access_bytes / self.seconds if self.seconds else 0.0

    @property
    def attained(self) -> float | None:
        """Share of what the roofline allows; above 1 where operands came from caches."""
        return None if not self.bound_s or not self.seconds else self.bound_s / self.seconds


@dataclass(frozen=True, slots=True)
class KindTime:
    """All parts of one kind.

    Attributes:
        kind: a key of `KINDS`.
        seconds: their sum.
        share: of the whole.
        parts: how many.
        macs: their sum.
        access_bytes: their sum.
    """

    kind: str
    seconds: float
    share: float
    parts: int
    macs: int
    access_bytes: int


@dataclass(frozen=True)
class Breakdown(Printable):
    """Run time of one inference, split.

    Attributes:
        network: the source, or the module's class.
        setting: backend and options.
        ran: what computed.
        batch: samples in an inference.
        threads: of the computation.
        parts: in order of execution; what lies between operators comes last.
        median_s: of an inference without a profiler.
        profiled_s: of each inference under the profiler, in order; the mean alone for OpenVINO.
        statistic: what the parts are over the inferences: ``median`` or ``mean``.
        runs: inferences under the profiler.
        absent: layers of the workload for which the runtime shows no operator of their own: fused into
            another, or left out.
        ceiling: roofline of the machine with as many threads; None if it could not be measured.
        warnings: what must be known.
    """

    network: str
    setting: str
    ran: str
    batch: int
    threads: int
    parts: tuple[Part, ...]
    median_s: float
    profiled_s: tuple[float, ...]
    statistic: str
    runs: int
    absent: tuple[str, ...] = ()
    ceiling: Ceiling | None = None
    warnings: tuple[str, ...] = ()

    @property
    def total_s(self) -> float:
        """Sum of the parts."""
        return sum(part.seconds for part in self.parts)

    @property
    def macs(self) -> int:
        """Of all parts."""
        return sum(part.macs for part in self.parts)

    @property
    def overhead(self) -> float:
        """How much longer an inference took under the profiler: sum of the parts over the unprofiled median, less 1."""
        return self.total_s / self.median_s - 1

    def by_kind(self) -> tuple[KindTime, ...]:
        """Kinds that occur, in the order of `KINDS`; their seconds sum to the whole, their shares to 1."""
        found = []
        for kind in KINDS:
            parts = [part for part in self.parts if part.kind == kind]
            if parts:
                seconds = sum(part.seconds for part in parts)
                found.append(
                    KindTime(
                        kind,
                        seconds,
                        seconds / self.total_s,
                        len(parts),
                        sum(part.macs for part in parts),
                        sum(part.access_bytes for part in parts),
                    )
                )
        return tuple(found)

    def records(self) -> Table:
        """Every part as one flat table, for CSV."""
        from steelyard.measure.breakdown_layout import records

        return records(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.breakdown/1``."""
        return {
            "schema": "steelyard.breakdown/1",
            "network": self.network,
            "setting": self.setting,
            "ran": self.ran,
            "batch": self.batch,
            "threads": self.threads,
            "median_s": self.median_s,
            "total_s": self.total_s,
            "profiled_s": list(self.profiled_s),
            "statistic": self.statistic,
            "runs": self.runs,
            "ceiling": None if self.ceiling is None else self.ceiling.to_dict(),
            "kinds": [
                {name: getattr(kind, name) for name in KindTime.__slots__}
                for kind in self.by_kind()
            ],
            "parts": [
                {name: getattr(part, name) for name in Part.__slots__} for part in self.parts
            ],
            "absent": list(self.absent),
            "warnings": list(self.warnings),
        }


def breakdown(
    network: str | nn.Module,
    *,
    backend: str = "eager",
    batch: int = 1,
    threads: int | None = None,
    input_shape: Sequence[int] | None = None,
    runs: int = 15,
) -> Breakdown:
    """Where the time of one inference goes on this machine.

    A SOURCE runs in a child process with its threads pinned; a module runs here, in this process.

    Args:
        network: a zoo name, an ONNX file, ``package.module:callable``, or a module.
        backend: ``eager``, ``onnxruntime`` or ``openvino`` with options, on the CPU.
        batch: samples in an inference.
        threads: default: as many as this process may use cores.
        input_shape: (N, C, H, W) of one input, N is replaced; default: the network's own.
        runs: inferences under the profiler; medians are taken over them.

    Raises:
        UsageError: an impossible setting, a backend that does not say what it spends its time on, or a
            network that cannot be run.
        BackendError: the backend is missing, failed, crashed, or computes something else.
    """
    _check(Setting.parse(backend), runs)
    count = threads or available_cores()
    job = Job(
        network if isinstance(network, str) else "",
        backend, batch, threads, tuple(input_shape) if input_shape else None,
    )  # fmt: skip
    if isinstance(network, str):
        with Child(job, cores_for(count)) as child:
            child.prepare()
            found = from_dict(child.split(runs))
        found = replace(found, network=network, threads=count)
    else:
        found = _here(job, network, threads, runs)
    try:
        return with_ceiling(found, ceiling(found.threads))
    except BackendError as error:
        said = f"no roofline to compare with: {' '.join(str(error).split())}"
        return replace(found, warnings=(*found.warnings, said))


def _check(setting: Setting, runs: int) -> None:
    if setting.backend not in PROFILED:
        raise UsageError(
            f"{setting.backend} does not say what it spends its time on",
            expected="one of " + ", ".join(PROFILED),
        )
    unfit = [option for option in setting.options if option in ("cuda", "mps", "int8", "parts")]
    if unfit:
        raise UsageError(
            f"run time cannot be split with +{unfit[0]}",
            expected="floating point on the CPU, a batch as a whole",
        )
    if runs < 1:
        raise UsageError(f"{runs} runs", expected="at least 1")


def _here(job: Job, module: nn.Module, threads: int | None, runs: int) -> Breakdown:
    import torch

    from steelyard.measure.breakdown_taking import split
    from steelyard.measure.session import Session

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with Session(job, module) as session:
            session.prepare()
            return split(session, runs)
    finally:
        torch.set_num_threads(before)


def with_ceiling(found: Breakdown, limit: Ceiling) -> Breakdown:
    """The same, with the least time of each part under a roofline."""

    def bound(part: Part) -> float | None:
        least = max(part.macs / limit.macs_per_s, part.access_bytes / limit.bytes_per_s)
        return least if least > 0 else None

    parts = tuple(replace(part, bound_s=bound(part)) for part in found.parts)
    return replace(found, parts=parts, ceiling=limit)


def from_dict(data: dict[str, Any]) -> Breakdown:
    """The inverse of `Breakdown.to_dict`, for what a child process answers."""
    return Breakdown(
        network=data["network"],
        setting=data["setting"],
        ran=data["ran"],
        batch=data["batch"],
        threads=data["threads"],
        parts=tuple(Part(**part) for part in data["parts"]),
        median_s=data["median_s"],
        profiled_s=tuple(data["profiled_s"]),
        statistic=data["statistic"],
        runs=data["runs"],
        absent=tuple(data["absent"]),
        warnings=tuple(data["warnings"]),
    )
