"""The mapper's optimum equals the least of every mapping, enumerated and evaluated one by one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from least_of_all import SECOND, least
from random_cases import devices, problems

from steelyard.errors import InputError, UsageError
from steelyard.hardware.dataflows import constraints
from steelyard.hardware.device import (
    DIMENSIONS,
    OPERANDS,
    Accelerator,
    Array,
    Axis,
    Link,
    Memory,
    Operand,
)
from steelyard.hardware.evaluate import evaluate
from steelyard.hardware.mapper import find_mapping
from steelyard.hardware.mapper_answer import OBJECTIVES, Objective, objective_value
from steelyard.hardware.mapping import Loop, Mapping
from steelyard.hardware.mapspace import Constraints, Mapspace
from steelyard.hardware.problem import Problem, Window
from steelyard.hardware.registry import device as preset

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
    if kind == "accumulator":
        sums = Memory("SUM", ("I", "O"), 48, 5, 4, psum_bits=40)
        return Accelerator(kind, (dram, sums, Array("PE", (Axis("x", 2, SHARING),))), 1.0)
    if kind == "stages":
        inputs = Memory("IN", ("I",), 12, 6, 7)
        rest = Memory("REST", ("W", "O"), 40, 5, 4, write_bandwidth=1)
        return Accelerator(kind, (dram, inputs, rest, Array("PE", (Axis("x", 2, SHARING),))), 1.0)
    unshared = Axis("x", 2, {"W": Link("neighbour", 5), "O": Link("unicast", 1)}, ("M", "P", "C"))
    buffer = Memory("GLB", capacity_bytes=60, read_pj=6, write_pj=7)
    rf = Memory("RF", capacity_bytes=12, read_pj=1, write_pj=1)
    return Accelerator(kind, (dram, buffer, Array("PE", (unshared,)), rf), 1.0)


EYERISS = preset("eyeriss_isca16")

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
                yield Mapping(loops, keep, tuple(o for o, _ in space.constraints.resident))


def unequal_to_all(space: Mapspace) -> list[Objective]:
    """Objectives in which the search does not find the least of all mappings, ties by the second measure."""
    best = least(space, every_mapping(space))
    wrong: list[Objective] = []
    for objective in OBJECTIVES:
        found = find_mapping(space.problem, space.device, objective, constraints=space.constraints)
        assert found.optimal
        second = objective_value(found.evaluation, SECOND[objective])
        least_value, least_second = best[objective][:2]
        if found.value != pytest.approx(least_value, rel=1e-9) or second != pytest.approx(
            least_second, rel=1e-8
        ):
            wrong.append(objective)
    return wrong


CASES = [
    pytest.param(kind, name, marks=[pytest.mark.slow] if name == "square" else [])
    for kind in KINDS
    for name in PROBLEMS
]
CASES += [pytest.param("accumulator", name) for name in ("matrix", "window")]


@pytest.mark.parametrize("kind, name", CASES)
def test_the_optimum_is_the_least_of_all(kind: str, name: str) -> None:
    assert unequal_to_all(Mapspace(PROBLEMS[name], device(kind), Constraints())) == []


RESIDENTS: tuple[tuple[str, tuple[tuple[Operand, str], ...]], ...] = (
    ("three levels", (("I", "GLB"),)),
    ("three levels", (("O", "GLB"),)),
    ("three levels", (("I", "GLB"), ("O", "GLB"))),
    ("unshared", (("W", "GLB"), ("O", "GLB"))),
    ("unshared", (("I", "GLB"), ("W", "GLB"), ("O", "GLB"))),
    ("stages", (("I", "IN"), ("O", "REST"))),
)


@pytest.mark.parametrize("kind, resident", RESIDENTS)
@pytest.mark.parametrize("name", ["matrix", "window"])
def test_the_optimum_with_operands_that_live_on_the_chip(
    kind: str, resident: tuple[tuple[Operand, str], ...], name: str
) -> None:
    space = Mapspace(PROBLEMS[name], device(kind), Constraints(resident=resident))
    assert unequal_to_all(space) == []
    found = find_mapping(space.problem, space.device, constraints=space.constraints).evaluation
    for operand, home in resident:
        assert found.access("DRAM", operand).total == 0
        assert found.access(home, operand).total > 0


def test_an_operand_lives_in_one_memory() -> None:
    asked = Constraints(resident=(("I", "RF"),))
    with pytest.raises(UsageError, match="I is kept at RF"):
        find_mapping(PROBLEMS["matrix"], device("three levels"), constraints=asked)


CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def a_mapping(data: st.DataObject, space: Mapspace) -> Mapping:
    """Any mapping of the mapspace, in any loop order."""
    slots = space.slots()
    chains = {dim: data.draw(st.sampled_from(space.chains(dim))) for dim in DIMENSIONS}
    loops = []
    for place in range(len(space.device.levels)):
        own = [
            Loop(dim, chains[dim][k], slot.name if slot.axis else "")
            for k, slot in reversed([*enumerate(slots)])
            if slot.level == place
            for dim in DIMENSIONS
            if chains[dim][k] > 1
        ]
        temporal = not any(loop.axis for loop in own)
        loops.append(tuple(data.draw(st.permutations(own)) if temporal else own))
    return Mapping(tuple(loops), data.draw(st.sampled_from([*space.keeps()])))


@pytest.mark.slow
@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=CHECKS)
def test_no_random_mapping_of_a_random_device_is_better(data: st.DataObject) -> None:
    space = Mapspace(data.draw(problems(limit=40)), data.draw(devices()))
    assume(len([*space.patterns()]) * len([*space.keeps()]) < 300)
    objective = data.draw(st.sampled_from(OBJECTIVES))
    best = find_mapping(space.problem, space.device, objective)
    assert best.optimal
    for _ in range(20):
        try:
            other = evaluate(space.problem, a_mapping(data, space), space.device)
        except UsageError:  # more instances than the axis has
            continue
        assert objective_value(other, objective) >= best.value * (1 - 1e-9)


def test_a_network_layer_is_mapped_as_row_stationary() -> None:
    """AlexNet's first layer on Eyeriss: the free optimum keeps rows of weights in the units and slides along Q."""
    space = Mapspace(Problem((1, 1, 96, 3, 55, 55, 11, 11), *[Window(4, 1, 0, 227)] * 2), EYERISS)
    found = find_mapping(space.problem, EYERISS)
    flow = find_mapping(space.problem, EYERISS, constraints=constraints("RS", EYERISS))
    assert found.optimal and flow.optimal
    assert flow.value == pytest.approx(found.value, rel=0.01)


def test_contradictory_constraints_are_named() -> None:
    asked = Constraints(
        temporal=(("RF", ("M",)),), spatial=(("x", ("M",)),), whole=(("RF", ("C",)),)
    )
    with pytest.raises(
        InputError, match="C=4 has no place: C not at RF, C not along x, C wholly inside RF"
    ):
        find_mapping(PROBLEMS["matrix"], device("three levels"), constraints=asked)


def test_a_budget_keeps_the_best_so_far() -> None:
    problem = Problem((1, 1, 64, 64, 14, 14, 3, 3), *[Window(1, 1, 1, 14)] * 2)
    hurried = find_mapping(problem, EYERISS, budget_s=0.0)
    best = find_mapping(problem, EYERISS)
    assert best.optimal
    assert hurried.bound <= best.value <= hurried.value


def test_an_unknown_objective() -> None:
    with pytest.raises(UsageError, match="objective 'speed'"):
        find_mapping(PROBLEMS["matrix"], EYERISS, "speed")  # type: ignore[arg-type]


def test_keep_forbids_a_bypass() -> None:
    """What must be kept is kept, and the best of fewer mappings is no better."""
    free = find_mapping(PROBLEMS["matrix"], device("unshared"))
    asked = Constraints(keep=(("GLB", OPERANDS),))
    held = find_mapping(PROBLEMS["matrix"], device("unshared"), constraints=asked)
    assert all("GLB" in held.mapping.keeps(operand) for operand in OPERANDS)
    assert any("GLB" not in free.mapping.keeps(operand) for operand in OPERANDS)
    assert held.value > free.value
