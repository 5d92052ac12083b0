"""`Solver`: the best mappings of many questions, from the cache or searched by several threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event

from steelyard.errors import InputError
from steelyard.hardware.device import Accelerator
from steelyard.hardware.mapper_answer import Found, MapspaceKind, Objective
from steelyard.hardware.mapping_cache import MappingCache, key
from steelyard.hardware.mapspace import Constraints
from steelyard.hardware.problem import Problem

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Question:
    """A problem to be mapped to a device under constraints; the layer is named in messages."""

    problem: Problem
    device: Accelerator
    constraints: Constraints
    layer: str


@dataclass(slots=True)
class Solver:
    """Answers questions, equal ones once.

    Attributes:
        objective: what each mapping minimises.
        store: where answers are kept, if anywhere.
        budget_s: about how long to search from now on; each call of `solve` takes its time off.
        workers: threads.
        progress: called with (done, all, layer's name).
        mapspace: of the mappings, as in `steelyard.hardware.mapper`.
        problems, searched: different questions of all calls; those that were searched.
        notes: what a reader of the answers must know.
    """

    objective: Objective
    store: MappingCache | None
    budget_s: float | None
    workers: int
    progress: Progress | None = None
    mapspace: MapspaceKind = "even"
    problems: int = 0
    searched: int = 0
    notes: list[str] = field(default_factory=list)

    def solve(
        self, questions: Sequence[Question], *, tolerant: bool = False
    ) -> list[Found | InputError]:
        """The answer to each question.

        Args:
            questions: equal ones are searched once.
            tolerant: where nothing fits, the answer is the error.

        Raises:
            InputError: nothing fits, and that is not tolerated.
        """
        names = [
            key(q.problem, q.device, self.objective, q.constraints, self.mapspace)
            for q in questions
        ]
        first = dict(zip(reversed(names), reversed(questions), strict=True))
        answers: dict[str, Found | InputError] = {}
        answers.update(self.store.get([*first]) if self.store else {})
        open_ = sorted((n for n in first if n not in answers), key=lambda n: -first[n].problem.macs)
        self.problems += len(first)
        self.searched += len(open_)
        if open_:
            self._say_if_slow()
            begun = time.monotonic()
            self._search_all({name: first[name] for name in open_}, answers, tolerant=tolerant)
            if self.budget_s is not None:
                self.budget_s = max(0.0, self.budget_s - (time.monotonic() - begun))
        return [answers[name] for name in names]

    def _search_all(
        self,
        questions: dict[str, Question],
        answers: dict[str, Found | InputError],
        *,
        tolerant: bool,
    ) -> None:
        every = len(answers) + len(questions)
        each = None if self.budget_s is None else self.budget_s * self.workers / len(questions)
        halt = Event()
        pool = ThreadPoolExecutor(self.workers)
        running: dict[Future[Found | InputError], str] = {}
        try:
            for name, question in questions.items():
                running[pool.submit(self._search, name, question, each, halt)] = name
            while running:
                done, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    answers[name] = answer = future.result()
                    if isinstance(answer, InputError) and not tolerant:
                        raise answer
                    if self.progress:
                        self.progress(len(answers), every, questions[name].layer)
        finally:
            # who interrupts does not wait for what is being searched
            halt.set()
            pool.shutdown(wait=not running, cancel_futures=True)

    def _search(
        self, name: str, question: Question, budget_s: float | None, halt: Event
    ) -> Found | InputError:
        # here: whose answers are all kept need not wait for numba
        from steelyard.hardware.mapper import find_mapping

        try:
            found = find_mapping(
                question.problem,
                question.device,
                self.objective,
                constraints=question.constraints,
                mapspace=self.mapspace,
                budget_s=budget_s,
                stop=halt.is_set,
            )
        except InputError as error:
            return InputError(
                f"layer {question.layer!r}: {error.given}",
                expected=error.expected,
                hint=error.hint,
            )
        if self.store:
            self.store.put(name, found)
        return found

    def _say_if_slow(self) -> None:
        from steelyard.hardware.mapper_kernels import COMPILED

        note = (
            "numba is not installed, the search is about a hundred times slower: "
            "pip install 'steelyard[fast]'"
        )
        if not COMPILED and note not in self.notes:
            self.notes.append(note)
