"""Every layer of `cases/` passes the same proofs: gradients, shapes, modes, exports, counts."""

from __future__ import annotations

import copy
import importlib.util
import logging
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_case import LayerCase, Shape
from torch import Tensor, nn

import steelyard as sy


def found_cases() -> list[LayerCase]:
    """The cases of all files in ``cases/``."""
    cases: list[LayerCase] = []
    for path in sorted((Path(__file__).parent / "cases").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"layer_cases_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        cases += module.CASES
    return cases


CASES = found_cases()


def each(*, without: str = "") -> pytest.MarkDecorator:
    """Parametrises over the cases; those whose field ``without`` gives a reason are left out."""
    chosen = [case for case in CASES if not (without and getattr(case, without))]
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case.name)


def made(case: LayerCase, *, train: bool = False) -> nn.Module:
    """The layer, its normalisations with statistics that change something."""
    torch.manual_seed(0)
    layer = case.build()
    for module in layer.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            assert module.running_var is not None
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 2.0)
    return layer.train(train)


def tensors(case: LayerCase, shapes: list[Shape], **options: Any) -> tuple[Any, ...]:
    """Random arguments of the layer's forward."""
    values = [torch.randn(shape, **options) for shape in shapes]
    return (values,) if case.list_input else tuple(values)


def outputs_of(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def shapes_of(result: Any) -> list[Shape]:
    return [tuple(out.shape) for out in outputs_of(result)]


def expected_shapes(case: LayerCase, n: int, h: int, w: int) -> list[Shape]:
    shape = case.output(n, h, w)
    return shape if isinstance(shape, list) else [shape]


def test_there_are_cases_with_names_of_their_own() -> None:
    names = [case.name for case in CASES]
    assert names
    assert len(set(names)) == len(names)


@each()
def test_shapes_by_the_formula(case: LayerCase) -> None:
    layer = made(case).to("meta")
    low, high = case.sizes

    @settings(max_examples=15, deadline=None, derandomize=True)
    @given(n=st.integers(1, 3), h=st.integers(low, high), w=st.integers(low, high))
    def run(n: int, h: int, w: int) -> None:
        result = layer(*tensors(case, case.inputs(n, h, w), device="meta"))
        assert shapes_of(result) == expected_shapes(case, n, h, w)

    run()


@each()
def test_values_have_the_shapes_that_meta_tensors_have(case: LayerCase) -> None:
    with torch.no_grad():
        result = made(case)(*tensors(case, case.inputs(*case.size)))
    assert shapes_of(result) == expected_shapes(case, *case.size)
    assert all(bool(torch.isfinite(out).all()) for out in outputs_of(result))


@each(without="grad")
def test_gradients_by_finite_differences(case: LayerCase) -> None:
    layer = made(case).double()
    names = [name for name, p in layer.named_parameters() if p.requires_grad]
    weights = [p.detach().clone().requires_grad_() for p in layer.parameters() if p.requires_grad]
    shapes = case.inputs(*case.size)
    inputs = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]

    def run(*values: Tensor) -> tuple[Tensor, ...]:
        given_inputs, given_weights = values[: len(inputs)], values[len(inputs) :]
        arguments: tuple[Any, ...] = ([*given_inputs],) if case.list_input else given_inputs
        state = dict(zip(names, given_weights, strict=True))
        return tuple(outputs_of(torch.func.functional_call(layer, state, arguments)))

    assert torch.autograd.gradcheck(run, (*inputs, *weights), fast_mode=True)


@each()
def test_training_differs_from_eval_only_where_said(case: LayerCase) -> None:
    layer = made(case)
    arguments = tensors(case, case.inputs(*case.size))
    before = copy.deepcopy(layer.state_dict())
    with torch.no_grad():
        one, again = (outputs_of(layer(*copy.deepcopy(arguments))) for _ in range(2))
        assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
        after = layer.state_dict()
        assert all(torch.equal(before[key], after[key]) for key in before), "eval changes state"
        trained = outputs_of(layer.train()(*copy.deepcopy(arguments)))
    same = all(torch.equal(a, b) for a, b in zip(one, trained, strict=True))
    assert same != case.train_differs


@each()
def test_capture_counts_what_the_hand_counts(case: LayerCase) -> None:
    layer = made(case)
    arguments = tensors(case, case.inputs(*case.size))
    load = sy.capture(layer, inputs=arguments)
    assert load.coverage.unknown == ()
    assert load.macs == case.macs(*case.size)
    assert load.params == case.params == sum(p.numel() for p in layer.parameters())


def exported(case: LayerCase) -> tuple[nn.Module, tuple[Any, ...], torch.export.ExportedProgram]:
    layer = made(case)
    arguments = tensors(case, case.inputs(*case.size))
    return layer, arguments, torch.export.export(layer, arguments)


@each(without="export")
def test_export_to_pt2(case: LayerCase, tmp_path: Path) -> None:
    layer, arguments, program = exported(case)
    with torch.no_grad():
        ours, theirs = outputs_of(layer(*arguments)), outputs_of(program.module()(*arguments))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)
    path = tmp_path / "layer.pt2"
    torch.export.save(program, path)
    load = sy.capture(path)
    assert load.coverage.unknown == ()
    assert (load.macs, load.params) == (case.macs(*case.size), case.params)


@pytest.mark.slow
@each(without="onnx")
def test_export_to_onnx(case: LayerCase, tmp_path: Path) -> None:
    from onnx.reference import ReferenceEvaluator

    layer, arguments = made(case), tensors(case, case.inputs(*case.size))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("onnxscript").setLevel(logging.ERROR)
        program = torch.onnx.export(layer, arguments, dynamo=True, verbose=False)
    assert program is not None
    path = tmp_path / "layer.onnx"
    program.save(path)
    load = sy.capture(path)
    assert load.coverage.unknown == ()
    assert load.macs == case.macs(*case.size)
    flat = arguments[0] if case.list_input else arguments
    names = [value.name for value in program.model_proto.graph.input]
    feed = {name: value.numpy() for name, value in zip(names, flat, strict=True)}
    theirs = ReferenceEvaluator(program.model_proto).run(None, feed)
    with torch.no_grad():
        ours = outputs_of(layer(*arguments))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, torch.as_tensor(b), rtol=1e-4, atol=1e-5)
