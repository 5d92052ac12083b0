"""`Crew`: who evaluates points: this process, several of this machine, or a Ray cluster.

What a process that was killed had in hand is tried once more, by another. Only then it is a failed trial.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from steelyard.design.search.evaluate import Answer, Evaluator
from steelyard.design.search.goals import Constraint, Quantity
from steelyard.design.search.places import Places
from steelyard.design.spaces.base import Point, SearchSpace
from steelyard.errors import UsageError
from steelyard.hardware.engines import Engine, interrupts_blocked, on_leash, ray_cluster
from steelyard.train.recipe import Recipe, recipe_from

TRIES = 2
"""So often a point is evaluated whose process of this machine is killed."""


@dataclass(frozen=True, slots=True)
class Job:
    """What an `Evaluator` is made of."""

    space: SearchSpace
    objectives: Sequence[Quantity]
    constraints: Sequence[Constraint]
    proxy: Recipe | None

    def evaluator(self, places: Places | None = None) -> Evaluator:
        """One; without places it finds them itself."""
        return Evaluator(self.space, self.objectives, self.constraints, self.proxy, places)

    def packed(self, places: Places) -> Packed:
        """What travels to another process: a recipe as plain data."""
        recipe = self.proxy.to_dict() if self.proxy is not None else None
        return self.space, self.objectives, self.constraints, recipe, places


Packed = tuple[
    SearchSpace, Sequence[Quantity], Sequence[Constraint], Mapping[str, Any] | None, Places
]


def unpacked(packed: Packed) -> Evaluator:
    """In another process: the evaluator of `Job.packed`, on one thread."""
    import torch

    torch.set_num_threads(1)
    space, objectives, constraints, recipe, places = packed
    proxy = recipe_from(recipe, "proxy") if recipe is not None else None
    return Job(space, objectives, constraints, proxy).evaluator(places)


Finished = tuple[int, Answer, float]
"""Number of a trial, what came out, and seconds."""


class Crew(Protocol):
    """Takes points and gives answers."""

    @property
    def idle(self) -> bool:
        """Whether a point can be taken now."""

    def submit(self, number: int, point: Point) -> None:
        """Takes a point; it must be `idle`."""

    def finished(self) -> list[Finished]:
        """Waits until something is finished; something must have been taken."""


@contextmanager
def crew(
    job: Job, evaluator: Evaluator, workers: int, engine: Engine, address: str
) -> Iterator[Crew]:
    """Whoever evaluates; on leaving, what they still do is lost.

    Args:
        job: what is evaluated.
        evaluator: the same, for this process.
        workers: points at once.
        engine, address: where.

    Raises:
        UsageError: the space cannot be sent to other processes.
        MissingExtraError, BackendError: as `ray_cluster`.
    """
    if engine == "ray":
        from steelyard.design.search.cluster import Nodes

        with ray_cluster(address, workers) as ray:
            nodes = Nodes(ray, job.packed(evaluator.places), workers)
            try:
                yield nodes
            finally:
                nodes.close()
    elif workers > 1:
        processes = Processes(job.packed(evaluator.places), workers)
        try:
            yield processes
        finally:
            processes.close()
    else:
        yield Alone(evaluator)


class Alone:
    """This process."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self._taken: list[tuple[int, Point]] = []

    @property
    def idle(self) -> bool:
        """Whether nothing was taken."""
        return not self._taken

    def submit(self, number: int, point: Point) -> None:
        """Takes a point."""
        self._taken.append((number, point))

    def finished(self) -> list[Finished]:
        """Evaluates it."""
        number, point = self._taken.pop()
        begun = time.perf_counter()
        return [(number, self.evaluator(point), time.perf_counter() - begun)]


class Processes:
    """Several processes of this machine, which end when this one does, however it ends."""

    def __init__(self, packed: Packed, workers: int) -> None:
        self.packed, self.most = packed, workers
        self._workers: list[_Worker] = []

    @property
    def _free(self) -> _Worker | None:
        return next((worker for worker in self._workers if worker.number is None), None)

    @property
    def idle(self) -> bool:
        """Whether one of them has nothing to do, or another may be begun."""
        return len(self._workers) < self.most or self._free is not None

    def submit(self, number: int, point: Point) -> None:
        """Gives it to one that has nothing to do."""
        if (worker := self._free) is None:
            worker = _Worker(self.packed)
            self._workers.append(worker)
        worker.begin(number, point)

    def finished(self) -> list[Finished]:
        """Waits until one is done, or was killed for the last time."""
        while True:
            busy = [worker for worker in self._workers if worker.number is not None]
            wait([thing for worker in busy for thing in worker.things])
            found = [done for worker in busy if (done := worker.done()) is not None]
            if found:
                return found

    def close(self) -> None:
        """Ends the processes, what they are doing is lost."""
        for worker in self._workers:
            worker.end()


class _Worker:
    """A process, begun anew when it died."""

    def __init__(self, packed: Packed) -> None:
        self.packed = packed
        self.number: int | None = None
        self._point: Point = ()
        self._tries = 0
        self._begin()

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        leash, end = context.Pipe(duplex=False)
        self.connection: Connection[Any, Any] = ours
        self._leash = end
        what = (theirs, leash, self.packed)
        self.process = context.Process(target=_work, args=what, daemon=True)
        try:
            with interrupts_blocked():
                self.process.start()
        except Exception as error:  # what cannot be sent raises many things
            raise UsageError(
                f"the space {self.packed[0].name} cannot be sent to another process: {error}",
                expected="a class of a module that can be imported, with plain data",
                hint="workers=1",
            ) from error
        theirs.close()
        leash.close()

    @property
    def things(self) -> tuple[Any, int]:
        """What to wait for: an answer, or its end."""
        return self.connection, self.process.sentinel

    def begin(self, number: int, point: Point) -> None:
        """Gives it a point."""
        self.number, self._point, self._tries = number, point, 0
        self._send()

    def _send(self) -> None:
        self._tries += 1
        with suppress(OSError):  # it died meanwhile: `done` finds out
            self.connection.send(self._point)

    def done(self) -> Finished | None:
        """Its answer, or that it was killed again; None while it works."""
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
            self._begin()
            if self._tries < TRIES:
                self._send()
                return None
            why = f"signal {-code}" if code < 0 else f"exit code {code}"
            answer = killed(f"ended with {why}, twice")
        self.number = None
        return number, answer, seconds

    def end(self) -> None:
        """Of the process."""
        self.connection.close()
        self._leash.close()
        self.process.terminate()
        self.process.join()


def killed(how: str) -> Answer:
    """A trial whose processes were killed."""
    return Answer("failed", {}, f"the process that evaluated it {how}")


def _work(connection: Any, leash: Any, packed: Packed) -> None:
    """A process: points come, answers go, until nobody is there any more."""
    on_leash(leash)  # an interrupt is the searching process's affair
    evaluator = unpacked(packed)
    with suppress(EOFError, OSError):
        while True:
            point = connection.recv()
            begun = time.perf_counter()
            answer = evaluator(point)
            connection.send((answer, time.perf_counter() - begun))
