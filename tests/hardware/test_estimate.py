"""`estimate` of whole networks: sums, the cache, options, errors."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.errors import InputError, UnknownNameError, UsageError
from steelyard.hardware.device import Accelerator, Array, Axis, Link, Memory
from steelyard.hardware.drawing import draw_mapping
from steelyard.hardware.estimate import Estimate, estimate
from steelyard.hardware.estimate_layers import simplified
from steelyard.workload import Layer, LoopNest, TensorSpec, Workload

SHARING = {"I": Link("multicast"), "W": Link("multicast"), "O": Link("reduce")}
CHIP = Accelerator(
    "chip",
    (
        Memory("DRAM", read_pj=200, write_pj=200, read_bandwidth=2, write_bandwidth=1),
        Memory("GLB", capacity_bytes=4096, read_pj=6, write_pj=6),
        Array("PE", (Axis("x", 4, SHARING),)),
        Memory("RF", capacity_bytes=64, read_pj=1, write_pj=1),
    ),
    mac_pj=1.0,
    clock_hz=1e6,
)


def conv(name: str, source: str, target: str) -> Layer:
    nest = LoopNest(1, 1, 8, 4, (6, 6), (1, 1), (6, 6), (1, 1), (1, 1), ((0, 0), (0, 0)))
    return Layer(name, "conv", "aten.conv2d", inputs=(source,), outputs=(target,), nests=(nest,))


LOAD = Workload(
    "two",
    (
        conv("first", "x", "a"),
        Layer("relu", "activation", "aten.relu", inputs=("a",), outputs=("b",)),
        conv("second", "x", "c"),
        Layer("add", "elementwise", "aten.add", inputs=("b", "c"), outputs=("d",)),
        Layer("flat", "view", "aten.view", inputs=("d",), outputs=("e",)),
        Layer("pool", "pool", "aten.mean", inputs=("e",), outputs=("f",)),
    ),
    (
        TensorSpec("x", (1, 4, 6, 6), role="input"),
        *(TensorSpec(name, (1, 8, 6, 6)) for name in "abcd"),
        TensorSpec("e", (1, 288)),
        TensorSpec("f", (1, 8)),
    ),
    inputs=("x",),
    outputs=("f",),
)


NOTED = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))


def shares(windows: int, kernel: int, stride: int, dilation: int) -> bool:
    """Two of the windows meet in one place."""
    places = [o * stride + t * dilation for o in range(windows) for t in range(kernel)]
    return len(set(places)) < len(places)


@given(st.tuples(NOTED, NOTED, NOTED))
def test_what_the_mapping_leaves_out_is_said_where_it_matters(
    axes: tuple[tuple[int, ...], ...],
) -> None:
    for transposed in (False, True):
        windows, kernel, stride, dilation = zip(*axes, strict=True)
        reach = tuple(
            (o - 1) * s + (k - 1) * d + 1
            for o, k, s, d in zip(windows, kernel, stride, dilation, strict=True)
        )
        out, size = (reach, windows) if transposed else (windows, reach)
        pads = ((0, 0),) * 3
        nest = LoopNest(1, 1, 2, 2, out, kernel, size, stride, dilation, pads, transposed)
        load = replace(LOAD, layers=(replace(LOAD.layers[0], name="up", nests=(nest,)),))
        said = simplified(load)
        concerned = axes if transposed else axes[:1]
        assert bool(said) == any(shares(*axis) for axis in concerned)
        assert all("(up)" in note for note in said)
        assert all(note.startswith("transposed" if transposed else "3-d") for note in said)


def test_many_simplified_layers_are_counted(tmp_path: Path) -> None:
    up = LoopNest(1, 1, 8, 4, (7, 7), (3, 3), (3, 3), (2, 2), (1, 1), ((0, 0), (0, 0)), True)
    layers = tuple(replace(LOAD.layers[0], name=f"up{k}", nests=(up,)) for k in range(11))
    (note,) = simplified(replace(LOAD, layers=layers))
    assert note.endswith("(up0, up1, up2, up3, up4, up5, up6, up7 and 3 more)")
    layers = (replace(LOAD.layers[0], nests=(up,)), *LOAD.layers[1:])
    found = estimate(replace(LOAD, layers=layers), CHIP, cache=tmp_path / "kept.sqlite")
    assert found.notes == simplified(replace(LOAD, layers=layers)) and "(first)" in found.notes[0]
    assert estimate(LOAD, CHIP, cache=tmp_path / "kept.sqlite").notes == ()


def run(tmp_path: Path, **options: object) -> Estimate:
    return estimate(LOAD, CHIP, cache=tmp_path / "kept.sqlite", **options)  # type: ignore[arg-type]


def test_sums_of_parts(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert found.macs == LOAD.macs
    assert found.problems == found.searched == 1  # equal layers are solved once
    assert found.energy_pj == pytest.approx(sum(found.energy_by_level().values()))
    assert found.energy_pj == pytest.approx(sum(found.energy_by_operand().values()))
    assert found.layer("first").energy_pj == found.layer("second").energy_pj
    assert found.latency_s == found.cycles / 1e6
    assert found.gap == 0
    data = json.loads(json.dumps(found.to_dict()))
    assert data["schema"] == "steelyard.estimate/1"
    assert data["total"]["energy_pj"] == found.energy_pj


def test_layers_without_operations_move_their_data(tmp_path: Path) -> None:
    found = run(tmp_path)
    moved = {layer.name: layer.dram_accesses for layer in found.layers if not layer.macs}
    assert moved == {"relu": 0, "add": 288, "flat": 0, "pool": 288 + 8}
    apart = run(tmp_path, pointwise="separate")
    moved = {layer.name: layer.dram_accesses for layer in apart.layers if not layer.macs}
    assert moved == {"relu": 576, "add": 864, "flat": 0, "pool": 296}
    assert apart.layer("relu").energy_pj == 576 * 200
    assert apart.layer("relu").cycles == 288  # one element a cycle is written


def test_a_second_time_nothing_is_searched(tmp_path: Path) -> None:
    first, second = run(tmp_path), run(tmp_path)
    assert second.searched == 0
    assert second == first
    assert second.seconds < 0.5
    assert run(tmp_path, objective="latency").searched == 1


def test_a_damaged_cache_is_rebuilt_and_said(tmp_path: Path) -> None:
    first = run(tmp_path)
    (tmp_path / "kept.sqlite").write_bytes(b"this is no database" * 100)
    second = run(tmp_path)
    assert second == first
    assert second.searched == 1
    assert "was damaged; it was set aside" in second.notes[0]
    assert run(tmp_path).searched == 0


def test_a_damaged_row_is_searched_again(tmp_path: Path) -> None:
    run(tmp_path)
    with sqlite3.connect(tmp_path / "kept.sqlite") as base:
        base.execute("UPDATE mappings SET answer = '{\"mapping\": 3}'")
    base.close()
    second = run(tmp_path)
    assert second.searched == 1
    assert second.notes == ("some kept mappings were damaged and are found anew",)


def test_more_images_cost_more(tmp_path: Path) -> None:
    one, four = run(tmp_path), run(tmp_path, batch=4)
    assert four.batch == 4
    assert four.macs == 4 * one.macs
    assert one.energy_pj < four.energy_pj <= 4 * one.energy_pj


@pytest.mark.parametrize("name", ["WS", "OS-A", "OS-B", "OS-C", "IS", "NLR", "RS"])
def test_no_dataflow_beats_the_free_optimum(tmp_path: Path, name: str) -> None:
    assert run(tmp_path, dataflow=name).energy_pj >= run(tmp_path).energy_pj


@pytest.mark.parametrize("objective", ["energy", "latency", "edp", "dram"])
def test_an_objective_is_best_at_itself(tmp_path: Path, objective: str) -> None:
    measures = {
        "energy": lambda e: e.layer("first").energy_pj,
        "latency": lambda e: e.layer("first").cycles,
        "edp": lambda e: e.layer("first").energy_pj * e.layer("first").cycles,
        "dram": lambda e: e.layer("first").dram_accesses,
    }
    own = measures[objective](run(tmp_path, objective=objective))
    assert all(own <= 1.0001 * measures[objective](run(tmp_path, objective=o)) for o in measures)


def test_a_budget_says_the_gap(tmp_path: Path) -> None:
    found = run(tmp_path, budget_s=1e-9)
    best = run(tmp_path)
    assert found.energy_pj * (1 - found.gap) <= best.energy_pj <= found.energy_pj


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="objective 'speed'"):
        run(tmp_path, objective="speed")
    with pytest.raises(UnknownNameError, match="no dataflow is named 'XS'"):
        run(tmp_path, dataflow="XS")
    with pytest.raises(UsageError, match="is a roofline"):
        estimate(LOAD, "a100", cache=False)
    small = Accelerator("small", (CHIP.levels[0], Memory("RF", capacity_bytes=5)), 1.0)
    with pytest.raises(InputError, match="layer 'first': no mapping fits 'small'"):
        estimate(LOAD, small, cache=False)


def test_uneven_mappings_are_asked_for_by_name_and_kept_apart(tmp_path: Path) -> None:
    """LeNet's second convolution on Eyeriss: better with tiles that begin apart."""
    nest = LoopNest(1, 1, 50, 20, (8, 8), (5, 5), (12, 12), (1, 1), (1, 1), ((0, 0), (0, 0)))
    load = replace(LOAD, layers=(replace(LOAD.layers[0], nests=(nest,)),))
    kept = tmp_path / "kept.sqlite"
    even = estimate(load, "eyeriss", cache=kept)
    uneven = estimate(load, "eyeriss", mapspace="uneven", cache=kept)
    again = estimate(load, "eyeriss", mapspace="uneven", cache=kept)
    assert uneven.energy_pj < even.energy_pj
    assert (uneven.gap, uneven.searched, again.searched) == (0, 1, 0)
    assert again.layers == uneven.layers
    assert (even.to_dict()["mapspace"], again.to_dict()["mapspace"]) == ("even", "uneven")
    assert "any dataflow; uneven mappings." in str(uneven)
    ((problem, found),) = uneven.layers[0].parts
    operand, memory, _ = found.mapping.begins[0]
    drawn = draw_mapping(problem, found.mapping, uneven.device, found.evaluation)
    assert f"-- tile of {operand} in {memory} begins" in drawn
    assert f"# tile of {operand} in {memory}" in found.mapping.text(uneven.device)
    with pytest.raises(UsageError, match="uneven mappings with dataflow RS"):
        estimate(load, "eyeriss", mapspace="uneven", dataflow="RS")
