"""`measure` one network, `measure_all` several in several settings, side by side and in turns."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from steelyard.errors import BackendError, SteelyardError, UsageError
from steelyard.measure.against_macs import FEWEST, against_macs
from steelyard.measure.backend import Setting
from steelyard.measure.child import Child, available_cores, cores_for
from steelyard.measure.energy import Meter, meter
from steelyard.measure.environment import clock_mhz, environment, load_average, machine_key
from steelyard.measure.measurement import Failure, Measurement, Measurements
from steelyard.measure.session import Job, Prepared, Session
from steelyard.measure.sharing import shared_folder
from steelyard.measure.store import keep as remember
from steelyard.measure.timing import Timing

if TYPE_CHECKING:
    from torch import nn

ROUNDS = 10
"""Turns that every row gets at least."""

BURST_S = 0.05
"""A row runs at least so long in one turn, so that it finds its caches warm."""

Progress = Callable[[str, float], None]
"""Told what is being done and which share of all is done."""


def measure(
    network: str | nn.Module,
    *,
    backend: str = "eager",
    batch: int = 1,
    threads: int | None = None,
    input_shape: Sequence[int] | None = None,
    tolerance: float | None = None,
    keep_freed: bool = False,
    budget_s: float = 3.0,
) -> Measurement:
    """How long one inference takes on this machine, after its outputs were found right.

    A SOURCE runs in a child process with its threads pinned; a module runs here, in this process, as it is.

    Args:
        network: a zoo name, an ONNX file, ``package.module:callable``, or a module.
        backend: name and options, e.g. ``"eager+channels_last"``; see `list_backends`.
        batch: samples in an inference.
        threads: default: as many as this process may use cores.
        input_shape: (N, C, H, W) of one input, N is replaced; default: the network's own.
        tolerance: outputs may differ from float32 by so much of the largest; default: by precision.
        keep_freed: the C library keeps freed memory, which spares page faults at large batches.
        budget_s: seconds of samples to take.

    Raises:
        UsageError: an impossible setting, or a network that cannot be run.
        BackendError: the backend is missing, failed, crashed, or computes something else.
    """
    job = Job(
        network if isinstance(network, str) else "",
        backend, batch, threads, tuple(input_shape) if input_shape else None, tolerance, keep_freed,
    )  # fmt: skip
    Setting.parse(backend)
    module = None if isinstance(network, str) else network
    name = network if isinstance(network, str) else type(network).__name__
    with _threads_here(threads, module is not None):
        row = _measure_rows([_Row(job, name, module)], budget_s, None, None)[0]
    if isinstance(row, Failure):
        raise BackendError(row.reason)
    return row


def measure_all(
    networks: Sequence[str],
    *,
    backends: Sequence[str] = ("eager",),
    batches: Sequence[int] = (1,),
    threads: Sequence[int | None] = (None,),
    input_shape: Sequence[int] | None = None,
    tolerance: float | None = None,
    keep_freed: bool = False,
    budget_s: float = 3.0,
    store: bool = False,
    progress: Progress | None = None,
    keep: Callable[[Measurement | Failure], None] | None = None,
) -> Measurements:
    """Every network in every setting, each in a process of its own, sampled in turns.

    Rows of one network and batch take turns, in an order drawn anew for each round, so that what else the
    machine does meets them alike. A row that fails leaves the others standing.

    Args:
        networks: SOURCEs.
        backends: names with options.
        batches: samples in an inference.
        threads: numbers of threads; None for one a core.
        input_shape: of one input, for all networks.
        tolerance: as in `measure`.
        keep_freed: as in `measure`.
        budget_s: seconds of samples for each row.
        store: keep the rows on disk, for `measurement_history`; also those that are finished when interrupted.
        progress: told what happens.
        keep: told each row when it is finished; also those that are, when interrupted.

    Raises:
        UsageError: nothing asked for, or an impossible setting.
        UnknownNameError: no such backend or option.
    """
    if not networks or not backends or not batches or not threads:
        raise UsageError("nothing to measure", expected="a network, a backend, a batch, threads")
    if not budget_s > 0:
        raise UsageError(f"a budget of {budget_s} s", expected="more than 0")
    for setting in backends:
        Setting.parse(setting)
    shape = tuple(input_shape) if input_shape else None
    groups = [
        [
            _Row(Job(name, setting, batch, count, shape, tolerance, keep_freed), name, None)
            for setting in backends
            for count in threads
        ]
        for name in networks
        for batch in batches
    ]
    found: list[Measurement | Failure] = []
    notes: list[str] = []

    def finished(row: Measurement | Failure) -> None:
        if store and isinstance(row, Measurement):
            notes.extend(remember([row]))
        if keep is not None:
            keep(row)

    for index, group in enumerate(groups):

        def told(doing: str, share: float, index: int = index) -> None:
            if progress is not None:
                progress(doing, (index + share) / len(groups))

        found += _measure_rows(group, budget_s, told, finished)
    warnings = (*_load_warnings(), *dict.fromkeys(notes))
    rows = tuple(row for row in found if isinstance(row, Measurement))
    return Measurements(
        rows,
        tuple(row for row in found if isinstance(row, Failure)),
        environment(),
        warnings,
        against_macs(rows, shape) if len({row.network for row in rows}) >= FEWEST else (),
    )


@dataclass(slots=True)
class _Row:
    """A row while it is measured."""

    job: Job
    name: str
    module: nn.Module | None
    session: Session | Child | None = None
    prepared: Prepared | None = None
    pinned: tuple[int, ...] = ()
    meter: Meter = field(default_factory=meter)
    samples: list[float] = field(default_factory=list)
    clock_mhz: float | None = None
    failure: Failure | None = None

    @property
    def threads(self) -> int:
        return self.job.threads or available_cores()

    @property
    def title(self) -> str:
        return f"{self.name}, {self.job.setting}, batch {self.job.batch}, {self.threads} threads"

    def fail(self, error: SteelyardError) -> None:
        job = self.job
        self.failure = Failure(self.name, job.setting, job.batch, self.threads, str(error))

    def begin(self) -> None:
        """Opens and prepares."""
        if self.module is not None:
            self.session = Session(self.job, self.module)
        else:
            cores = cores_for(self.threads)
            self.pinned = cores or ()
            self.session = Child(self.job, cores)
        if "cuda" in self.job.setting:
            self.meter = meter("cuda")
        self.prepared = self.session.prepare()
        self.clock_mhz = clock_mhz()

    def turn(self, burst_s: float) -> None:
        """Takes samples."""
        if self.session is None:
            raise UsageError("the row was not begun")
        with self.meter.on():
            self.samples += self.session.samples(burst_s, 1)

    def result(self) -> Measurement | Failure:
        """What came of it."""
        if self.failure is not None or self.prepared is None or self.session is None:
            return self.failure or Failure(
                self.name,
                self.job.setting,
                self.job.batch,
                self.threads,
                "interrupted before it ran",
            )
        timing = Timing(tuple(self.samples), self.prepared.warmup_s)
        return Measurement(
            network=self.name,
            setting=self.job.setting,
            ran=self.prepared.ran,
            precision=Setting.parse(self.job.setting).precision,
            batch=self.job.batch,
            threads=self.threads,
            pinned=self.pinned,
            keep_freed=self.job.keep_freed,
            timing=timing,
            deviation=self.prepared.deviation,
            tolerance=self.prepared.tolerance,
            prepare_s=self.prepared.prepare_s,
            peak_memory_bytes=self.session.peak_memory_bytes(),
            energy=self.meter.energy().per(len(self.samples)),
            machine=machine_key(environment()),
            taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
            warnings=(*timing.doubts(), *self._clock_doubts()),
        )

    def _clock_doubts(self) -> tuple[str, ...]:
        now = clock_mhz()
        if now is None or self.clock_mhz is None or abs(now - self.clock_mhz) <= 0.1 * now:
            return ()
        return (f"the clock went from {self.clock_mhz:.0f} to {now:.0f} MHz meanwhile",)


def _measure_rows(
    rows: list[_Row],
    budget_s: float,
    progress: Progress | None,
    keep: Callable[[Measurement | Failure], None] | None,
) -> list[Measurement | Failure]:
    """Prepares all rows, then lets them take turns."""
    tell = progress or (lambda doing, share: None)
    results: list[Measurement | Failure] = []
    with ExitStack() as opened:
        try:
            folder = opened.enter_context(shared_folder([row.job for row in rows]))
            for row in rows:
                row.job = replace(row.job, folder=folder)
            for index, row in enumerate(rows):
                tell(f"preparing {row.title}", 0.5 * index / len(rows))
                try:
                    row.begin()
                except SteelyardError as error:
                    row.fail(error)
                if row.session is not None:
                    opened.callback(row.session.close)
            _take_turns([row for row in rows if row.failure is None], budget_s, tell)
        finally:
            for row in rows:
                result = _settled(row)
                results.append(result)
                if keep is not None:
                    keep(result)
    return results


def _take_turns(rows: list[_Row], budget_s: float, tell: Progress) -> None:
    order = random.Random(0)  # noqa: S311  (an order, no secret)
    burst_s = min(BURST_S, budget_s / ROUNDS)
    waiting = list(rows)
    rounds = 0
    while waiting:
        order.shuffle(waiting)
        for row in waiting:
            try:
                row.turn(burst_s)
            except SteelyardError as error:
                row.fail(error)
        rounds += 1
        waiting = [
            row
            for row in waiting
            if row.failure is None and (rounds < ROUNDS or sum(row.samples) < budget_s)
        ]
        done = min(1.0, rounds * burst_s / budget_s)
        tell(f"measuring {', '.join(sorted({row.name for row in rows}))}", 0.5 + done / 2)


def _settled(row: _Row) -> Measurement | Failure:
    try:
        if row.failure is None and not row.samples:
            row.fail(BackendError("interrupted before a sample was taken"))
        return row.result()
    except SteelyardError as error:
        row.fail(error)
        return row.result()


def _load_warnings() -> tuple[str, ...]:
    load = load_average()
    if load is None or load <= 1.25 * available_cores():
        return ()
    return (
        f"the load of the machine is {load:.1f} on {available_cores()} cores: ratios hold better than times",
    )


@contextmanager
def _threads_here(threads: int | None, here: bool) -> Iterator[None]:
    """Sets PyTorch's threads in this process for a while."""
    if not here or threads is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
