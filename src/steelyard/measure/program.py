"""Making a `Program` from a SOURCE or a module: the network in eval mode, seeded weights and inputs, the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steelyard.capture.source import load_module, parse_source
from steelyard.errors import BackendError, ModelError, SteelyardError, UsageError
from steelyard.measure.backend import Array, Program

SEED = 0
"""Of random weights and inputs, so that every process makes the same network."""


def program(
    source: str | nn.Module,
    *,
    batch: int,
    folder: Path,
    input_shape: Sequence[int] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Program:
    """The network that ``source`` names, with random inputs of ``batch`` samples.

    Args:
        source: a module, or any SOURCE but a workload or an archive.
        batch: samples in an inference.
        folder: where backends may write.
        input_shape: of one input, (N, C, H, W); N is replaced. Default: the source's own.
        dtype: of floating-point inputs.

    Raises:
        UsageError: the source holds no network that can be run.
        ShapeError: as a capture raises it, for a module whose input shape is not known.
    """
    if isinstance(source, nn.Module):
        model, name = source, type(source).__name__
    else:
        parsed = parse_source(source)
        name = parsed.text
        if parsed.kind == "onnx" and parsed.path is not None:
            return _onnx_program(name, parsed.path, batch, input_shape, folder)
        if parsed.kind == "pt2":
            raise UsageError(
                f"{source} is an archive, and loading it to run it would run code from it",
                expected="a zoo name, an ONNX file or package.module:callable",
                hint="steelyard cost reads archives without running them",
            )
        if parsed.kind == "json":
            raise UsageError(
                f"{source} is a workload: costs without weights, which nothing can run",
                expected="a zoo name, an ONNX file or package.module:callable",
            )
        torch.manual_seed(SEED)
        model = load_module(parsed)
    model = model.eval()
    shape = _shape_of(model, input_shape, name)
    return Program(name, model, (_random(shape, batch, dtype),), folder)


def _shape_of(model: nn.Module, given: Sequence[int] | None, name: str) -> tuple[int, ...]:
    shape = given or getattr(model, "input_shape", None)
    if shape is None:
        raise UsageError(
            f"{name} does not say what inputs it takes", hint="--input 1x3x224x224, or input_shape="
        )
    if any(size < 1 for size in shape):
        raise UsageError(f"an input of shape {tuple(shape)}", expected="sizes of at least 1")
    return tuple(shape)


def _random(shape: Sequence[int], batch: int, dtype: torch.dtype) -> Tensor:
    """Normal numbers: samples of a batch differ, and are the same in every process."""
    generator = torch.Generator().manual_seed(SEED)
    return torch.randn((batch, *shape[1:]), generator=generator).to(dtype)


def _onnx_program(
    name: str, path: Path, batch: int, shape: Sequence[int] | None, folder: Path
) -> Program:
    from steelyard.capture.api import capture

    load = capture(str(path), batch=batch, input_shape=tuple(shape) if shape else None)
    inputs: list[Tensor] = []
    for spec in map(load.tensor, load.inputs):
        if spec.dtype != "float32":
            raise UsageError(
                f"input {spec.name} of {path} is of type {spec.dtype}",
                expected="float32 inputs, for which random numbers mean something",
            )
        inputs.append(_random((1, *spec.shape[1:]), spec.shape[0], torch.float32))
    return Program(name, None, tuple(inputs), folder, path, load.inputs)


def reference(made: Program) -> tuple[Array, ...]:
    """Outputs in float32: of the module in eager mode, or of ONNX Runtime without any optimisation.

    Raises:
        ModelError: the network raised.
    """
    if made.model is None:
        from steelyard.measure.backends.onnx_runtime import plain_outputs

        return plain_outputs(made)
    try:
        with torch.inference_mode():
            return tuple(to_arrays(made.model(*made.inputs)))
    except SteelyardError:
        raise
    except Exception as error:
        raise ModelError(f"{made.name} raised {type(error).__name__}: {error}") from error


def to_arrays(value: Any) -> list[Array]:
    """Every tensor of a network's result, in order: NumPy arrays on the CPU, floating-point ones in float32."""
    if isinstance(value, Tensor):
        value = value.detach()
        value = value.float() if value.is_floating_point() else value
        return [np.array(value.cpu().contiguous().numpy(), copy=True)]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [array for item in value for array in to_arrays(item)]
    return []


def deviation(found: Sequence[Array], expected: Sequence[Array]) -> float:
    """The largest difference, as a share of the largest magnitude of the same output of the reference.

    Raises:
        BackendError: other shapes, another number of outputs, or values that are no finite numbers where
            the reference has them.
    """
    shapes = [array.shape for array in found], [array.shape for array in expected]
    if shapes[0] != shapes[1]:
        raise BackendError(f"outputs of shapes {shapes[0]}", expected=f"{shapes[1]}")
    worst = 0.0
    for ours, theirs in zip(found, expected, strict=True):
        if ours.size == 0:
            continue
        a, b = ours.astype(np.float64), theirs.astype(np.float64)
        if not np.array_equal(np.isfinite(a), np.isfinite(b)):
            raise BackendError(
                "outputs that are not finite where the float32 reference is",
                hint="another precision, or real weights",
            )
        finite = np.isfinite(b)
        if finite.any():
            scale = max(float(np.abs(b[finite]).max()), float(np.finfo(np.float32).tiny))
            worst = max(worst, float(np.abs(a[finite] - b[finite]).max()) / scale)
    return worst
