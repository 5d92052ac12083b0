"""Recipes as files: what is written for ONNX Runtime, OpenVINO and PyTorch, and how a written file is checked."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steelyard.errors import BackendError
from steelyard.measure.backend import Array, Program, Setting, backend
from steelyard.measure.backends.eager import placed
from steelyard.measure.export import onnx_file
from steelyard.measure.program import deviation, to_arrays
from steelyard.measure.recipes import Recipe


def write_recipe(recipe: Recipe, program: Program, path: Path) -> tuple[Path, ...]:
    """Writes a recipe that the suffix of ``path`` can hold; returns the files.

    Args:
        recipe: that was tried with this program's folder.
        program: the network.
        path: a name that is free; ``.xml`` gets a ``.bin`` beside it.

    Raises:
        BackendError: the runtime could not store it.
    """
    if path.suffix == ".pt2":
        return (_write_pt2(recipe, program, path),)
    if path.suffix == ".xml":
        return _write_openvino(recipe, program, path)
    program = _as_run(recipe, program)
    source = program.folder / "int8.onnx" if recipe.precision == "int8" else onnx_file(program)
    shutil.copyfile(source, path)
    return (path,)


def _as_run(recipe: Recipe, program: Program) -> Program:
    """The program whose folder holds what the recipe ran."""
    if not recipe.parts:
        return program
    from steelyard.measure.backends.open_vino import in_parts

    return in_parts(program)


def _write_openvino(recipe: Recipe, program: Program, path: Path) -> tuple[Path, ...]:
    weights = path.with_suffix(".bin")
    program = _as_run(recipe, program)
    if recipe.precision == "int8":
        shutil.copyfile(program.folder / "int8.bin", weights)
        shutil.copyfile(program.folder / "int8.xml", path)
    else:
        openvino: Any = importlib.import_module("openvino")
        try:
            model = openvino.Core().read_model(str(onnx_file(program)))
            openvino.save_model(model, str(path), compress_to_fp16=False)
        except RuntimeError as error:
            raise BackendError(f"OpenVINO could not store {program.name}: {error}") from error
    return weights, path


class _Ready(nn.Module):
    """The network with the layout and the precision of a recipe inside, so that the caller need not know them."""

    def __init__(self, model: nn.Module, setting: Setting) -> None:
        super().__init__()
        self.model = model
        self.channels_last = "channels_last" in setting.options
        self.casts = "cast" in setting.options
        self.rounds = setting.precision == "bfloat16" and not self.casts

    def forward(self, *inputs: Tensor) -> Any:
        if self.channels_last:
            inputs = tuple(
                x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
                for x in inputs
            )
        if self.casts:
            return _in_float32(self.model(*(x.to(torch.bfloat16) for x in inputs)))
        if self.rounds:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.model(*inputs)
        return self.model(*inputs)


def _in_float32(value: Any) -> Any:
    """The same structure, its tensors in float32."""
    if isinstance(value, Tensor):
        return value.float()
    if isinstance(value, dict):
        return {key: _in_float32(item) for key, item in value.items()}
    return type(value)(map(_in_float32, value)) if type(value) in (tuple, list) else value


def _write_pt2(recipe: Recipe, program: Program, path: Path) -> Path:
    setting = Setting.parse(recipe.setting)
    model, _, _ = placed(program, setting)
    ready = _Ready(model, setting).eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.export.save(torch.export.export(ready, program.inputs), path)
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise BackendError(
            f"PyTorch could not store {program.name}: {type(error).__name__}: {first}"
        ) from error
    return path


# ---- reading back ----------------------------------------------------------------------------------


def deviation_of_file(path: Path, setting: str, folder: Path) -> float:
    """Loads a written file in its runtime; its outputs against those of the float32 reference.

    Args:
        path: the file.
        setting: of the recipe.
        folder: where the search kept inputs and outputs.

    Raises:
        BackendError: the file cannot be loaded, or its outputs have other shapes or are not finite.
    """
    from steelyard.measure.optimize_worker import REFERENCE

    with np.load(folder / REFERENCE, allow_pickle=False) as kept:
        inputs = _numbered(kept, "in")
        expected = _numbered(kept, "out")
    tensors = tuple(map(torch.from_numpy, inputs))
    if path.suffix == ".pt2":
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            return deviation(to_arrays(torch.export.load(path).module()(*tensors)), expected)
    parsed = Setting.parse(setting)
    plain = Setting(parsed.backend, tuple(o for o in parsed.options if o != "int8"))
    runner = backend(parsed.backend).load(
        Program(path.name, None, tensors, folder, onnx_path=path), plain
    )
    with contextlib.closing(runner):
        runner.run()
        return deviation(runner.outputs(), expected)


def _numbered(kept: Any, prefix: str) -> Sequence[Array]:
    count = sum(name.startswith(prefix) for name in kept.files)
    return [kept[f"{prefix}{i}"] for i in range(count)]
