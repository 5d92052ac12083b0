"""`Crew`: evaluates points here or in several processes; one that dies takes only its own trial with it."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from steelyard.design.search.evaluate import Answer, Evaluator
from steelyard.design.search.goals import Constraint, Quantity
from steelyard.design.spaces.base import Point, SearchSpace
from steelyard.errors import UsageError
from steelyard.train.recipe import Recipe, recipe_from


@dataclass(frozen=True, slots=True)
class Job:
    """What an `Evaluator` is made of."""

    space: SearchSpace
    objectives: Sequence[Quantity]
    constraints: Sequence[Constraint]
    proxy: Recipe | None

    def evaluator(self) -> Evaluator:
        """One."""
        return Evaluator(self.space, self.objectives, self.constraints, self.proxy)


Finished = tuple[int, Answer, float]
"""Number of a trial, what came out, and seconds."""


class Crew:
    """Takes points and gives answers.

    Args:
        job: what is evaluated.
        workers: processes; 1: this one.
        evaluator: for this process.
    """

    def __init__(self, job: Job, workers: int, evaluator: Evaluator) -> None:
        self.job, self.evaluator = job, evaluator
        self._here: list[tuple[int, Point]] = []
        self._workers = [_Worker(job) for _ in range(workers)] if workers > 1 else []

    @property
    def idle(self) -> bool:
        """Whether a point can be taken now."""
        if self._workers:
            return any(worker.number is None for worker in self._workers)
        return not self._here

    def submit(self, number: int, point: Point) -> None:
        """Takes a point; one must be `idle`."""
        if not self._workers:
            self._here.append((number, point))
            return
        next(worker for worker in self._workers if worker.number is None).begin(number, point)

    def finished(self) -> list[Finished]:
        """Waits until something is finished."""
        if not self._workers:
            number, point = self._here.pop()
            begun = time.perf_counter()
            return [(number, self.evaluator(point), time.perf_counter() - begun)]
        busy = [worker for worker in self._workers if worker.number is not None]
        wait([thing for worker in busy for thing in worker.things])
        return [done for worker in busy if (done := worker.done()) is not None]

    def close(self) -> None:
        """Ends the processes, what they are doing is lost."""
        for worker in self._workers:
            worker.end()


class _Worker:
    """A process, begun anew when it died."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.number: int | None = None
        self._begin()

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self.connection: Connection[Any, Any] = ours
        job = self.job
        # a recipe travels as plain data
        recipe = job.proxy.to_dict() if job.proxy is not None else None
        what = (theirs, job.space, job.objectives, job.constraints, recipe)
        self.process = context.Process(target=_work, args=what, daemon=True)
        try:
            self.process.start()
        except Exception as error:  # what cannot be sent raises many things
            raise UsageError(
                f"the space {job.space.name} cannot be sent to another process: {error}",
                expected="a class of a module that can be imported, with plain data",
                hint="workers=1",
            ) from error
        theirs.close()

    @property
    def things(self) -> tuple[Any, int]:
        """What to wait for: an answer, or its end."""
        return self.connection, self.process.sentinel

    def begin(self, number: int, point: Point) -> None:
        """Gives it a point."""
        self.number = number
        with suppress(OSError):  # it died meanwhile: `done` finds out
            self.connection.send(point)

    def done(self) -> Finished | None:
        """Its answer, or that it died; None while it works."""
        if self.number is None:
            return None
        number, alive = self.number, self.process.is_alive()
        answer: Answer | None = None
        seconds = 0.0
        if self.connection.poll():
            with suppress(EOFError, OSError):
                answer, seconds = self.connection.recv()
        elif alive:
            return None
        if answer is None:
            self.end()
            code = self.process.exitcode or 0
            why = f"signal {-code}" if code < 0 else f"exit code {code}"
            answer = Answer("failed", {}, f"the process that evaluated it ended with {why}")
            self._begin()
        self.number = None
        return number, answer, seconds

    def end(self) -> None:
        """Of the process."""
        self.connection.close()
        self.process.terminate()
        self.process.join()


def _work(
    connection: Any,
    space: SearchSpace,
    objectives: Sequence[Quantity],
    constraints: Sequence[Constraint],
    recipe: Mapping[str, Any] | None,
) -> None:
    """A process: points come, answers go, until nobody is there any more."""
    import torch

    # an interrupt is the searching process's affair
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    proxy = recipe_from(recipe, "proxy") if recipe is not None else None
    evaluator = Evaluator(space, objectives, constraints, proxy)
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            point = connection.recv()
            begun = time.perf_counter()
            answer = evaluator(point)
            connection.send((answer, time.perf_counter() - begun))
