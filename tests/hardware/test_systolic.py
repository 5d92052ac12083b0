"""Systolic arrays: the formulas against a machine that runs register by register, and against SCALE-Sim."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from systolic_machine import Clash, keep_second, keep_sums
from torch import nn

import steelyard as sy
from steelyard.errors import UnknownNameError, UsageError
from steelyard.hardware.problem import Problem
from steelyard.hardware.systolic import Folding, SystolicArray, cycles_apart, folding
from steelyard.workload import LoopNest

small = st.integers(1, 5)
long = st.integers(1, 11)


def run(fold: Folding, seed: int, period: int | None = None) -> tuple[int, Counter[str]]:
    """The machine's cycles and counts; asserts that its product is right."""
    rng = np.random.default_rng(seed)
    rows, columns, steps = fold.rows, fold.columns, fold.steps
    if fold.dataflow == "OS":
        first, second = rng.integers(-9, 9, (rows, steps)), rng.integers(-9, 9, (steps, columns))
        found, cycles, counts = keep_sums(
            first, second, fold.array.rows, fold.array.columns, period
        )
    else:
        first, second = rng.integers(-9, 9, (steps, rows)), rng.integers(-9, 9, (rows, columns))
        found, cycles, counts = keep_second(
            first, second, fold.array.rows, fold.array.columns, period
        )
    assert (found == first @ second).all()
    return cycles, counts


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["WS", "IS", "OS"]), small, small, long, long, long, st.integers(0, 99))
def test_the_formulas_are_what_the_machine_takes(
    flow: str, height: int, width: int, rows: int, columns: int, steps: int, seed: int
) -> None:
    fold = Folding(SystolicArray(height, width), flow, rows, columns, steps)
    cycles, counts = run(fold, seed)
    assert cycles == fold.apart
    still, moving, sums = {"WS": "WIO", "IS": "IWO", "OS": "WIO"}[flow]
    assert fold.moved == {
        still: counts["still"], moving: counts["moving"], sums: counts["sums"]
    }  # fmt: skip

    period = max(steps, height)
    assert run(fold, seed, period)[0] == fold.pipelined
    if fold.folds > 1 and period > 1:
        with pytest.raises(Clash):
            run(fold, seed, period - 1)


def test_loops_become_rows_columns_and_steps() -> None:
    nest = LoopNest(
        N=2, G=4, M=8, C=12, out=(5, 6), kernel=(3, 3), input=(7, 8),
        stride=(1, 1), dilation=(1, 1), padding=((0, 0), (0, 0)),
    )  # fmt: skip
    array = SystolicArray(8, 2)
    for flow, sizes in {"WS": (27, 2, 60), "IS": (27, 60, 2), "OS": (60, 2, 27)}.items():
        fold = folding(Problem.of(nest), array, flow)
        assert (fold.rows, fold.columns, fold.steps, fold.groups) == (*sizes, 4)
        assert fold.macs == nest.macs
    assert folding(Problem.of(nest), array, "WS").folds == 4 * 4


def test_a_product_of_one_fold_cannot_be_pipelined() -> None:
    fold = Folding(SystolicArray(4, 4), "WS", 4, 3, 10)
    assert fold.folds == 1
    assert fold.apart == fold.pipelined == 2 * 4 + 4 + 10 - 2


def test_a_device_and_its_size_are_the_same() -> None:
    load = sy.capture("lenet5")
    chip, grid = sy.systolic(load, "tpu_v1"), sy.systolic(load, (256, 256))
    assert chip.layers == grid.layers
    assert (chip.device, chip.dataflow, chip.array) == ("tpu_v1", "WS", SystolicArray(256, 256))
    assert chip.macs == sum(nest.macs for layer in load.layers for nest in layer.nests)
    assert SystolicArray.of(sy.device("edge_tpu_like")) == SystolicArray(64, 64)  # type: ignore[arg-type]
    assert 0 < chip.utilization(chip.apart) < chip.utilization(chip.pipelined) < 1
    assert all(0 < layer.filled <= 1 for layer in chip.layers)


def test_rows_are_where_sums_pass_and_columns_where_inputs_do(tmp_path: Path) -> None:
    text = (
        sy.device("tpu_v1").to_yaml().replace("row:\n        size: 256", "row:\n        size: 16")
    )
    path = tmp_path / "flat.yaml"
    path.write_text(text)
    assert sy.systolic(sy.capture("lenet5"), path).array == SystolicArray(16, 256)


@pytest.mark.parametrize(
    ("array", "flow", "error", "says"),
    [
        ("eyeriss", "", UsageError, "has no systolic array"),
        ("h100", "", UsageError, "roofline"),
        ((0, 4), "", UsageError, "0 x 4"),
        ((4, 4), "RS", UnknownNameError, "RS"),
    ],
)
def test_what_is_no_systolic_array(
    array: str | tuple[int, int], flow: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        sy.systolic(sy.capture("lenet5"), array, flow)


def test_an_estimate_shows_the_folds_apart() -> None:
    load = sy.capture(nn.Conv2d(40, 300, 3), input_shape=(1, 40, 8, 8))
    held = sy.estimate(load, "tpu_v1", dataflow="WS", cache=False, workers=1)
    expected = {layer.name: layer.apart for layer in sy.systolic(load, "tpu_v1").layers}
    assert held.folds_apart() == held.to_dict()["systolic_cycles_apart"] == expected
    for layer in held.layers:
        for problem, answer in layer.parts:
            fold = folding(problem, SystolicArray(256, 256), "WS")
            assert answer.evaluation.compute_cycles >= fold.folds * fold.steps


def test_only_systolic_devices_and_dataflows_have_folds() -> None:
    problem = Problem.of(LoopNest.linear(5, 300, 10))
    tpu, eyeriss = sy.device("tpu_v1"), sy.device("eyeriss")
    assert isinstance(tpu, sy.Accelerator)
    assert isinstance(eyeriss, sy.Accelerator)
    assert cycles_apart({"fc": [problem]}, tpu, "WS") == {"fc": 2 * (2 * 256 + 256 + 5 - 2)}
    assert cycles_apart({"fc": [problem]}, tpu, "RS") == {}
    assert cycles_apart({"fc": [problem]}, eyeriss, "WS") == {}


SCALESIM = Path(__file__).parent / "data" / "scalesim_resnet50.csv"
"""SCALE-Sim 3.0.0 (PyPI), configured by benchmarks/scalesim_child.py, written by benchmarks/systolic.py."""


def scalesim() -> dict[tuple[int, int, str], dict[tuple[int, ...], dict[str, int]]]:
    """Its figures by array and dataflow, and by the layer's sizes."""
    found: dict[tuple[int, int, str], dict[tuple[int, ...], dict[str, int]]] = {}
    with SCALESIM.open(newline="") as file:
        for row in csv.DictReader(file):
            del row["simulated"]
            key = (int(row.pop("rows")), int(row.pop("columns")), row.pop("dataflow").upper())
            layer = tuple(int(row.pop(n)) for n in ("P", "Q", "R", "S", "C", "M", "stride"))
            found.setdefault(key, {})[layer] = {name: int(value) for name, value in row.items()}
    return found


def test_every_layer_of_resnet50_takes_the_cycles_of_scale_sim() -> None:
    load = sy.capture("resnet50")
    figures = scalesim()
    assert {key[:2] for key in figures} == {(256, 256), (128, 128), (32, 32), (16, 64)}
    assert len(figures) == 4 * 3
    for (rows, columns, flow), layers in figures.items():
        ours = sy.systolic(load, (rows, columns), flow)
        assert len(ours.layers) == 54
        for layer in ours.layers:
            (nest,) = load.layer(layer.name).nests
            theirs = layers[nest.P, nest.Q, nest.R, nest.S, nest.C, nest.M, nest.stride[-1]]
            assert layer.apart == pytest.approx(theirs["cycles"], rel=0.05)
            assert layer.apart == theirs["cycles"]  # more than was asked
            # under OS it adds rows and columns of each tile to its size
            more = layer.folds * (rows + columns) if flow == "OS" else 0
            assert layer.moved == {
                "I": theirs["inputs"], "W": theirs["weights"], "O": theirs["outputs"] - more
            }  # fmt: skip
