"""`Session`: prepares one network in one setting, proves its outputs, and takes samples; in a child or in this process."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.errors import BackendError, UsageError
from steelyard.measure.backend import TOLERANCE, Array, Program, Runner, Setting, backend
from steelyard.measure.memory import peak_bytes, reset_peak, resident_bytes
from steelyard.measure.seats import seated
from steelyard.measure.timing import sample, warm_up

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Job:
    """What one row of a measurement asks for; plain data, which can be sent to a child.

    Attributes:
        source: the network; "" where a module is handed over in person.
        setting: backend and options, as `Setting.parse` reads them.
        batch: samples in an inference.
        threads: of the computation; None for as many as the process may use cores.
        input_shape: of one input, None for the source's own.
        tolerance: outputs may differ from the reference so much; None for that of the precision.
        keep_freed: the C library keeps freed memory instead of returning it to the system.
        warmup_s: no longer than that; 0: the run that is compared is all the warm-up.
        folder: where files made from the network are kept and found, such as its export to ONNX: several rows of one
            network and batch share it; "" for one of the row's own.
    """

    source: str
    setting: str
    batch: int = 1
    threads: int | None = None
    input_shape: tuple[int, ...] | None = None
    tolerance: float | None = None
    keep_freed: bool = False
    warmup_s: float = 10.0
    folder: str = ""

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise UsageError(f"a batch of {self.batch}", expected="at least 1")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"{self.threads} threads", expected="at least 1")


@dataclass(frozen=True, slots=True)
class Network:
    """A network and what it must compute; sessions of one process may share it.

    Attributes:
        program: the network, its inputs, its folder.
        expected: outputs of the float32 reference.
    """

    program: Program
    expected: tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is known of a row before it is timed.

    Attributes:
        ran: what computes, as the backend says.
        deviation: largest difference to the float32 reference, as a share of its largest magnitude.
        tolerance: what was allowed.
        prepare_s: seconds that loading (exporting, compiling) and the first run took.
        first_s: seconds of the first run, whose outputs were compared.
        warmup_s: seconds of each run before the first that counts.
    """

    ran: str
    deviation: float
    tolerance: float
    prepare_s: float
    first_s: float
    warmup_s: tuple[float, ...]


class Session:
    """One row's network, loaded; `close` it, or use it as a context."""

    def __init__(
        self,
        job: Job,
        model: nn.Module | None = None,
        *,
        network: Network | None = None,
        cores: frozenset[int] = frozenset(),
    ) -> None:
        """Nothing happens yet.

        Args:
            job: what to do.
            model: the network in person.
            network: the same, built by another session.
            cores: of this process; empty: threads stay where the system puts them.
        """
        self.job = job
        self._model = model
        self._network = network
        self._cores = cores
        self._backend = Setting.parse(job.setting).backend
        self._folder = tempfile.TemporaryDirectory(prefix="steelyard-", ignore_cleanup_errors=True)
        self._runner: Runner | None = None
        self._program: Program | None = None
        self._before = 0

    def prepare(self) -> Prepared:
        """Builds, loads, compares and warms up.

        Raises:
            SteelyardError: the network or the backend is at fault, or outputs differ by more than allowed.
        """
        from steelyard.measure.program import deviation

        job, setting = self.job, Setting.parse(self.job.setting)
        use = backend(setting.backend)
        if reason := use.missing():
            raise BackendError(reason)
        network = self._network = self._network or self.network()
        made, expected = network.program, network.expected
        self._program = made
        self._before = resident_bytes()
        reset_peak()
        begun = time.perf_counter()
        with seated(self._backend, self._cores):
            self._runner = use.load(made, setting)
            loaded = time.perf_counter()
            self._runner.run()
        ran = time.perf_counter()
        took, first = ran - begun, ran - loaded
        allowed = TOLERANCE[setting.precision] if job.tolerance is None else job.tolerance
        differs = deviation(self._runner.outputs(), expected)
        if not differs <= allowed:
            raise BackendError(
                f"outputs of {job.source or made.name} by {self._runner.ran} differ from float32 in PyTorch "
                f"by {differs:.2g} of the largest",
                expected=f"at most {allowed:.2g} for {setting.precision}",
                hint="a tolerance of your own, if that is good enough",
            )
        warm: tuple[float, ...] = ()
        if job.warmup_s > 0:
            with seated(self._backend, self._cores):
                warm = warm_up(self._runner.run, limit_s=job.warmup_s)
        return Prepared(self._runner.ran, differs, allowed, took, first, warm)

    def network(self) -> Network:
        """Builds the network and its reference.

        Raises:
            SteelyardError: as `steelyard.measure.program.program` and ``reference``.
        """
        from steelyard.measure.program import program, reference

        job = self.job
        made = program(
            job.source if self._model is None else self._model,
            batch=job.batch,
            folder=Path(job.folder or self._folder.name),
            input_shape=job.input_shape,
        )
        return Network(made, reference(made))

    def samples(self, at_least_s: float, count: int) -> Sequence[float]:
        """Seconds of ``count`` runs, and of more until ``at_least_s`` seconds are over."""
        if self._runner is None:
            raise UsageError("nothing is prepared", expected="prepare() first")
        with seated(self._backend, self._cores):
            taken = list(sample(self._runner.run, count))
            while sum(taken) < at_least_s:
                taken += sample(self._runner.run, 1)
        return taken

    def loaded(self) -> tuple[Program, Runner]:
        """What runs, and on what.

        Raises:
            UsageError: nothing is prepared.
        """
        if self._program is None or self._runner is None:
            raise UsageError("nothing is prepared", expected="prepare() first")
        return self._program, self._runner

    def seated(self) -> AbstractContextManager[None]:
        """Within it this thread may use the cores that it measures on."""
        return seated(self._backend, self._cores)

    def peak_memory_bytes(self) -> int | None:
        """Most memory that the process held since the backend began to load, above what it held before."""
        peak = peak_bytes()
        return None if peak is None else max(peak - self._before, 0)

    def close(self) -> None:
        """Gives everything back; a second call does nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            with suppress(Exception):
                runner.close()
        self._folder.cleanup()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
