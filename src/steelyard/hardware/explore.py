"""`explore`: a network on every variant of a device: design-space exploration that resumes where it stopped.

Points are solved by several processes or machines (`steelyard.hardware.engines`). Each is written to a SQLite
file as soon as it is known; a sweep that was killed, or one that overlaps with an earlier one, does not solve a
point again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from operator import le
from pathlib import Path
from typing import Any

from steelyard._cache import cache_folder
from steelyard._display import Printable
from steelyard._kept import Kept
from steelyard.errors import InputError, UsageError
from steelyard.hardware.dataflows import dataflow as known_dataflow
from steelyard.hardware.device import Accelerator, EnergyUnit
from steelyard.hardware.engines import ENGINES, Engine, on_processes, on_ray
from steelyard.hardware.estimate import estimate
from steelyard.hardware.mapper_answer import Objective
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
        notes: what a reader of the numbers must know.
        energy_unit: of every energy; see `Accelerator`.
    """

    workload: str
    device: str
    objective: str
    batch: int
    sweeps: tuple[Sweep, ...]
    points: tuple[Point, ...]
    solved: int
    notes: tuple[str, ...] = ()
    energy_unit: EnergyUnit = "pJ"

    @property
    def front(self) -> tuple[Point, ...]:
        """The Pareto front: no other point is at least as good in all four costs and better in one."""
        known = [point for point in self.points if not point.problem]
        on_front = _on_front([point.costs for point in known])
        return tuple(point for point, on in zip(known, on_front, strict=True) if on)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.exploration/1``."""
        front = self.front
        return {
            "schema": "steelyard.exploration/1",
            "workload": self.workload,
            "device": self.device,
            "objective": self.objective,
            "batch": self.batch,
            "energy_unit": self.energy_unit,
            "points": [asdict(point) | {"on_front": point in front} for point in self.points],
            "solved": self.solved,
            "notes": list(self.notes),
        }


def explore(
    workload: Workload,
    device: Accelerator,
    sweeps: Sequence[Sweep],
    *,
    objective: Objective = "energy",
    dataflow: str = "",
    workers: int | None = None,
    engine: Engine = "local",
    address: str = "auto",
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
        engine: ``local``: processes of this machine; ``ray``: a Ray cluster.
        address: of the cluster; see `steelyard.hardware.engines.on_ray`.
        store: the file that keeps points; None: in the cache folder.
        progress: called with (done, all).

    Raises:
        UsageError: nothing to vary, too much, or no such engine.
        UnknownNameError: no such parameter or dataflow.
        InputError: a value that no device can have, or a ``store`` that cannot be used.
        MissingExtraError: Ray is not installed.
        BackendError: the processes or the cluster gave up; what is done is kept.
    """
    if not isinstance(device, Accelerator):
        raise UsageError("a roofline has nothing to vary", expected="an accelerator")
    if engine not in ENGINES:
        raise UsageError(f"the engine {engine!r}", expected=" or ".join(ENGINES))
    tasks = [
        _Task(chosen, variant(device, chosen), objective, dataflow) for chosen in settings(sweeps)
    ]
    for flow in {task.flow for task in tasks} - {""}:
        known_dataflow(flow)
    points = _Points(store)
    keys = [task.key(workload) for task in tasks]
    known = points.get(keys)
    every = len(set(keys))
    missing = {key: task for key, task in zip(keys, tasks, strict=True) if key not in known}
    if progress:
        progress(len(known), every)
    notes: list[str] = []
    with closing(_solved(workload, missing, engine, address, workers)) as solved:
        for key, (point, said) in solved:
            points.put(key, point)
            known[key] = point
            notes += said
            if progress:
                progress(len(known), every)
    return Exploration(
        workload=workload.name,
        device=device.name,
        objective=objective,
        batch=workload.batch,
        sweeps=tuple(sweeps),
        points=tuple(known[key] for key in keys),
        solved=len(missing),
        notes=tuple(dict.fromkeys([*points.notes, *notes])),
        energy_unit=device.energy_unit,
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
        asked = str(self.settings.get("dataflow", self.dataflow)).upper()
        return "" if asked == "ANY" else asked


def _solved(
    workload: Workload, missing: dict[str, _Task], engine: Engine, address: str, workers: int | None
) -> Generator[tuple[str, tuple[Point, tuple[str, ...]]], None, None]:
    """Each task's point, as it is done; to be closed, which ends the processes also when interrupted."""
    solve = partial(_solve, workload)
    if engine == "ray":
        return on_ray(solve, missing, address, workers)
    return on_processes(solve, missing, workers or os.cpu_count() or 1)


def _solve(workload: Workload, task: _Task) -> tuple[Point, tuple[str, ...]]:
    """The point, and what a reader of its numbers must know."""
    device = task.device
    room = sum(
        device.instances(memory.name) * (sum(c.values()) if not isinstance(c, int | float) else c)
        for memory in device.memories
        if (c := memory.capacity_bytes) is not None
    )
    try:
        found = estimate(workload, device, objective=task.objective, dataflow=task.flow, workers=1)
    except InputError as error:
        return Point(task.settings, None, None, None, None, device.pes, room, error.given), ()
    point = Point(
        task.settings, found.energy_pj, found.latency_s, found.dram_accesses,
        found.utilization, device.pes, room,
    )  # fmt: skip
    return point, found.notes


class _Points:
    """Points by key, in a file that the caller named or in the cache folder."""

    def __init__(self, path: Path | None) -> None:
        self._kept = Kept(
            path or cache_folder() / "sweeps.sqlite", "points", begin_anew=path is None
        )
        self.notes = self._kept.notes

    def get(self, keys: Sequence[str]) -> dict[str, Point]:
        found = {}
        for key, text in self._kept.get(list(dict.fromkeys(keys))).items():
            try:
                found[key] = Point(**json.loads(text))
            except (ValueError, TypeError):
                self.notes.append("a kept point could not be read and was solved again")
        return found

    def put(self, key: str, point: Point) -> None:
        self._kept.put(key, json.dumps(asdict(point)))


def _on_front(costs: Sequence[tuple[float, ...]]) -> list[bool]:
    """Which rows no other row beats. Only rows that come before one in order can beat it."""
    on_front = [False] * len(costs)
    front: list[tuple[float, ...]] = []
    for place in sorted(range(len(costs)), key=lambda k: costs[k]):
        row = costs[place]
        if not any(one != row and all(map(le, one, row)) for one in front):
            on_front[place] = True
            front.append(row)
    return on_front


# below the classes that it prints, so that whoever has an exploration can print it
from steelyard.hardware import explore_layout as _layout  # noqa: E402, F401
