"""Flexibility: layers that do not fit do not stop the others, and what is done is not done again."""

from dataclasses import replace
from pathlib import Path

import pytest
from by_hand import linear, row_of_pes

import steelyard as sy
from steelyard.errors import UnknownNameError, UsageError
from steelyard.metrics import flexibility
from steelyard.workload import Layer, LoopNest, TensorSpec, Workload


def wide_row() -> Workload:
    """A layer of 1x1 windows and one of 1x64, whose rows do not fit a scratch pad row by row."""
    flat = ((0, 0), (0, 0))
    nests = (
        LoopNest(1, 1, 4, 4, (1, 64), (1, 1), (1, 64), (1, 1), (1, 1), flat),
        LoopNest(1, 1, 4, 4, (1, 1), (1, 64), (1, 64), (1, 1), (1, 1), flat),
    )
    layers = tuple(
        Layer(f"c{k}", "conv", "aten.conv2d", inputs=("x",), outputs=(f"y{k}",), nests=(nest,))
        for k, nest in enumerate(nests)
    )
    tensors = (
        TensorSpec("x", (1, 4, 1, 64), role="input"),
        TensorSpec("y0", (1, 4, 1, 64)),
        TensorSpec("y1", (1, 4, 1, 1)),
    )
    return Workload("wide", layers, tensors, ("x",), ("y1",))


def test_shares_of_networks_layers_and_operations() -> None:
    found = flexibility("eyeriss", [linear(6, 8), wide_row()], dataflow="RS")
    values = {figure.name: figure.value for figure in found.figures()}
    assert values["networks that map"] == 1 / 2
    assert values["layers that map"] == 2 / 3
    # 6 x 8 and 4 x 4 x 64 operations map, another 4 x 4 x 64 do not
    assert values["operations that map"] == pytest.approx((48 + 1024) / (48 + 2 * 1024))
    assert [layer for layer, _ in found.networks[1].misfits] == ["c1"]
    assert "no mapping fits 'eyeriss'" in found.networks[1].misfits[0][1]
    assert "layers that do not map" in str(found)


def test_utilisation_is_operations_over_cycles_and_pes() -> None:
    found = flexibility(row_of_pes(4), [linear(6, 8), linear(8, 8, "full")], objective="edp")
    assert found.utilizations == (0.75, 1.0)
    values = {figure.name: figure.value for figure in found.figures()}
    assert values["utilisation, median"] == pytest.approx(0.875)


def test_what_is_done_is_kept_when_interrupted(tmp_path: Path) -> None:
    store = tmp_path / "kept.sqlite"

    def interrupt(done: int, every: int, name: str) -> None:
        if done == 1:
            raise KeyboardInterrupt

    chip = row_of_pes(4)
    with pytest.raises(KeyboardInterrupt):
        flexibility(chip, "lenet5,lenet_caffe", store=store, progress=interrupt)
    again = flexibility(chip, "lenet5,lenet_caffe", store=store)
    assert (again.solved, len(again.tried)) == (1, 2)
    whole = flexibility(chip, "lenet5,lenet_caffe", store=store)
    assert (whole.solved, whole.networks) == (0, again.networks)
    other = replace(chip, levels=(*chip.levels[:2], replace(chip.levels[2], capacity_bytes=64)))
    assert flexibility(other, "lenet5", store=store).solved == 1


def test_mistakes() -> None:
    with pytest.raises(UnknownNameError, match="no network is named 'resent\\*'"):
        flexibility("eyeriss", "resent*")
    with pytest.raises(UsageError, match="h100' is a roofline"):
        flexibility("h100", "lenet5")
    with pytest.raises(UsageError, match="no network to try"):
        flexibility("eyeriss", [])
    bad = flexibility(row_of_pes(4), ["missing.onnx"])
    assert bad.tried == ()
    assert "there is no file" in bad.metric().missing[0][1]
    assert (
        sy.scorecard(linear(6, 8), row_of_pes(4), zoo="lenet5", pe_factors=())
        .metric("flexibility")
        .value
        == 1
    )
