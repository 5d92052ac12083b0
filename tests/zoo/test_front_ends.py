"""One network through three front ends, as a module, a .pt2 and an ONNX file, has the same cost, layer by layer.

One network of each family goes through, and all of the first ones; the others differ in sizes only.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import steelyard as sy
from representatives import REPRESENTATIVES, family
from steelyard.workload import LoopNest, Workload
from steelyard.zoo.registry import create, default_input_shape, list_models

DEEP, LARGE = 50, 30_000_000
"""Layers with weights, and parameters, above which an export takes seconds: marked slow."""


THOROUGHLY = ("LeNet", "AlexNet", "OverFeat", "VGG", "GoogLeNet", "ResNet", "ShuffleNetV2")
"""Families of which all members go through."""

FIXED = {"lenet5": 10 * 84}
"""Fixed weights, the codes of LeNet-5's classes: ONNX does not tell them from trained ones."""

REFUSED = {"vgg11_lrn": "adaptive_avg_pool2d, input size not accessible"}
"""What this exporter cannot write: it forgets sizes behind local response normalisation."""


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return create(name).eval()


def models() -> list[Any]:
    """Every name; those that take long to export are marked."""

    def heavy(name: str) -> bool:
        weights = [p.numel() for p in on_meta(name).parameters() if p.ndim > 1]
        return len(weights) > DEEP or sum(weights) > LARGE

    return [
        pytest.param(name, marks=[pytest.mark.slow] if heavy(name) else [])
        for name in list_models()
        if name in REPRESENTATIVES.values() or family(name) in THOROUGHLY
    ]


MODELS = models()
LIGHT = [model for model in MODELS if not model.marks]


def module_and_input(name: str) -> tuple[nn.Module, torch.Tensor]:
    return on_meta(name), torch.empty(default_input_shape(name), device="meta")


def counted(load: Workload) -> list[tuple[str, tuple[LoopNest, ...]]]:
    """The layers that multiply, in order, with their loops."""
    return [(layer.kind, layer.nests) for layer in load.layers if layer.nests]


def assert_same_cost(load: Workload, expected: Workload) -> None:
    assert load.coverage.unknown == expected.coverage.unknown == ()
    assert load.macs == expected.macs
    assert counted(load) == counted(expected)
    shapes = [tuple(w.tensor(n).shape for n in (*w.inputs, *w.outputs)) for w in (load, expected)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", LIGHT)
def test_an_exported_program_costs_what_the_module_costs(name: str, tmp_path: Path) -> None:
    """The others are among those of tests/capture/test_exported_zoo.py."""
    model, x = module_and_input(name)
    expected = sy.capture(model, input_shape=tuple(x.shape))
    with torch.device("meta"):
        program = torch.export.export(model, (x,))
    path = tmp_path / f"{name}.pt2"
    torch.export.save(program, path)
    load = sy.capture(path)
    assert_same_cost(load, expected)
    assert load.params == expected.params == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_an_onnx_file_costs_what_the_module_costs(name: str, tmp_path: Path) -> None:
    model, x = module_and_input(name)
    expected = sy.capture(model, input_shape=tuple(x.shape))
    real = create(name).eval()
    with torch.no_grad():
        # the exporter drops biases of zeros and stores equal tensors once
        for i, parameter in enumerate(real.parameters(), start=1):
            parameter.fill_(i / 1000)
    path = tmp_path / f"{name}.onnx"
    if name in REFUSED:
        with pytest.raises(torch.onnx.errors.SymbolicValueError, match=REFUSED[name]):
            export(real, torch.zeros(tuple(x.shape)), path)
        return
    export(real, torch.zeros(tuple(x.shape)), path)
    load = sy.capture(path)
    assert_same_cost(load, expected)
    # normalisation in ONNX always has a gain and a shift: ones and zeros where the module has none
    norms = [m for m in real.modules() if isinstance(m, nn.BatchNorm2d) and not m.affine]
    fixed = FIXED.get(name, 0) + sum(2 * m.num_features for m in norms)
    assert load.params == expected.params + fixed


def export(model: nn.Module, x: torch.Tensor, path: Path) -> None:
    """Exports with batch normalisation left as it is."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model, (x,), path, dynamo=False, verbose=False, do_constant_folding=False,
                training=torch.onnx.TrainingMode.PRESERVE, export_params=True,
            )  # fmt: skip
    finally:
        logging.disable(logging.NOTSET)
