"""`Child`: a session in a process of its own, with its threads pinned; its death is an error here, not a crash."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from steelyard import errors
from steelyard.errors import BackendError, SteelyardError
from steelyard.measure.session import Job, Prepared

PREPARE_LIMIT_S = 900.0
"""Exporting and compiling may take so long."""

SAMPLE_LIMIT_S = 300.0


class Child:
    """Same methods as `Session`, asked of a child process."""

    def __init__(
        self,
        job: Job,
        pinned: tuple[int, ...] | None = None,
        worker: str = "steelyard.measure.worker",
    ) -> None:
        """Starts the process; it does nothing until it is asked.

        Args:
            job: what it is to measure.
            pinned: the cores that it may use; None leaves that to the system.
            worker: the Python module that answers.
        """
        self.job = job
        threads = job.threads or (len(pinned) if pinned else available_cores())
        self._process = subprocess.Popen(  # noqa: S603  (modules of ours)
            [sys.executable, "-m", worker],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=thread_environment(threads, pinned is not None),
        )
        if pinned is not None:
            pin(self._process.pid, pinned)
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._said: list[str] = []
        for read, pipe in ((self._read_answers, "stdout"), (self._read_errors, "stderr")):
            threading.Thread(target=read, args=(getattr(self._process, pipe),), daemon=True).start()

    def prepare(self) -> Prepared:
        """As `Session.prepare`."""
        found = self._ask(PREPARE_LIMIT_S, do="prepare", job=asdict(self.job))
        found["warmup_s"] = tuple(found["warmup_s"])
        return Prepared(**found)

    def export(self) -> None:
        """Writes the network as ONNX into the job's folder."""
        self._ask(PREPARE_LIMIT_S, do="export", job=asdict(self.job))

    def samples(self, at_least_s: float, count: int) -> list[float]:
        """As `Session.samples`."""
        limit = max(SAMPLE_LIMIT_S, 20 * at_least_s)
        return [float(x) for x in self._ask(limit, do="sample", at_least_s=at_least_s, count=count)]

    def split(self, runs: int) -> dict[str, Any]:
        """As `steelyard.measure.breakdown_taking.split`, as plain data."""
        found: dict[str, Any] = self._ask(PREPARE_LIMIT_S, do="split", runs=runs)
        return found

    def peak_memory_bytes(self) -> int | None:
        """As `Session.peak_memory_bytes`."""
        found = self._ask(SAMPLE_LIMIT_S, do="peak")
        return None if found is None else int(found)

    def close(self) -> None:
        """Ends the process, gently and then not."""
        process = self._process
        with suppress(OSError, ValueError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                with suppress(OSError, ValueError):
                    pipe.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- talking to it ---------------------------------------------------------------------------

    def _ask(self, limit_s: float, **request: Any) -> Any:
        try:
            if self._process.stdin is None:
                raise BrokenPipeError
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._answers.get(timeout=limit_s)
        except queue.Empty:
            self._process.kill()
            raise BackendError(
                f"{self.job.setting} gave no answer for {limit_s:.0f} s and was stopped"
            ) from None
        except (BrokenPipeError, OSError):
            line = None
        if line is None:
            raise BackendError(self._how_it_died())
        answer = json.loads(line)
        if "error" in answer:
            raise _raised(answer)
        return answer["ok"]

    def _how_it_died(self) -> str:
        code = self._process.wait()
        last = next((line for line in reversed(self._said) if line.strip()), "")
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            why = "; the system may have run out of memory" if name == "SIGKILL" else ""
            return f"the process that ran {self.job.setting} died of {name}{why}"
        return f"the process that ran {self.job.setting} ended with {code}: {last.strip()}"

    def _read_answers(self, pipe: Any) -> None:
        try:
            with suppress(OSError, ValueError):
                for line in pipe:
                    self._answers.put(line)
        finally:
            self._answers.put(None)  # whatever ends this thread, nobody waits for it

    def _read_errors(self, pipe: Any) -> None:
        with suppress(OSError, ValueError):
            for line in pipe:
                self._said = [*self._said[-50:], line]


def available_cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def cores_for(threads: int) -> tuple[int, ...] | None:
    """The last ``threads`` of the cores that this process may use; None where it cannot pin, or has fewer."""
    affinity = getattr(os, "sched_getaffinity", None)
    if affinity is None or len(affinity(0)) < threads:
        return None
    return tuple(sorted(affinity(0))[-threads:])


def thread_environment(threads: int, pinned: bool) -> dict[str, str]:
    """The environment of a process that is to compute with so many threads."""
    count = str(threads)
    env = {**os.environ, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}
    if pinned and threads > 1:
        env |= {"OMP_PROC_BIND": "true", "OMP_PLACES": "cores"}
    return env


def pin(pid: int, cores: tuple[int, ...]) -> None:
    """Binds a process to cores, where the system lets it."""
    with suppress(OSError):
        os.sched_setaffinity(pid, cores)


def _raised(answer: dict[str, str]) -> SteelyardError:
    """The exception that the child's answer describes."""
    kind = getattr(errors, answer["error"], BackendError)
    parts = {"expected": answer.get("expected", ""), "hint": answer.get("hint", "")}
    if kind in (errors.UnknownNameError, errors.MissingExtraError):  # built from other arguments
        kind = errors.InputError if kind is errors.UnknownNameError else BackendError
    found: SteelyardError = kind(answer["given"], **parts)
    return found
