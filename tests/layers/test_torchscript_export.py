"""Layers that the older ONNX exporter, which traces by TorchScript, needs told apart: they compute the same there."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn

from steelyard.layers.cell_ops import CellPool
from steelyard.layers.shift import Shift
from steelyard.layers.sparse_shift import SparseShift


def learnt() -> SparseShift:
    layer = SparseShift(8)
    with torch.no_grad():
        layer.displacement.uniform_(-2.4, 2.4)
    return layer


@pytest.mark.parametrize(
    "build",
    [
        lambda: Shift(8, dilation=2),
        learnt,
        lambda: learnt().to_fixed(),
        lambda: CellPool("avg", 3, 1),
        lambda: CellPool("max", 3, 2),
    ],
    ids=["shift", "sparse shift", "fixed shift", "mean", "maximum with stride"],
)
def test_the_traced_graph_computes_the_same(build: Callable[[], nn.Module], tmp_path: Path) -> None:
    layer, x, path = build().eval(), torch.randn(2, 8, 6, 7), tmp_path / "layer.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(layer, (x,), path, dynamo=False, verbose=False, input_names=["x"])
    (theirs,) = ReferenceEvaluator(onnx.load(path)).run(None, {"x": x.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.as_tensor(theirs), layer(x))
