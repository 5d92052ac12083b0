"""The mapper's optimum equals the least of every mapping, enumerated and evaluated one by one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import pytest

from steelyard.errors import InputError, UsageError
from steelyard.hardware.device import DIMENSIONS, Accelerator, Array, Axis, Link, Memory
from steelyard.hardware.evaluate import evaluate
from steelyard.hardware.mapper import OBJECTIVES, Objective, find_mapping, objective_value
from steelyard.hardware.mapping import Loop, Mapping
from steelyard.hardware.mapspace import Constraints, Mapspace
from steelyard.hardware.problem import Problem, Window

SHARING = {"I": Link("multicast", 2), "W": Link("multicast", 2), "O": Link("neighbour", 2)}


def device(kind: str) -> Accelerator:
    dram = Memory("DRAM", read_pj=200, write_pj=190, read_bandwidth=1, write_bandwidth=0.5)
    if kind == "two levels":
        rf = Memory("RF", capacity_bytes=20, read_pj=1, write_pj=1.5, read_bandwidth=4)
        return Accelerator(kind, (dram, rf, Array("PE", (Axis("x", 2, SHARING),))), 1.0)
    if kind == "three levels":
        buffer = Memory(
            "GLB", ("I", "O"), 48, 6, 7, read_bandwidth=2, write_bandwidth=2, double_buffered=("I",)
        )
        rf = Memory("RF", capacity_bytes={"I": 4, "W": 8, "O": 4}, read_pj=1, write_pj=1)
        return Accelerator(kind, (dram, buffer, Array("PE", (Axis("x", 3, SHARING),)), rf), 1.0)
    if kind == "stages":
        inputs = Memory("IN", ("I",), 12, 6, 7)
        rest = Memory("REST", ("W", "O"), 40, 5, 4, write_bandwidth=1)
        return Accelerator(kind, (dram, inputs, rest, Array("PE", (Axis("x", 2, SHARING),))), 1.0)
    unshared = Axis("x", 2, {"W": Link("neighbour", 5), "O": Link("unicast", 1)}, ("M", "P", "C"))
    buffer = Memory("GLB", capacity_bytes=60, read_pj=6, write_pj=7)
    rf = Memory("RF", capacity_bytes=12, read_pj=1, write_pj=1)
    return Accelerator(kind, (dram, buffer, Array("PE", (unshared,)), rf), 1.0)


KINDS = ("two levels", "three levels", "unshared", "stages")

PROBLEMS = {
    "matrix": Problem((2, 1, 3, 4, 1, 1, 1, 1)),
    "window": Problem((1, 1, 1, 2, 4, 1, 3, 1), rows=Window(1, 1, 1, 4)),
    "stride": Problem((1, 1, 2, 1, 3, 1, 2, 1), rows=Window(2, 1, 0, 6)),
    "square": Problem((1, 1, 2, 1, 2, 2, 2, 2), Window(1, 1, 0, 3), Window(1, 1, 0, 3)),
    "depthwise": Problem((1, 3, 1, 1, 3, 1, 2, 1), rows=Window(1, 2, 1, 4)),
}


def every_mapping(space: Mapspace) -> Iterator[Mapping]:
    """All chains, all loop orders at each memory, all bypasses."""
    dims = [d for d in DIMENSIONS if space.problem.size(d) > 1]
    slots = space.slots()
    keeps = list(space.keeps())
    for chains in product(*(space.chains(d) for d in dims)):
        per_level: list[list[tuple[Loop, ...]]] = []
        for place, level in enumerate(space.device.levels):
            if isinstance(level, Memory):
                k = next((i for i, s in enumerate(slots) if s.level == place), None)
                if k is None:
                    per_level.append([()])
                    continue
                own = [Loop(d, c[k]) for d, c in zip(dims, chains, strict=True) if c[k] > 1]
                inner = level is space.device.memories[-1]
                per_level.append([tuple(own)] if inner else [*permutations(own)])
            else:
                spatial = [
                    Loop(d, c[i], s.name)
                    for i, s in enumerate(slots)
                    if s.level == place
                    for d, c in zip(dims, chains, strict=True)
                    if c[i] > 1
                ]
                per_level.append([tuple(spatial)])
        for loops in product(*per_level):
            for keep in keeps:
                yield Mapping(loops, keep)


def least(space: Mapspace) -> dict[Objective, float]:
    best: dict[Objective, float] = dict.fromkeys(OBJECTIVES, float("inf"))
    for mapping in every_mapping(space):
        try:
            found = evaluate(space.problem, mapping, space.device)
        except (InputError, UsageError):  # a tile or an array that is too large
            continue
        for objective in OBJECTIVES:
            best[objective] = min(best[objective], objective_value(found, objective))
    return best


CASES = [
    pytest.param(kind, name, marks=[pytest.mark.slow] if name == "square" else [])
    for kind in KINDS
    for name in PROBLEMS
]


@pytest.mark.parametrize("kind, name", CASES)
def test_the_optimum_is_the_least_of_all(kind: str, name: str) -> None:
    space = Mapspace(PROBLEMS[name], device(kind), Constraints())
    best = least(space)
    for objective in OBJECTIVES:
        found = find_mapping(space.problem, space.device, objective)
        assert found.optimal
        assert found.value == pytest.approx(best[objective], rel=1e-9), objective
