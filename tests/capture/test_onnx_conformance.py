"""ONNX's own conformance suite (about 1,900 models with known results): every shape, no crash."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelyard.capture.onnx import capture_onnx
from steelyard.errors import DataDependentError, FileFormatError

UPPER = {"NonZero", "Compress", "Unique"}
"""Operators whose result is counted at its largest size."""

UNKNOWN = {
    "ai.onnx.ml.ArrayFeatureExtractor", "ai.onnx.ml.LabelEncoder", "ai.onnx.ml.TreeEnsemble",
    "ai.onnx.preview.training.Adagrad", "ai.onnx.preview.training.Adam",
    "ai.onnx.preview.training.Momentum",
}  # fmt: skip
"""Trees, labels and training steps: no part of a convolutional network's inference."""


def shapes_of(result: Any) -> set[tuple[int, ...]]:
    """Shapes of a tensor or of all tensors of a sequence."""
    if isinstance(result, list):
        return {shape for item in result for shape in shapes_of(item)}
    if hasattr(result, "dims"):
        return {tuple(result.dims)}
    return {np.asarray(result).shape}


@pytest.mark.slow
def test_conformance(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        cases = collect_testcases(None)
    path = tmp_path / "net.onnx"
    refused: Counter[str] = Counter()
    unknown: set[str] = set()
    right = 0
    for case in cases:
        if case.model is None or not case.data_sets:
            continue
        path.write_bytes(case.model.SerializeToString())
        operators = {node.op_type for node in case.model.graph.node}
        try:
            load = capture_onnx(path)
        except (DataDependentError, FileFormatError) as error:
            # sizes that are inputs of the model, and sequences as inputs
            assert "depends on the data" in str(error) or "'sequence'" in str(error), case.name
            refused[type(error).__name__] += 1
            continue
        unknown.update(op for op, _ in load.coverage.unknown)
        told = "trip count" in " ".join(load.warnings) or "If depends" in " ".join(load.warnings)
        if operators & UPPER or told or "StringSplit" in operators:
            continue
        want = {shape for result in case.data_sets[0][1] for shape in shapes_of(result)}
        assert {load.tensor(name).shape for name in load.outputs} == want, case.name
        right += 1
    assert unknown == UNKNOWN
    assert right > 1_750
    assert refused["DataDependentError"] < 60
    assert refused["FileFormatError"] < 30
