"""The optimum of the uneven mappings equals the least of every one, enumerated and evaluated one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations_with_replacement, permutations, product
from math import prod

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from least_of_all import SECOND, least
from random_cases import begins, devices, problems
from test_mapper import SHARING, a_mapping, device

from steelyard.errors import UsageError
from steelyard.hardware.dataflows import constraints
from steelyard.hardware.device import DIMENSIONS, Accelerator, Array, Axis, Memory, Operand
from steelyard.hardware.evaluate import evaluate
from steelyard.hardware.mapper import OBJECTIVES, Objective, find_mapping, objective_value
from steelyard.hardware.mapping import Loop, Mapping
from steelyard.hardware.mapspace import Constraints, Mapspace, divisors, spread
from steelyard.hardware.mapspace_uneven import Split, roots
from steelyard.hardware.problem import Problem, Window
from steelyard.hardware.registry import device as preset
from steelyard.hardware.simulator import simulate

Places = list[tuple[int, ...]]
"""Rows of memories (their places) and axes (the array's place), outermost first."""


def primes(n: int) -> list[int]:
    """Prime factors with their multiplicity."""
    found = []
    for p in range(2, n + 1):
        while n % p == 0:
            found.append(p)
            n //= p
    return found


def bounds(size: int, axes: list[int]) -> Iterator[tuple[int, ...]]:
    """How many iterations of a dimension each row and axis makes, innermost first, a row first and last."""
    if not axes:
        yield (size,)
        return
    for inside in divisors(size):
        for along in spread(size // inside, axes[0]):
            rounds = -(-size // inside // along)
            for rest in bounds(rounds, axes[1:]):
                yield (inside, along, *rest)


def rows_of(chip: Accelerator) -> Places:
    """The memories between the arrays; each array of these tests has one axis."""
    found: Places = [()]
    for place, level in enumerate(chip.levels):
        if isinstance(level, Array):
            found += [(place,), ()]
        else:
            found[-1] = (*found[-1], place)
    return found


def nests(space: Mapspace) -> Iterator[list[tuple[Loop, ...]]]:
    """Every chain of every dimension, its loops cut into primes and in every order, by row and array."""
    dims = [d for d in DIMENSIONS if space.problem.size(d) > 1]
    rows = rows_of(space.device)
    arrays = [a.axes[0] for a in reversed(space.device.arrays)]
    choices = [
        [
            chain
            for chain in bounds(
                space.problem.size(d),
                [a.size if a.dims is None or d in a.dims else 1 for a in arrays],
            )
            if rows[-1] or chain[0] == 1
        ]
        for d in dims
    ]
    for chains in product(*choices):
        parts: list[list[tuple[Loop, ...]]] = []
        for k, number in enumerate(reversed(range(len(rows)))):
            own = [(d, chain[number]) for d, chain in zip(dims, chains, strict=True)]
            if k % 2:
                name = arrays[number // 2].name
                parts.append([tuple(Loop(d, b, name) for d, b in own if b > 1)])
            else:
                loops = [Loop(d, p) for d, b in own for p in primes(b)]
                parts.append(sorted(set(permutations(loops)), key=str))
        yield from (list(one) for one in product(*parts))


def starts(space: Mapspace, keep: tuple[tuple[Operand, tuple[str, ...]], ...], nest: list[tuple[Loop, ...]]) -> Iterator[tuple[tuple[Operand, str, int], ...]]:  # fmt: skip
    """Every choice of loops at which tiles begin; all loops of a row stand at its first memory."""
    choices = []
    for operand, names in keep:
        for row, loops in zip(rows_of(space.device), nest, strict=True):
            own = [space.device.levels[p].name for p in row]
            kept = [name for name in own if name in names[1:]]
            choices.append(
                [
                    tuple((operand, name, at) for name, at in zip(kept, ats, strict=True))
                    for ats in combinations_with_replacement(range(len(loops) + 1), len(kept))
                ]
            )
    for one in product(*choices):
        yield tuple(begin for part in one for begin in part)


def every_mapping(space: Mapspace) -> Iterator[Mapping]:
    """All of them. The last memory of a row has its loops, and every tile of the row begins at one of those."""
    rows = rows_of(space.device)
    for keep in space.keeps():
        for nest in nests(space):
            loops: list[tuple[Loop, ...]] = [()] * len(space.device.levels)
            for row, own in zip(rows, nest, strict=True):
                if row:
                    loops[row[-1]] = own
            resident = tuple(o for o, _ in space.constraints.resident)
            for begun in starts(space, keep, nest):
                yield Mapping(tuple(loops), keep, resident, begun)


def unequal_to_all(space: Mapspace) -> list[tuple[Objective, float, float]]:
    """Objectives in which the search does not find the least of all mappings, ties by the second measure.

    Ties are those among uneven mappings, or among even ones where none of the others is better.
    """
    best = least(space, every_mapping(space))
    wrong: list[tuple[Objective, float, float]] = []
    for objective in OBJECTIVES:
        found = find_mapping(
            space.problem,
            space.device,
            objective,
            constraints=space.constraints,
            mapspace="uneven",
        )
        assert found.optimal
        second = objective_value(found.evaluation, SECOND[objective])
        least_value, least_second = best[objective]
        even = find_mapping(space.problem, space.device, objective, constraints=space.constraints)
        if even.value == pytest.approx(least_value, rel=1e-9):
            least_second = objective_value(even.evaluation, SECOND[objective])
        if found.value != pytest.approx(least_value, rel=1e-9) or second != pytest.approx(
            least_second, rel=1e-8
        ):
            wrong.append((objective, found.value, least_value))
    return wrong


PROBLEMS = {
    "matrix": Problem((2, 1, 3, 4, 1, 1, 1, 1)),
    "vector": Problem((1, 1, 6, 4, 1, 1, 1, 1)),
    "window": Problem((1, 1, 2, 1, 4, 1, 3, 1), rows=Window(1, 1, 1, 4)),
    "stride": Problem((1, 1, 2, 1, 3, 1, 2, 1), rows=Window(2, 1, 0, 6)),
    "overlap": Problem((1, 1, 2, 2, 3, 1, 2, 1), rows=Window(1, 1, 0, 4)),
    "square": Problem((1, 1, 2, 1, 2, 2, 2, 2), Window(1, 1, 0, 3), Window(1, 1, 0, 3)),
    "depthwise": Problem((1, 3, 1, 1, 3, 1, 2, 1), rows=Window(1, 2, 1, 4)),
    "edge": Problem((1, 1, 5, 3, 1, 1, 1, 1)),
}
KINDS = ("two levels", "three levels", "unshared", "stages", "two rows")
QUICK = {
    ("two levels", "matrix"),
    ("two levels", "stride"),
    ("two levels", "depthwise"),
    ("stages", "matrix"),
    ("three levels", "edge"),
    ("unshared", "edge"),
}
LONG = {(kind, "square") for kind in ("three levels", "unshared", "two rows")}
LONG |= {("three levels", "overlap"), ("unshared", "overlap")}
"""Each takes minutes."""
CASES = [
    pytest.param(kind, name, marks=[] if (kind, name) in QUICK else [pytest.mark.slow])
    for kind in KINDS
    for name in PROBLEMS
    if (kind, name) not in LONG
]


def chip(kind: str) -> Accelerator:
    """The devices of the even mappings' proof, and one with two arrays and a buffer passed by."""
    if kind != "two rows":
        return device(kind)
    dram = Memory("DRAM", read_pj=200, write_pj=190, read_bandwidth=1, write_bandwidth=0.5)
    outer = Array("CLUSTERS", (Axis("x", 2, SHARING),))
    buffer = Memory("GLB", ("I", "O"), 24, 6, 7, read_bandwidth=2)
    inner = Array("PES", (Axis("y", 2, SHARING),))
    rf = Memory("RF", ("W", "O"), 10, 1, 1)
    return Accelerator(kind, (dram, outer, buffer, inner, rf), 1.0)


@pytest.mark.parametrize("kind, name", CASES)
def test_the_optimum_is_the_least_of_all(kind: str, name: str) -> None:
    assert unequal_to_all(Mapspace(PROBLEMS[name], chip(kind), Constraints())) == []


@pytest.mark.parametrize("kind", ["three levels", "unshared"])
@pytest.mark.parametrize("name", [pytest.param("edge", marks=pytest.mark.slow), "stride"])
def test_the_optimum_with_operands_that_live_on_the_chip(kind: str, name: str) -> None:
    asked = Constraints(resident=(("I", "GLB"), ("O", "GLB")))
    assert unequal_to_all(Mapspace(PROBLEMS[name], chip(kind), asked)) == []


CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def leaves(splits: list[Split]) -> int:
    """Different sequences of events, choices of bypasses counted."""
    return sum(prod(map(len, split.choices)) for split in splits)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=CHECKS)
def test_no_random_mapping_of_a_random_device_is_better(data: st.DataObject) -> None:
    space = Mapspace(data.draw(problems(limit=40)), data.draw(devices()))
    assume(leaves([*roots(space)]) < 100)
    objective = data.draw(st.sampled_from(OBJECTIVES))
    best = find_mapping(space.problem, space.device, objective, mapspace="uneven")
    even = find_mapping(space.problem, space.device, objective)
    assert best.optimal
    assert best.value <= even.value * (1 + 1e-9)
    for _ in range(20):
        drawn = a_mapping(data, space)
        mapping = replace(drawn, begins=data.draw(begins(drawn, space.device)))
        try:
            other = evaluate(space.problem, mapping, space.device)
        except UsageError:  # more instances than the axis has
            continue
        assert objective_value(other, objective) >= best.value * (1 - 1e-9)


def test_a_layer_whose_tiles_had_better_begin_apart() -> None:
    """A row of 8 inputs and a 8 x 8 matrix, memory for 8 + 1 + 1: only an uneven mapping moves all once.

    The inputs stay while the weights pass by one at a time; with tiles that begin together, either the inputs
    come again for each output, or the sums go up and down.
    """
    rf = Memory("RF", capacity_bytes=20, read_pj=1, write_pj=1)
    small = Accelerator("small", (Memory("DRAM", read_pj=200, write_pj=200), rf), 1.0)
    problem = Problem((1, 1, 8, 8, 1, 1, 1, 1))
    even = find_mapping(problem, small, "dram")
    uneven = find_mapping(problem, small, "dram", mapspace="uneven")
    assert uneven.value == 8 + 64 + 8
    assert even.value > uneven.value
    assert even.mapping.begins == () != uneven.mapping.begins
    simulated = simulate(problem, uneven.mapping, small)
    assert simulated.counts["DRAM", "I", "reads"] == 8


def test_uneven_mappings_have_no_dataflow() -> None:
    chip_of_2016 = preset("eyeriss_isca16")
    asked = constraints("RS", chip_of_2016)
    with pytest.raises(UsageError, match="uneven mappings under a dataflow's constraints"):
        find_mapping(PROBLEMS["matrix"], chip_of_2016, constraints=asked, mapspace="uneven")
    with pytest.raises(UsageError, match="mapspace 'odd'"):
        find_mapping(PROBLEMS["matrix"], chip_of_2016, mapspace="odd")  # type: ignore[arg-type]


def test_a_budget_keeps_the_best_so_far() -> None:
    problem = Problem((1, 1, 50, 20, 8, 8, 5, 5), *[Window(1, 1, 0, 12)] * 2)
    chip_of_2016 = preset("eyeriss")
    best = find_mapping(problem, chip_of_2016, mapspace="uneven")
    for budget_s in (0.0, 0.1):
        hurried = find_mapping(problem, chip_of_2016, mapspace="uneven", budget_s=budget_s)
        assert hurried.bound <= best.value <= hurried.value
    assert best.optimal
    assert best.value < find_mapping(problem, chip_of_2016).value
