"""`onnx_file`: the program as an ONNX file, exported once and kept in the program's folder."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from steelyard.errors import BackendError, MissingExtraError
from steelyard.measure.backend import Program

OPSET = 18


def onnx_file(program: Program) -> Path:
    """Path of the network as ONNX, at the inputs' own batch; written into the program's folder if need be.

    By PyTorch's older exporter, which traces and takes a quarter of the time, and where that fails by the newer.
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
        part = program.folder / "network.onnx.part"
        with _quiet():
            try:
                _export(program, part, dynamo=False)
            except Exception:  # whatever it met, the newer one says it better
                _export_newly(program, part)
        part.replace(path)
    program.onnx_path = path
    return path


def _export_newly(program: Program, path: Path) -> None:
    try:
        _export(program, path, dynamo=True)
    except ImportError:
        raise MissingExtraError(
            "exporting to ONNX", extra="onnxruntime", package="onnxscript"
        ) from None
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise BackendError(
            f"PyTorch could not export {program.name} to ONNX: {type(error).__name__}: {first}"
        ) from error


def _export(program: Program, path: Path, *, dynamo: bool) -> None:
    if program.model is None:
        raise BackendError(f"{program.name} is no module")
    torch.onnx.export(
        program.model, program.inputs, str(path), dynamo=dynamo, opset_version=OPSET,
        external_data=False, verbose=False,
    )  # fmt: skip


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
