"""`explore`: a network on every variant of a device: design-space exploration that resumes where it stopped.

Points are solved by several processes. Each is written to a SQLite file as soon as it is known; a sweep that
was killed, or one that overlaps with an earlier one, does not solve a point again.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from steelyard._cache import cache_folder
from steelyard._display import Printable
from steelyard.errors import InputError, UsageError
from steelyard.hardware.device import Accelerator
from steelyard.hardware.estimate import estimate
from steelyard.hardware.mapper import Objective
from steelyard.hardware.mapping_cache import MODEL
from steelyard.hardware.sweep import Sweep, Value, settings, variant
from steelyard.workload import Workload

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Point:
    """One variant.

    Attributes:
        settings: path -> value.
        energy_pj, latency_s, dram_accesses, utilization: of one pass; None where nothing fits.
        units: multiply-accumulate units.
        on_chip_bytes: of all memories with a bound, all instances together.
        problem: why there is no figure, "" if there is.
    """

    settings: dict[str, Value]
    energy_pj: float | None
    latency_s: float | None
    dram_accesses: int | None
    utilization: float | None
    units: int
    on_chip_bytes: float
    problem: str = ""

    @property
    def costs(self) -> tuple[float, float, float, int]:
        """What is better when less: energy, latency, memory on the chip, units."""
        return (self.energy_pj or 0.0, self.latency_s or 0.0, self.on_chip_bytes, self.units)


@dataclass(frozen=True, slots=True)
class Exploration(Printable):
    """All points of a sweep.

    Attributes:
        workload, device: names.
        objective: what each mapping minimises.
        batch: images of one pass.
        sweeps: what was varied.
        points: in the order of the values, the last sweep's changing fastest.
        solved: points that were not in the file.
    """

    workload: str
    device: str
    objective: str
    batch: int
    sweeps: tuple[Sweep, ...]
    points: tuple[Point, ...]
    solved: int

    @property
    def front(self) -> tuple[Point, ...]:
        """The Pareto front: no other point is at least as good in all four costs and better in one."""
        known = [point for point in self.points if not point.problem]
        return tuple(
            point for point in known if not any(_beats(other.costs, point.costs) for other in known)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.exploration/1``."""
        front = self.front
        return {
            "schema": "steelyard.exploration/1",
            "workload": self.workload,
            "device": self.device,
            "objective": self.objective,
            "batch": self.batch,
            "points": [asdict(point) | {"on_front": point in front} for point in self.points],
            "solved": self.solved,
        }


def explore(
    workload: Workload,
    device: Accelerator,
    sweeps: Sequence[Sweep],
    *,
    objective: Objective = "energy",
    dataflow: str = "",
    workers: int | None = None,
    store: Path | None = None,
    progress: Progress | None = None,
) -> Exploration:
    """Estimates a network on every variant of a device.

    Args:
        workload: the network.
        device: the accelerator to start from.
        sweeps: what is varied; see `steelyard.hardware.sweep.parse_sweep`.
        objective, dataflow: as in `estimate`; a sweep of ``dataflow`` overrides the latter.
        workers: processes, which import the calling script anew: it needs ``if __name__ == "__main__":``;
            None: one a core.
        store: the file that keeps points; None: in the cache folder.
        progress: called with (done, all).

    Raises:
        UsageError: nothing to vary, or too much.
        UnknownNameError: no such parameter.
        InputError: a value that no device can have, or a store that cannot be used.
    """
    if not isinstance(device, Accelerator):
        raise UsageError("a roofline has nothing to vary", expected="an accelerator")
    tasks = [
        _Task(chosen, variant(device, chosen), objective, dataflow) for chosen in settings(sweeps)
    ]
    keys = [task.key(workload) for task in tasks]
    base = _Store(store or cache_folder() / "sweeps.sqlite")
    known = base.get(keys)
    missing = {key: task for key, task in zip(keys, tasks, strict=True) if key not in known}
    for key, point in _solved(workload, missing, workers or os.cpu_count() or 1):
        base.put(key, point)
        known[key] = point
        if progress:
            progress(len(set(keys) & set(known)), len(set(keys)))
    points = tuple(known[key] for key in keys)
    return Exploration(
        workload.name, device.name, objective, workload.batch, tuple(sweeps), points, len(missing)
    )


@dataclass(frozen=True, slots=True)
class _Task:
    settings: dict[str, Value]
    device: Accelerator
    objective: Objective
    dataflow: str

    def key(self, workload: Workload) -> str:
        content = [
            MODEL,
            workload.digest,
            self.device.digest,
            self.objective,
            self.flow,
            self.settings,
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def flow(self) -> str:
        return str(self.settings.get("dataflow", self.dataflow)).upper()

    def solve(self, workload: Workload) -> Point:
        room = sum(
            self.device.instances(memory.name)
            * (sum(c.values()) if not isinstance(c, int | float) else c)
            for memory in self.device.memories
            if (c := memory.capacity_bytes) is not None
        )
        try:
            found = estimate(
                workload, self.device, objective=self.objective, dataflow=self.flow, workers=1
            )
        except InputError as error:
            return Point(
                self.settings, None, None, None, None, self.device.pes, room, str(error.given)
            )
        return Point(
            self.settings, found.energy_pj, found.latency_s, found.dram_accesses,
            found.utilization, self.device.pes, room,
        )  # fmt: skip


def _solved(
    workload: Workload, missing: dict[str, _Task], workers: int
) -> Iterator[tuple[str, Point]]:
    if workers == 1 or len(missing) < 2:
        yield from ((key, task.solve(workload)) for key, task in missing.items())
        return
    # spawned: the parent may have threads
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(missing)), mp_context=context) as pool:
        futures = {pool.submit(task.solve, workload): key for key, task in missing.items()}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Store:
    """Points by key in a SQLite file; a point is there as a whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._do(
                "CREATE TABLE IF NOT EXISTS points (key TEXT PRIMARY KEY, point TEXT NOT NULL)"
            )
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"cannot use {path} to keep points: {error}",
                expected="a file of an earlier sweep, or none",
            ) from error

    def _do(self, statement: str, values: tuple[str, ...] = ()) -> list[tuple[str, str]]:
        with closing(sqlite3.connect(self.path, timeout=30)) as base, base:
            return list(base.execute(statement, values))

    def get(self, keys: Sequence[str]) -> dict[str, Point]:
        """The points that are there."""
        wanted = set(keys)
        rows = self._do("SELECT key, point FROM points")
        return {key: Point(**json.loads(text)) for key, text in rows if key in wanted}

    def put(self, key: str, point: Point) -> None:
        """Keeps a point."""
        self._do("INSERT OR REPLACE INTO points VALUES (?, ?)", (key, json.dumps(asdict(point))))


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


# below the classes that it prints, so that whoever has an exploration can print it
from steelyard.hardware import explore_layout as _layout  # noqa: E402, F401
