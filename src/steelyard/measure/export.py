"""`onnx_file`: the program as an ONNX file, exported once and kept in the program's folder; `export_module`."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from inspect import signature
from pathlib import Path

import torch
from torch import Tensor, nn

from steelyard.errors import BackendError, MissingExtraError
from steelyard.measure.backend import Program

OPSET = 18


def onnx_file(program: Program) -> Path:
    """Path of the network as ONNX, at the inputs' own batch; written into the program's folder if need be.

    Those who use the file compare its outputs with the module's.

    Raises:
        MissingExtraError: PyTorch's exporter lacks onnxscript.
        BackendError: the network cannot be exported.
    """
    if program.onnx_path is not None:
        return program.onnx_path
    if program.model is None:
        raise BackendError(f"{program.name} holds neither a module nor an ONNX file")
    path = program.folder / "network.onnx"
    if not path.exists():
        export_module(program.model, program.inputs, path, name=program.name)
    program.onnx_path = path
    return path


def export_module(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    *,
    name: str,
    input_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
) -> None:
    """Writes a module as ONNX.

    By PyTorch's older exporter, which traces and takes a quarter of the time, and where that fails by the newer.

    Args:
        module: in eval mode.
        inputs: examples, 2 or more samples where the batch is to be free.
        path: the file, which appears complete or not at all.
        name: of the network, for errors.
        input_names: of the inputs; given, the first dimension of inputs and outputs is free.
        output_names: of the outputs.

    Raises:
        MissingExtraError: PyTorch's exporter lacks onnxscript.
        BackendError: the network cannot be exported.
    """
    part = path.with_name(f"{path.name}.part")
    names = tuple(input_names), tuple(output_names)
    with _quiet():
        try:
            _export(module, inputs, part, names, dynamo=False)
        except Exception:  # whatever it met, the newer one says it better
            _export_newly(module, inputs, part, names, name)
    part.replace(path)


def _export_newly(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    name: str,
) -> None:
    try:
        _export(module, inputs, path, names, dynamo=True)
    except ImportError:
        raise MissingExtraError(
            "exporting to ONNX", extra="onnxruntime", package="onnxscript"
        ) from None
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise BackendError(
            f"PyTorch could not export {name} to ONNX: {type(error).__name__}: {first}"
        ) from error


def _export(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    *,
    dynamo: bool,
) -> None:
    takes, gives = names
    free = {name: {0: "batch"} for name in (*takes, *gives)}
    shapes: tuple[object, ...] = tuple({0: "batch"} for _ in takes)
    if any(one.kind is one.VAR_POSITIONAL for one in signature(module.forward).parameters.values()):
        shapes = (shapes,)  # those of *tensors are one argument
    torch.onnx.export(
        module, inputs, str(path), dynamo=dynamo, opset_version=OPSET, external_data=False, verbose=False,
        input_names=takes or None, output_names=gives or None,
        dynamic_axes=free if free and not dynamo else None,
        dynamic_shapes=shapes if free and dynamo else None,
    )  # fmt: skip


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
