"""Sweeps: how they are read, the devices that result, and that nothing is solved twice or lost."""

import itertools
import sqlite3
import warnings

import hypothesis.strategies as st
import pytest
from hypothesis import given

from steelyard.errors import InputError, UnknownNameError, UsageError
from steelyard.hardware import explore as room
from steelyard.hardware.energy_tables import sram_pj
from steelyard.hardware.estimate import estimate
from steelyard.hardware.explore import Exploration, Point, explore
from steelyard.hardware.registry import device
from steelyard.hardware.sweep import Sweep, parse_sweep, settings, variant
from steelyard.workload import Layer, LoopNest, Workload

EYERISS = device("eyeriss")
NEST = LoopNest.linear(2, 12, 6)
LOAD = Workload("net", (Layer("fc", "linear", "aten.linear", nests=(NEST,)),), ())


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path / "cache"))


def test_what_one_types():
    assert parse_sweep("glb.capacity_bytes=32K..1M").values == tuple(32000 * 2**k for k in range(5))
    assert parse_sweep("x.size=7,14,14").values == (7, 14)
    assert parse_sweep("glb_bytes=1KiB") == Sweep("glb.capacity_bytes", (1024,))
    assert parse_sweep("clock_hz=100M").values == (100_000_000,)
    assert parse_sweep("clock_hz=100MHz,1 GHz").values == (100_000_000, 1_000_000_000)
    assert parse_sweep("mac_pj=0.5,1").values == (0.5, 1)
    assert parse_sweep("dataflow=rs, ws") == Sweep("dataflow", ("RS", "WS"))
    for text in ("glb", "=3", "glb=", "x.size=8..2", "x.size=0..4", "x.size=a"):
        with pytest.raises(UsageError):
            parse_sweep(text)


def test_every_combination_once():
    found = list(settings([Sweep("x.size", (1, 2)), Sweep("y.size", (3, 4, 5))]))
    assert found == [{"x.size": x, "y.size": y} for x, y in itertools.product((1, 2), (3, 4, 5))]
    with pytest.raises(UsageError, match="once"):
        list(settings([Sweep("x.size", (1,)), Sweep("x.size", (2,))]))
    with pytest.raises(UsageError, match="at most"):
        list(settings([Sweep(f"{k}", tuple(range(100))) for k in "abc"]))


def test_variants():
    assert variant(EYERISS, {"x.size": 7, "y.size": 6}).pes == 42
    assert variant(EYERISS, {"clock_hz": 1e8}).clock_hz == 1e8
    smaller = variant(EYERISS, {"spad.capacity_bytes.W": 224}).level("spad")
    assert smaller.capacity_bytes == {"I": 24, "W": 224, "O": 48}
    old, new = EYERISS.level("glb"), variant(EYERISS, {"glb.capacity_bytes": 51200}).level("glb")
    assert new.capacity_bytes == 51200
    assert new.read_pj == pytest.approx(old.read_pj * sram_pj(51200) / sram_pj(102400))
    fixed = variant(EYERISS, {"glb.capacity_bytes": 51200, "glb.read_pj": 9, "glb.write_pj": 8})
    assert (fixed.level("glb").read_pj, fixed.level("glb").write_pj) == (9, 8)
    assert variant(EYERISS, {}) == EYERISS


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        ("gbl.capacity_bytes", 1024, UnknownNameError),
        ("glb.capacity", 1024, UnknownNameError),
        ("glb.capacity_bytes.W", 1024, UnknownNameError),
        ("spad.capacity_bytes", 1024, InputError),
        ("dram.capacity_bytes", 1024, InputError),
        ("glb.capacity_bytes", 0, InputError),
        ("x.size", 0, InputError),
        ("x.size", 1.5, InputError),
        ("dram.read_bandwidth", 0, InputError),
    ],
)
def test_no_such_device(path, value, error):
    with pytest.raises(error):
        variant(EYERISS, {path: value})


def test_points_are_the_estimates_of_the_variants(tmp_path):
    sweeps = [parse_sweep(text) for text in ("x.size=2,14", "glb_bytes=1K,64K", "dataflow=WS,RS")]
    found = explore(LOAD, EYERISS, sweeps, workers=1, store=tmp_path / "s")
    assert [tuple(p.settings.values()) for p in found.points] == [
        *itertools.product((2, 14), (1000, 64000), ("WS", "RS"))
    ]
    for point in found.points[1::3]:
        alone = estimate(
            LOAD, variant(EYERISS, point.settings), dataflow=point.settings["dataflow"], cache=False
        )
        assert (point.energy_pj, point.latency_s) == (alone.energy_pj, alone.latency_s)
        assert point.units == 12 * point.settings["x.size"]
    assert "on variants of eyeriss" in str(found)
    data = found.to_dict()
    assert len(data["points"]) == 8
    assert [p["on_front"] for p in data["points"]] == [p in found.front for p in found.points]


def test_resumed_after_it_was_killed(tmp_path, monkeypatch):
    solved = []
    solve = room._solve

    def counted(workload, task):
        if len(solved) == 2:
            raise KeyboardInterrupt
        solved.append(task.settings["x.size"])
        return solve(workload, task)

    monkeypatch.setattr(room, "_solve", counted)
    sweeps = [Sweep("x.size", (2, 4, 6, 8))]
    with pytest.raises(KeyboardInterrupt):
        explore(LOAD, EYERISS, sweeps, workers=1, store=tmp_path / "s")
    monkeypatch.setattr(room, "_solve", solve)
    again = explore(LOAD, EYERISS, sweeps, workers=1, store=tmp_path / "s")
    assert solved == [2, 4]
    assert again.solved == 2
    assert [p.settings["x.size"] for p in again.points] == [2, 4, 6, 8]
    assert explore(LOAD, EYERISS, sweeps, workers=1, store=tmp_path / "s").solved == 0


def test_two_processes_say_the_same(tmp_path):
    sweeps = [Sweep("x.size", (2, 4))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        many = explore(LOAD, EYERISS, sweeps, workers=2, store=tmp_path / "a")
    one = explore(LOAD, EYERISS, sweeps, workers=1, store=tmp_path / "b")
    assert many.points == one.points


def test_what_fits_nowhere_is_said(tmp_path):
    found = explore(
        LOAD, EYERISS, [Sweep("spad.capacity_bytes.O", (1, 48))], workers=1, store=tmp_path / "s"
    )
    assert len(found.points) == 2
    assert found.points[1].energy_pj


def test_a_store_that_is_none(tmp_path):
    (tmp_path / "s").write_bytes(b"no database at all, but long enough to be looked at" * 20)
    with pytest.raises(InputError, match="cannot use"):
        explore(LOAD, EYERISS, [Sweep("x.size", (2,))], workers=1, store=tmp_path / "s")
    with sqlite3.connect(tmp_path / "t") as base:
        base.execute("CREATE TABLE other (x)")
    base.close()
    assert (
        explore(LOAD, EYERISS, [Sweep("x.size", (2,))], workers=1, store=tmp_path / "t").solved == 1
    )


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3)), max_size=12))
def test_front(costs):
    points = tuple(Point({"k": i}, e, t, 1, 1.0, 1, m) for i, (e, t, m) in enumerate(costs))
    front = Exploration("n", "d", "energy", 1, (), points, 0).front
    for point in points:
        beaten = [
            other
            for other in points
            if other.costs != point.costs
            and all(a <= b for a, b in zip(other.costs, point.costs, strict=True))
        ]
        assert (point in front) == (not beaten)


def test_the_free_optimum_beside_dataflows(tmp_path):
    found = explore(
        LOAD, EYERISS, [parse_sweep("dataflow=NLR,any")], workers=1, store=tmp_path / "s"
    )
    held, free = found.points
    assert free.energy_pj == pytest.approx(estimate(LOAD, EYERISS, cache=False).energy_pj)
    assert free.energy_pj <= held.energy_pj
    assert estimate(LOAD, EYERISS, dataflow="any", cache=False).dataflow == ""


def test_unknown_parameters_are_told_what_there_is():
    with pytest.raises(UnknownNameError) as error:
        variant(EYERISS, {"shape": 3})
    assert "MEMORY.capacity_bytes with one of dram, glb" in error.value.hint
    assert "AXIS.size with one of x, y" in error.value.hint
