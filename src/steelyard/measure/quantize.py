"""Quantisation after training to 8 bits, with the program's calibration inputs: for ONNX Runtime, OpenVINO, PyTorch."""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from steelyard.errors import BackendError, MissingExtraError
from steelyard.measure.backend import Program


def quantize_onnx(program: Program, path: Path) -> Path:
    """A copy of the file with QDQ pairs: activations per tensor (unsigned), weights per channel (signed).

    It stays in the program's folder as ``int8.onnx``, and is used again if it is there.

    Raises:
        MissingExtraError: onnx is not installed.
        BackendError: ONNX Runtime's quantiser failed.
    """
    try:
        quantization: Any = importlib.import_module("onnxruntime.quantization")
        shape: Any = importlib.import_module("onnxruntime.quantization.shape_inference")
    except ImportError:
        raise MissingExtraError(
            "int8 in ONNX Runtime", extra="onnxruntime", package="onnx"
        ) from None
    prepared, out = program.folder / "prepared.onnx", program.folder / "int8.onnx"
    part = out.with_suffix(".part")
    if out.exists():
        return out
    try:
        with _quiet():
            shape.quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
            names = _input_names(prepared)
            feeds = iter(
                [dict(zip(names, arrays, strict=True)) for arrays in _calibration(program)]
            )

            class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
                def get_next(self) -> Any:
                    return next(feeds, None)

            quantization.quantize_static(
                str(prepared),
                str(part),
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
    except Exception as error:
        raise BackendError(f"ONNX Runtime could not quantise {program.name}: {error}") from error
    part.replace(out)
    return out


def quantize_openvino(program: Program, model: Any) -> Any:
    """An OpenVINO model in 8 bits, by NNCF.

    It stays in the program's folder as ``int8.xml`` and ``int8.bin``, and is used again if it is there.

    Raises:
        MissingExtraError: nncf is not installed.
        BackendError: it failed.
    """
    try:
        with _quiet():
            nncf: Any = importlib.import_module("nncf")
    except ImportError:
        raise MissingExtraError("int8 in OpenVINO", extra="openvino", package="nncf") from None
    feeds = _calibration(program)
    openvino: Any = importlib.import_module("openvino")
    kept = program.folder / "int8.xml"
    if kept.exists():
        return openvino.Core().read_model(str(kept))
    try:
        with _quiet():
            small = nncf.quantize(
                model,
                nncf.Dataset(feeds, lambda arrays: arrays),
                subset_size=len(feeds),
                preset=nncf.QuantizationPreset.MIXED,
            )
        openvino.save_model(small, str(kept), compress_to_fp16=False)
        return small
    except Exception as error:
        raise BackendError(f"NNCF could not quantise {program.name}: {error}") from error


def quantize_eager(program: Program) -> nn.Module:
    """The module with convolutions and linear layers in 8 bits, by PyTorch's graph mode (FX), where that can trace it.

    Raises:
        BackendError: it cannot be traced, or this build of PyTorch has no such kernels.
    """
    if program.model is None:
        raise BackendError(f"{program.name} is no module")
    try:
        with warnings.catch_warnings(), torch.no_grad(), _quiet():
            warnings.simplefilter("ignore")
            fx: Any = importlib.import_module("torch.ao.quantization.quantize_fx")
            quantization: Any = importlib.import_module("torch.ao.quantization")
            how = quantization.get_default_qconfig_mapping(torch.backends.quantized.engine)
            watched = fx.prepare_fx(copy.deepcopy(program.model), how, program.inputs)
            for inputs in program.calibration or (program.inputs,):
                watched(*inputs)
            small: nn.Module = fx.convert_fx(watched)
        return small
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BackendError(f"PyTorch could not quantise {program.name}: {first}") from error


def _calibration(program: Program) -> list[list[Any]]:
    inputs = program.calibration or (program.inputs,)
    return [[tensor.numpy() for tensor in each] for each in inputs]


def _input_names(path: Path) -> list[str]:
    onnx: Any = importlib.import_module("onnx")
    return [item.name for item in onnx.load(str(path), load_external_data=False).graph.input]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What the quantisers log and print about their progress is not the user's."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
