"""`Jobs`: runs jobs one after another, each a child process with the command line's own code; cancels them.

A server that is killed leaves jobs marked as running; the next one on the store marks them ``interrupted``, ends what
may be left of them, and goes on with those that waited.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from steelyard.units import format_bytes
from steelyard.web.job_memory import exceeded
from steelyard.web.job_store import Job, JobStore, State, now
from steelyard.web.problems import Refused
from steelyard.web.settings import Limits

_GRACE_S = 8.0
"""What a cancelled job may take to end in order."""


class Jobs:
    """The jobs of one store, for one server.

    Args:
        folder: of the store.
        limits: how many.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.store = JobStore(folder)
        self._limits = limits
        self._work = asyncio.Event()
        self._cancelled: set[str] = set()
        self._too_large: set[str] = set()
        self._running: tuple[str, asyncio.subprocess.Process] | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        """Marks what the last server left, and begins with what waits."""
        self.store.open()
        for job in self.store.all():
            if job.state == "running":
                _end_left(job)
                self.store.change(
                    replace(
                        job,
                        state="interrupted",
                        ended=now(),
                        message="the server ended while it ran",
                    )
                )
        self._work.set()
        self._task = asyncio.create_task(self._run_all())

    async def close(self) -> None:
        """Interrupts what runs; what waits goes on waiting."""
        self._closing = True
        if self._running is not None:
            await self._stop(self._running[1])
        if self._task is not None:
            self._work.set()
            with suppress(asyncio.CancelledError, TimeoutError):
                await asyncio.wait_for(self._task, 2 * _GRACE_S)

    def submit(
        self,
        verb: str,
        title: str,
        arguments: dict[str, Any],
        line: list[str],
        files: Mapping[str, Path],
    ) -> Job:
        """Has a job wait for its turn.

        Args:
            verb, title, arguments, line: see `Job`.
            files: what the line names, by the names that it uses; they stay the job's, whatever becomes of theirs.

        Raises:
            Refused: too many are kept or wait, or there is no room on the disk.
        """
        jobs = self.store.all()
        waiting = sum(job.state == "queued" for job in jobs)
        if waiting >= self._limits.queued:
            raise Refused(
                429, "Busy", f"{waiting} jobs wait already", expected="another try, later"
            )
        if len(jobs) >= self._limits.jobs:
            raise Refused(
                409,
                "TooMany",
                f"{len(jobs)} jobs are kept already",
                hint="delete some that are over",
            )
        job = Job(secrets.token_hex(8), verb, title, arguments, tuple(line), created=now())
        self.store.add(job, files)
        self._work.set()
        return job

    def find(self, name: str) -> Job:
        """The job of that name.

        Raises:
            Refused: there is none.
        """
        found = self.store.get(name)
        if found is None:
            raise Refused(404, "NotFound", f"there is no job {name}", hint="GET /api/jobs")
        return found

    async def cancel(self, name: str) -> Job:
        """Cancels a job that waits or runs; forgets one that is over.

        Raises:
            Refused: there is none.
        """
        job = self.find(name)
        if job.over:
            await asyncio.to_thread(self.store.delete, job)
            return job
        if job.state == "queued":
            job = replace(job, state="cancelled", ended=now())
            self.store.change(job)
            return job
        self._cancelled.add(name)
        if self._running is not None and self._running[0] == name:
            await self._stop(self._running[1])
            while not self.find(name).over:
                await asyncio.sleep(0.02)
        return self.find(name)

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        """As Ctrl-C does; who does not end in time is killed."""
        _signal(process.pid, signal.SIGINT)
        try:
            await asyncio.wait_for(asyncio.shield(process.wait()), _GRACE_S)
        except TimeoutError:
            _signal(process.pid, signal.SIGKILL)
            await process.wait()

    # ---- running ---------------------------------------------------------------------------------

    async def _run_all(self) -> None:
        while not self._closing:
            waiting = [job for job in self.store.all() if job.state == "queued"]
            if not waiting:
                self._work.clear()
                await self._work.wait()
                continue
            await self._run(waiting[-1])

    async def _run(self, job: Job) -> None:
        folder = self.store.folder(job.id)
        job = replace(job, state="running", started=now())
        self.store.change(job)
        try:
            process = await self._begin(job, folder)
        except OSError as error:
            self.store.change(
                replace(
                    job, state="failed", ended=now(), message=f"cannot be begun: {error.strerror}"
                )
            )
            return
        self._running = job.id, process
        job = replace(job, process=(process.pid, _began(process.pid)))
        self.store.change(job)
        if job.id in self._cancelled:  # while it was being begun
            _signal(process.pid, signal.SIGKILL)
        watch = asyncio.create_task(self._watch(job.id, process.pid))
        try:
            code = await process.wait()
        finally:
            watch.cancel()
        _signal(process.pid, signal.SIGKILL)  # what it started and did not end
        self._running = None
        with suppress(OSError):
            part = folder / "result.part"
            part.rename(folder / "result.json") if part.stat().st_size else part.unlink()
        self.store.change(self._ended(job, folder, code))

    async def _watch(self, name: str, leader: int) -> None:
        """Ends a job that holds more memory than it may."""
        await exceeded(leader, self._limits.job_memory_bytes)
        self._too_large.add(name)
        _signal(leader, signal.SIGKILL)

    async def _begin(self, job: Job, folder: Path) -> asyncio.subprocess.Process:
        with (folder / "result.part").open("wb") as out, (folder / "log.txt").open("wb") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "steelyard.web.runner", str(self._limits.job_bytes), *job.line,
                stdin=asyncio.subprocess.PIPE, stdout=out, stderr=log, cwd=folder, start_new_session=True,
                env={**os.environ, "STEELYARD_PROGRESS": str(folder / "progress.json"), "NO_COLOR": "1"},
            )  # fmt: skip

    def _ended(self, job: Job, folder: Path, code: int) -> Job:
        state: State
        if job.id in self._cancelled:
            self._cancelled.discard(job.id)
            state, message = "cancelled", ""
        elif code == 0:
            state, message = "done", ""
        elif self._closing:
            state, message = "interrupted", "the server ended while it ran"
        elif job.id in self._too_large:
            self._too_large.discard(job.id)
            state, message = "failed", _too_large(self._limits.job_memory_bytes)
        else:
            state, message = "failed", _why(folder / "log.txt", code)
        return replace(job, state=state, ended=now(), exit_code=code, message=message)


def _why(log: Path, code: int) -> str:
    """The last error of a job's log, or how its process ended."""
    with suppress(OSError):
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 20_000))
            text = file.read().decode("utf-8", "replace")
        _, found, rest = text.rpartition("error: ")
        if found:
            return "\n".join(rest.strip().split("\n")[:4])[:1000]
    if code < 0:
        known = -code in set(signal.Signals)
        words = f"its process was ended by {signal.Signals(-code).name if known else -code}"
        return words + "; the machine may have run out of memory" * (-code == signal.SIGKILL)
    return f"its process ended with {code}"


def _too_large(limit_bytes: int) -> str:
    return (
        f"needed more than {format_bytes(limit_bytes)} of memory, which is what a job may use; "
        "try a smaller network, batch or number of trials, or allow more: steelyard serve --job-memory"
    )


def _signal(leader: int, number: signal.Signals) -> None:
    """To a job's process and all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _began(pid: int) -> str:
    """When a process began, so that its number is not taken for another's; "" where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _end_left(job: Job) -> None:
    """Ends a process that outlived its server: the same one, not another with its number."""
    if job.process is None:
        return
    pid, began = job.process
    if began and _began(pid) == began:
        _signal(pid, signal.SIGKILL)
