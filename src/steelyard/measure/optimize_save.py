"""Storing the result of an optimisation: told early if it cannot be, checked before it gets its name."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.errors import BackendError, InputError, UsageError
from steelyard.measure.child import cores_for
from steelyard.measure.recipes import PART, SUFFIXES, Recipe
from steelyard.report.files import check_place

if TYPE_CHECKING:
    from steelyard.measure.optimize_result import Optimized, Trial


def check_target(path: Path) -> None:
    """Says before the work begins that a result could not be stored.

    Raises:
        UsageError: no suffix that is known.
        InputError: a folder, no such folder, or not writable.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"{path} does not end in {', '.join(SUFFIXES)}",
            expected=".onnx for ONNX Runtime (OpenVINO reads it, too), .xml for OpenVINO, .pt2 for PyTorch",
        )
    check_place(path)
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise InputError(
            f"cannot write {path}: no permission", expected="a place that can be written"
        )


def save(result: Optimized, path: Path) -> Path:
    """See `Optimized.save`."""
    check_target(path)
    if result.workspace is None:
        raise BackendError("this result was read from data and cannot be stored")
    trial = result.best(path.suffix)
    part = path.with_name(f".{path.stem[:80]}.{secrets.token_hex(6)}{path.suffix}")
    files: tuple[Path, ...] = (part, part.with_suffix(".bin"))
    try:
        from steelyard.measure.optimize_files import write_recipe

        files = write_recipe(trial.recipe, result.workspace.subject().network.program, part)
        differs = _checked(result, trial, part)
        about = json.dumps(describe(result, trial, path, differs), indent=2, allow_nan=False)
        for file in files:
            file.replace(path.with_suffix(file.suffix))
        beside = path.with_name(path.name + ".json")
        beside.write_text(about + "\n", "utf-8")
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}",
            expected="a place that can be written",
        ) from error
    finally:
        for file in files:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
    return path


def _checked(result: Optimized, trial: Trial, part: Path) -> float:
    """Loads the file in a process of its own.

    Raises:
        BackendError: it cannot be loaded, or computes something else.
    """
    from steelyard.measure.optimize_search import Lab

    if result.workspace is None:
        raise BackendError("nothing to compare with")
    lab = Lab(result.workspace.task.job, cores_for(result.threads))
    with contextlib.closing(lab):
        differs = float(
            lab.ask(
                "check",
                path=str(part.resolve()),
                setting=trial.recipe.setting,
                folder=str(result.workspace.folder),
                threads=result.threads,
            )
        )
    if not differs <= result.tolerance:
        raise BackendError(
            f"the stored network's outputs differ by {differs:.2g} of the largest",
            expected=f"at most {result.tolerance:.2g}; nothing was written",
        )
    return differs


def describe(result: Optimized, trial: Trial, path: Path, differs: float) -> dict[str, Any]:
    """What stands beside the file, schema ``steelyard.optimized-file/1``."""
    recipe = trial.recipe
    return {
        "schema": "steelyard.optimized-file/1",
        "file": path.name,
        "network": result.network,
        "weights": result.weights or "random",
        "runtime": recipe.backend if recipe.backend != "eager" else "pytorch",
        "ran": trial.ran,
        "precision": recipe.precision,
        "threads": result.threads,
        "batch": result.batch,
        "input_shapes": [list(shape) for shape in result.input_shapes],
        "keep_freed_memory": recipe.keep_freed,
        "deviation": differs,
        "tolerance": result.tolerance,
        "agreement": trial.agreement,
        "photographs": result.photographs,
        "median_s": trial.median_s,
        "gain": result.gain(trial),
        "parts": PART if recipe.parts else None,
        "run": _how(recipe, path.name, result.threads),
    }


def _how(recipe: Recipe, name: str, threads: int) -> str:
    """Python that runs the file as it was measured."""
    backend, hint = recipe.backend, "bf16" if "bfloat16" in recipe.setting else "f32"
    if recipe.parts:
        return (
            f"import openvino as ov; model = ov.Core().compile_model({name!r}, 'CPU', "
            f"{{'INFERENCE_NUM_THREADS': {threads}, 'INFERENCE_PRECISION_HINT': '{hint}', 'NUM_STREAMS': {threads}}}); "
            f"queue = ov.AsyncInferQueue(model, {threads}); found = {{}}; "
            "queue.set_callback(lambda request, part: found.update({part: request.get_output_tensor(0).data.copy()})); "
            f"[queue.start_async([x[{PART} * part : {PART} * part + {PART}]], part) for part in range(len(x) // {PART})]; "
            "queue.wait_all()"
        )
    if backend == "onnxruntime":
        return (
            "import onnxruntime as ort; options = ort.SessionOptions(); "
            f"options.intra_op_num_threads = {threads}; "
            f"session = ort.InferenceSession({name!r}, options, providers=['CPUExecutionProvider']); "
            "session.run(None, {session.get_inputs()[0].name: x})"
        )
    if backend == "openvino":
        return (
            f"import openvino as ov; model = ov.Core().compile_model({name!r}, 'CPU', "
            f"{{'INFERENCE_NUM_THREADS': {threads}, 'INFERENCE_PRECISION_HINT': '{hint}', "
            "'PERFORMANCE_HINT': 'LATENCY'}); model([x])"
        )
    return (
        f"import torch; torch.set_num_threads({threads}); "
        f"model = torch.inference_mode()(torch.export.load({name!r}).module()); model(x)"
    )
