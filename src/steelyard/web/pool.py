"""`Pool`: child processes that answer questions, so that none holds up the server, and a crash is one lost answer.

A question goes to a process as a line of JSON; the answer comes back as a line that says how it went and how long it
is, and then the answer itself, which is passed on unread. Urgent questions go first. A process that takes
longer than it may is ended and another begun.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from steelyard import errors
from steelyard.errors import BackendError, InputError, SteelyardError, TimeLimitError
from steelyard.web.problems import Refused

_GRACE_S = 3.0
"""The process itself gives up at the deadline and says so; who is this much later is ended."""

_STEP_S = 2.0
"""Of urgency."""

_BEGIN_S = 300.0
"""Loading torch takes a few seconds, on a machine that is busy many."""

_LINE = 2**20

_CACHES = 2**30
"""Bytes of the largest file that a process of the pool may write: what was measured and mapped is kept."""


@dataclass(order=True, slots=True)
class _Question:
    due: float
    number: int
    request: dict[str, Any] = field(compare=False)
    limit_s: float = field(compare=False)
    answer: asyncio.Future[bytes] = field(compare=False)


class Helper:
    """One child process.

    Args:
        memory_bytes: address space that it may use.
        file_bytes: the largest file that it may write; 0: none at all.
        warm: has it load what it needs before its first question.
    """

    def __init__(self, memory_bytes: int, file_bytes: int = 0, *, warm: bool = False) -> None:
        self._limits = [str(memory_bytes), str(file_bytes)]
        self._warm = warm
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, request: dict[str, Any], limit_s: float) -> bytes:
        """The answer as JSON.

        Raises:
            SteelyardError: whatever the question met with.
            TimeLimitError: it took longer than ``limit_s``.
            InputError: the process died of it.
        """
        try:
            process = await self.begin()
            return await _asked(process, request, limit_s)
        except TimeoutError:
            await self.close()
            raise TimeLimitError(
                f"not done after {limit_s:g} s", expected="a smaller network, or a job"
            ) from None
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError):
            await self.close()
            raise InputError(
                "the process that worked on this ended",
                expected="a network that needs less memory and time",
            ) from None
        except asyncio.CancelledError:
            await self.close()
            raise

    async def begin(self) -> asyncio.subprocess.Process:
        """The process, begun if there is none."""
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "steelyard.web.worker", *self._limits,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL, limit=_LINE,
                env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            )  # fmt: skip
            if self._warm:
                await _asked(self._process, {"do": "warm"}, _BEGIN_S)
        return self._process

    async def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())


async def _asked(
    process: asyncio.subprocess.Process, request: dict[str, Any], limit_s: float
) -> bytes:
    line = json.dumps({**request, "limit_s": limit_s}) + "\n"
    return await asyncio.wait_for(_exchange(process, line.encode()), limit_s + _GRACE_S)


async def _exchange(process: asyncio.subprocess.Process, line: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise InputError("the process cannot be asked")
    process.stdin.write(line)
    await process.stdin.drain()
    head = json.loads(await process.stdout.readuntil(b"\n"))
    if "error" in head:
        raise raised(head)
    return await process.stdout.readexactly(head["bytes"])


def raised(answer: dict[str, str]) -> SteelyardError:
    """The exception that a child's answer describes."""
    parts = {"expected": answer.get("expected", ""), "hint": answer.get("hint", "")}
    kind = getattr(errors, answer["error"], BackendError)
    if kind is TimeLimitError:
        parts = {"expected": "a smaller network, or a job"}
    status = 404 if kind is errors.UnknownNameError else 422
    return Refused(status, kind.__name__, answer["given"], **parts)


class Pool:
    """Several helpers and the questions that wait for them.

    Args:
        workers: how many.
        memory_bytes: address space of each.
        pending: questions that may wait.
    """

    def __init__(self, workers: int, memory_bytes: int, pending: int) -> None:
        self._helpers = [Helper(memory_bytes, _CACHES, warm=True) for _ in range(workers)]
        self._pending = pending
        self._numbers = itertools.count()
        self._questions: asyncio.PriorityQueue[_Question] = asyncio.PriorityQueue()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins the processes; they load what they need while nobody waits."""
        self._tasks = [asyncio.create_task(self._serve(helper)) for helper in self._helpers]

    async def close(self) -> None:
        """Ends all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for helper in self._helpers:
            await helper.close()

    async def ask(self, request: dict[str, Any], limit_s: float, *, urgency: int = 1) -> bytes:
        """The answer to a question, as JSON.

        Args:
            request: see `steelyard.web.answers`.
            limit_s: seconds that it may take once its turn has come.
            urgency: each step lets those go first that come up to two seconds later, so that nobody waits for ever.

        Raises:
            Refused: too many wait.
            SteelyardError: as `Helper.ask`.
        """
        if self._questions.qsize() >= self._pending:
            raise Refused(
                429,
                "Busy",
                f"{self._pending} questions wait already",
                expected="another try, later",
            )
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        due = asyncio.get_running_loop().time() + urgency * _STEP_S
        question = _Question(due, next(self._numbers), request, limit_s, answer)
        self._questions.put_nowait(question)
        return await answer

    async def _serve(self, helper: Helper) -> None:
        with suppress(OSError, TimeoutError, EOFError, SteelyardError):  # the first question tells
            await helper.begin()
        while True:
            question = await self._questions.get()
            if question.answer.done():  # nobody waits any more
                continue
            try:
                found = await helper.ask(question.request, question.limit_s)
            except SteelyardError as error:
                if not question.answer.done():
                    question.answer.set_exception(error)
            else:
                if not question.answer.done():
                    question.answer.set_result(found)
