"""Fused groups against a brute-force run row by row, the cut against every cut, and a published design."""

from __future__ import annotations

from itertools import product
from math import inf
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.hardware.device import Accelerator, Array, Axis, Link, Memory
from steelyard.hardware.drawing import draw_mapping
from steelyard.hardware.estimate import Estimate, estimate
from steelyard.hardware.fusion_partition import Chip, Span, partition, plans, spans
from steelyard.hardware.fusion_schedule import Bits, Schedule, schedules, sources
from steelyard.hardware.fusion_units import Source, Unit, line
from steelyard.hardware.problem import Problem, Window
from steelyard.workload import Layer, LoopNest, TensorSpec, Workload

# ---- a chain, executed row by row ------------------------------------------------------------


class Run:
    """Executes a group: sets of rows on the chip, every fetch and every computed row counted.

    It asks for the rows of the last map and follows the demand backwards; it knows neither ranges nor buffers.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.units = schedule.units
        self.keeps = schedule.halo == "keep"
        self.strips = []
        rows = self.units[-1].rows
        for start in range(0, rows, schedule.height):
            self.strips.append(set(range(start, min(start + schedule.height, rows))))
        self.writer = {unit.tensor: k for k, unit in enumerate(self.units)}
        self.fetched: dict[tuple[int, str], int] = {}
        self.computed = [0] * len(self.units)
        self.weights = 0
        self.peaks = [0] * len(self.units)
        plan = self.plan()
        self.execute(plan)

    def wants(self, source: Source, rows: set[int]) -> set[int]:
        found = set()
        for o in rows:
            for k in range(source.taps):
                row = o * source.window.stride + k * source.window.dilation - source.window.before
                if 0 <= row < source.window.size:
                    found.add(row)
        return found

    def plan(self) -> list[list[set[int]]]:
        """For each strip the rows that each unit computes: what is asked for, without gaps, and not there yet."""
        there: list[set[int]] = [set() for _ in self.units]
        found = []
        for strip in self.strips:
            todo: list[set[int]] = [set() for _ in self.units]
            asked: list[set[int]] = [set() for _ in self.units]
            asked[-1] = set(strip)
            for k in reversed(range(len(self.units))):
                if asked[k]:
                    first = 0 if self.keeps else min(asked[k])
                    whole = set(range(first, max(asked[k]) + 1))
                    todo[k] = whole - there[k]
                for source in sources(self.units[k]):
                    if source.tensor in self.writer and todo[k]:
                        span = self.wants(source, todo[k])
                        asked[self.writer[source.tensor]] |= span
            if self.keeps:
                for k, rows in enumerate(todo):
                    there[k] |= rows
            found.append(todo)
        return found

    def execute(self, plan: list[list[set[int]]]) -> None:
        held: dict[object, set[int]] = {}
        steps = list(product(range(len(self.strips)), range(len(self.units))))
        for strip, k in steps:
            unit, rows = self.units[k], plan[strip][k]
            if k == 0 and not self.keeps:
                held = {}
            for source in sources(unit):
                need = self.wants(source, rows)
                if source.tensor in self.writer:
                    assert need <= held[source.tensor]
                elif self.keeps and source in unit.sources:
                    new = need - held.setdefault((k, source), set())
                    self.count(k, source, new)
                    held[k, source] |= new
                else:
                    self.count(k, source, need)
            new = rows if k + 1 < len(self.units) else set()
            first = {name: self.least(name, plan, (strip, k - 1)) for name in held}
            if k + 1 < len(self.units):
                held.setdefault(unit.tensor, set()).update(rows)
            self.computed[k] += len(rows)
            self.weights += unit.weights if rows else 0
            self.peaks[k] = max(self.peaks[k], self.taken(held, unit.tensor, new, first))
            self.drop(held, plan, strip, k)

    def count(self, k: int, source: Source, rows: set[int]) -> None:
        self.fetched[k, source.tensor] = self.fetched.get((k, source.tensor), 0) + len(rows)

    def taken(
        self, held: dict[object, set[int]], tensor: str, new: set[int], first: dict[object, float]
    ) -> int:
        total = 0
        for name, rows in held.items():
            if isinstance(name, tuple):
                # room is there from the first row that is still to come, fetched or not
                low = min(first[name], min(rows, default=inf))
                total += BITS.done * name[1].needed * (max(rows) + 1 - int(low) if rows else 0)
            else:
                row = self.units[self.writer[str(name)]].row
                total += row * (self.hull(rows) * BITS.done)
                if name == tensor:
                    total += row * len(new) * (BITS.sums - BITS.done)
        return total

    @staticmethod
    def hull(rows: set[int]) -> int:
        return max(rows) - min(rows) + 1 if rows else 0

    def drop(
        self, held: dict[object, set[int]], plan: list[list[set[int]]], now: int, k: int
    ) -> None:
        """Rows below the first that anybody still asks for go; without line buffers at the strip's end all go."""
        for name in held:
            least = self.least(name, plan, (now, k))
            held[name] = {row for row in held[name] if row >= least}

    def least(self, name: object, plan: list[list[set[int]]], after: tuple[int, int]) -> float:
        """The first row of a map that a later step asks for."""
        least = inf
        for strip, j in product(range(after[0], len(self.strips)), range(len(self.units))):
            if (strip, j) <= after or (strip > after[0] and not self.keeps):
                continue
            for source in sources(self.units[j]):
                if source.tensor == name or (j, source) == name:
                    least = min([least, *self.wants(source, plan[strip][j])])
        return least


BITS = Bits(8, 24)


@st.composite
def chains(draw: st.DrawFn) -> tuple[Unit, ...]:
    """Two to four layers, their windows of any stride, dilation and padding, some with a sum behind them."""
    rows = draw(st.integers(3, 14))
    found: list[Unit] = []
    tensor = "x"
    maps = {"x": (rows, 3)}
    for k in range(draw(st.integers(2, 4))):
        taps = draw(st.integers(1, 4))
        stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        reach = (taps - 1) * dilation + 1
        before = draw(st.integers(0, min(1, taps - 1)))
        after = draw(st.integers(0, 1))
        high = (rows + before + after - reach) // stride + 1
        if high < 1:
            break
        source = Source(
            tensor, Window(stride, dilation, before, rows), taps, *[maps[tensor][1]] * 2
        )
        sides = []
        for name, (size, row) in maps.items():
            if size == high and name != tensor and draw(st.booleans()):
                sides.append((f"add{k}", Source(name, Window(size=size), 1, row, row)))
        row = draw(st.integers(1, 4))
        problem = Problem((1, 1, row, 2, high, 1, taps, 1), source.window)
        unit = Unit("nest", (f"u{k}",), f"t{k}", high, row, 1, (source,), tuple(sides), problem)
        found.append(unit)
        tensor, rows = unit.tensor, high
        maps[tensor] = (high, row)
    read = {s.tensor for unit in found for s in sources(unit)}
    return tuple(unit for unit in found if unit is found[-1] or unit.tensor in read)


@given(chains(), st.integers(1, 14), st.sampled_from(["keep", "recompute"]))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_counts_of_a_group_equal_those_of_a_run(
    units: tuple[Unit, ...], height: int, halo: str
) -> None:
    if len(units) < 2:
        return
    height = min(height, units[-1].rows)
    halo = "whole" if height == units[-1].rows else halo
    schedule = Schedule(units, height, halo, 1)  # type: ignore[arg-type]
    truth = Run(schedule)
    assert [sum(map(len, schedule.runs(k))) for k in range(len(units))] == truth.computed
    fetched: dict[tuple[int, str], int] = {}
    for k, unit in enumerate(units):
        for source in sources(unit):
            if source.tensor not in schedule.inside:
                key = (k, source.tensor)
                fetched[key] = fetched.get(key, 0) + schedule.fetched(k, source)
    assert fetched == truth.fetched
    assert sum(u.weights * len(schedule.runs(k)) for k, u in enumerate(units)) == truth.weights
    assert [8 * room for room in schedule.room(BITS)] == truth.peaks


# ---- the cut ---------------------------------------------------------------------------------


def every_cut(count: int) -> list[list[Span]]:
    found = []
    for marks in product((False, True), repeat=count - 1):
        ends = [k for k, mark in enumerate(marks) if mark] + [count - 1]
        begins = [0, *(end + 1 for end in ends[:-1])]
        found.append(list(zip(begins, ends, strict=True)))
    return found


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_the_cut_is_the_best_of_all_cuts(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    costs: dict[Span, float] = {(k, k): data.draw(st.integers(0, 20)) for k in range(count)}
    for first in range(count):
        for last in range(first + 1, count):
            if data.draw(st.booleans()):
                costs[first, last] = data.draw(st.integers(0, 40))
    cut, cost = partition(count, costs)
    every = [sum(costs.get(span, inf) for span in other) for other in every_cut(count)]
    assert cost == min(every) == sum(costs[span] for span in cut)
    assert cut in every_cut(count)


SHARING = {"I": Link("multicast"), "W": Link("multicast"), "O": Link("reduce")}


def chip(room: int = 700) -> Accelerator:
    return Accelerator(
        "chip",
        (
            Memory("DRAM", read_pj=200, write_pj=180, read_bandwidth=2, write_bandwidth=1),
            Memory("GLB", capacity_bytes=room, read_pj=6, write_pj=5),
            Array("PE", (Axis("x", 4, SHARING),)),  # type: ignore[arg-type]
            Memory("RF", capacity_bytes=32, read_pj=1, write_pj=1),
        ),
        mac_pj=1.0,
        bits={"I": 8, "W": 8, "O": 8},
        clock_hz=1e6,
    )


def conv(name: str, source: str, c: int, m: int, size: int, kernel: int = 3) -> Layer:
    pad = kernel // 2
    nest = LoopNest(
        1, 1, m, c, (size, size), (kernel, kernel), (size, size), (1, 1), (1, 1), ((pad, pad),) * 2
    )
    return Layer(name, "conv", "aten.conv2d", inputs=(source,), outputs=(name,), nests=(nest,))


def residual() -> Workload:
    """Convolution, pooling, and two convolutions with a shortcut around them."""
    layers = (
        conv("a", "x", 2, 4, 8),
        Layer("a.relu", "activation", "aten.relu", inputs=("a",), outputs=("ar",)),
        Layer("pool", "pool", "aten.max_pool2d", inputs=("ar",), outputs=("p",), ops=4 * 4 * 16),
        conv("b", "p", 4, 4, 4),
        Layer("b.relu", "activation", "aten.relu", inputs=("b",), outputs=("br",)),
        conv("c", "br", 4, 4, 4),
        Layer("sum", "elementwise", "aten.add", inputs=("c", "p"), outputs=("s",)),
        conv("d", "s", 4, 2, 4, 1),
    )
    big, small = (1, 4, 8, 8), (1, 4, 4, 4)
    tensors = (
        TensorSpec("x", (1, 2, 8, 8), role="input"),
        *(TensorSpec(name, big) for name in ("a", "ar")),
        *(TensorSpec(name, small) for name in ("p", "b", "br", "c", "s")),
        TensorSpec("d", (1, 2, 4, 4)),
    )
    return Workload("residual", layers, tensors, inputs=("x",), outputs=("d",))


def test_what_may_be_fused() -> None:
    """The shortcut's map is read by two layers: no group ends between them."""
    load = line(residual())
    names = [unit.layers for unit in load.units]
    assert names == [("a", "a.relu"), ("pool",), ("b", "b.relu"), ("c", "sum"), ("d",)]
    assert [side.tensor for _, side in load.units[3].sides] == ["p"]
    # pool's map is read by b and c: a group that has pool inside has both
    assert spans(load) == [(0, 1), (0, 3), (0, 4), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]


def run(tmp_path: Path, **options: object) -> Estimate:
    room = options.pop("room", 700)
    return estimate(residual(), chip(int(str(room))), cache=tmp_path / "kept", **options)  # type: ignore[arg-type]


CASES = [
    pytest.param(objective, room, marks=[] if case in (1, 3) else [pytest.mark.slow])
    for case, (objective, room) in enumerate(product(("energy", "dram", "latency"), (300, 700)))
]


@pytest.mark.parametrize("objective, room", CASES)
def test_fusing_never_costs_more(tmp_path: Path, objective: str, room: int) -> None:
    apart = run(tmp_path, room=room, objective=objective)
    fused = run(tmp_path, room=room, objective=objective, fuse=True)
    value = {
        "energy": lambda e: e.energy_pj,
        "dram": lambda e: e.dram_accesses,
        "latency": lambda e: e.cycles,
    }[objective]
    assert value(fused) <= value(apart)
    assert fused.macs == apart.macs
    assert fused.energy_pj == pytest.approx(sum(fused.energy_by_level().values()))
    assert fused.energy_pj == pytest.approx(sum(fused.energy_by_operand().values()))
    fusion = fused.fusion
    assert fusion is not None and apart.fusion is None
    assert sum(fusion.after.values()) == fused.dram_accesses
    assert sum(fusion.before.values()) == apart.dram_accesses
    assert all(group.room_bytes < room for group in fusion.groups)
    assert fused.to_dict()["fusion"]["groups"] == [g.to_dict() for g in fusion.groups]


def test_a_large_memory_keeps_all_maps(tmp_path: Path) -> None:
    """Then only the input, the weights and the result move."""
    found = run(tmp_path, room=4000, objective="dram", fuse=True)
    weights = 9 * (2 * 4 + 4 * 4 + 4 * 4) + 4 * 2
    assert found.fusion is not None
    assert found.fusion.after == {"I": 2 * 64, "W": weights, "O": 2 * 16}
    (group,) = found.fusion.groups
    assert (group.layers[0], group.layers[-1], group.halo) == ("a", "d", "whole")
    assert found.layer("pool").dram_accesses == found.layer("sum").dram_accesses == 0
    # pooling reads and writes its maps on the chip: 256 and 64 elements of half a word, the sum reads 64
    assert found.layer("pool").energy_pj == (256 * 6 + 64 * 5) / 2
    assert found.layer("sum").energy_pj == 64 * 6 / 2


@pytest.mark.parametrize("room", [500, 700])
def test_the_least_traffic_of_all_cuts_and_plans(tmp_path: Path, room: int) -> None:
    """Every group of every cut mapped: none moves less (plans bound their traffic from below)."""
    found = run(tmp_path, room=room, objective="dram", fuse=True)
    apart = run(tmp_path, room=room, objective="dram")
    load, device = line(residual()), chip(room)
    memories = Chip.of(device)
    assert memories is not None
    least: dict[Span, float] = {}
    for k, unit in enumerate(load.units):
        least[k, k] = sum(apart.layer(name).dram_accesses for name in unit.layers)
    for first, last in spans(load):
        moved = [sum(plan.moved.values()) for plan in plans(load.units[first : last + 1], memories)]
        least[first, last] = min(moved, default=inf)
    bound = min(sum(least.get(s, inf) for s in cut) for cut in every_cut(len(load.units)))
    assert found.dram_accesses >= bound
    if room == 700:
        assert found.dram_accesses == bound


def test_a_mapping_of_a_fused_layer_is_drawn(tmp_path: Path) -> None:
    layer = run(tmp_path, room=4000, objective="dram", fuse=True).layer("b")
    ((problem, found),) = layer.parts
    text = draw_mapping(problem, found.mapping, chip(4000), found.evaluation)
    assert "beside what stays there" in text
    assert "I: all 64 elements" in text and "O: all 64 elements" in text


def test_images_pass_together_or_one_by_one(tmp_path: Path) -> None:
    """With room for two images' maps, both share one fetch of the weights."""
    device, weights = chip(8000), 9 * (2 * 4 + 4 * 4 + 4 * 4) + 4 * 2
    found = estimate(
        residual(), device, batch=2, objective="dram", fuse=True, cache=tmp_path / "kept"
    )
    assert found.fusion is not None
    assert found.fusion.after == {"I": 2 * 128, "W": weights, "O": 2 * 32}
    assert found.fusion.groups[0].images == 2


def test_options_that_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pointwise='separate'"):
        run(tmp_path, fuse=True, pointwise="separate")


def test_a_device_without_a_memory_for_maps(tmp_path: Path) -> None:
    device = sy.device("shidiannao_like")
    assert isinstance(device, Accelerator)
    found = estimate(residual(), device, cache=tmp_path / "kept", fuse=True)
    assert found.fusion is not None
    assert found.fusion.groups == () and found.fusion.memory == ""
    assert "nothing is fused" in str(found)


# ---- a published design ----------------------------------------------------------------------


def test_the_first_layers_of_vgg19_as_published() -> None:
    """Alwani et al. (MICRO 2016): 77 MB of feature maps apart, 3.6 MB fused; halos of 362 KB on the chip.

    In float32 and units of 2^20 bytes; apart, each convolution's map is written once and read once.
    """
    units = line(sy.capture("vgg19")).units[:7]
    kinds = [unit.kind for unit in units]
    assert kinds == ["nest", "nest", "pool", "nest", "nest", "pool", "nest"]
    nests = [unit for unit in units if unit.problem]
    maps = [unit.rows * unit.row for unit in nests]
    source = units[0].sources[0]
    first = source.row * source.window.size
    assert (first + 2 * sum(maps[:-1]) + maps[-1]) * 4 / 2**20 == pytest.approx(77, abs=0.2)
    kept = [s for s in schedules(units) if s.halo == "keep"]
    for schedule in kept:
        rows = schedule.fetched(0, source)
        assert (rows * source.row + maps[-1]) * 4 / 2**20 == pytest.approx(3.6, abs=0.05)
    # two rows of each map that a 3 x 3 window slides over, padding included
    halo = sum(2 * (unit.sources[0].row // unit.rows) * (unit.rows + 2) for unit in nests)
    assert 4 * halo / 1000 == pytest.approx(362, rel=0.03)
