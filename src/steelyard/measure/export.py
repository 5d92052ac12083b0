"""`onnx_file`: the program as an ONNX file, exported once."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path

import torch

from steelyard.errors import BackendError, MissingExtraError
from steelyard.measure.backend import Program

OPSET = 18


def onnx_file(program: Program) -> Path:
    """Path of the network as ONNX, at the inputs' own batch; written into the program's folder if need be.

    Raises:
        MissingExtraError: PyTorch's exporter lacks onnxscript.
        BackendError: the network cannot be exported.
    """
    if program.onnx_path is not None:
        return program.onnx_path
    if program.model is None:
        raise BackendError(f"{program.name} holds neither a module nor an ONNX file")
    path = program.folder / "network.onnx"
    said = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(said):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                program.model, program.inputs, str(path), dynamo=True, opset_version=OPSET,
                external_data=False, verbose=False,
            )  # fmt: skip
    except ImportError:
        raise MissingExtraError(
            "exporting to ONNX", extra="onnxruntime", package="onnxscript"
        ) from None
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise BackendError(
            f"PyTorch could not export {program.name} to ONNX: {type(error).__name__}: {first}"
        ) from error
    program.onnx_path = path
    return path
