"""PyTorch as it is: operator after operator, on the CPU or on an accelerator that PyTorch knows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from steelyard.errors import BackendError, UsageError
from steelyard.measure.backend import Array, Program, Setting
from steelyard.measure.program import to_arrays

PLACES = ("cuda", "mps")


class Eager:
    """See the module."""

    name = "eager"
    title = "PyTorch, operator after operator"
    options: Mapping[str, str] = {
        "channels_last": "images and weights laid out as N, H, W, C",
        "bfloat16": "bfloat16 by autocast",
        "float16": "float16 by autocast (cuda and mps)",
        "int8": "convolutions and linear layers quantised after training, where PyTorch can trace the module (CPU)",
        "cast": "weights and inputs in that precision, instead of autocast",
        "folded": "batch normalisation folded and what else optimize_for_inference does",
        "cuda": "on the first CUDA device",
        "mps": "on Apple's GPU",
    }

    def missing(self) -> str:
        """PyTorch is always there."""
        return ""

    def load(self, program: Program, setting: Setting) -> TorchRunner:
        """A runner of a copy of the module."""
        model, inputs, place = placed(program, setting)
        return TorchRunner(model, inputs, place, setting, f"PyTorch {torch.__version__} eager")


def placed(program: Program, setting: Setting) -> tuple[nn.Module, tuple[Tensor, ...], str]:
    """A copy of the module and its inputs where and how the setting wants them.

    Raises:
        UsageError: an ONNX file, two places at once, or a precision that the place lacks.
        BackendError: no such device here.
    """
    if program.model is None:
        raise UsageError(
            f"{program.name} is an ONNX file, which PyTorch does not run",
            hint="--backend onnxruntime or openvino",
        )
    places = [option for option in setting.options if option in PLACES]
    if len(places) > 1:
        raise UsageError(f"{setting} names two devices", expected="cuda or mps")
    place = places[0] if places else "cpu"
    if place == "cuda" and not torch.cuda.is_available():
        raise BackendError("PyTorch sees no CUDA device here", hint="leave out +cuda")
    if place == "mps" and not torch.backends.mps.is_available():
        raise BackendError("PyTorch sees no Apple GPU here", hint="leave out +mps")
    if "int8" in setting.options:
        model = _in_8_bits(program, setting, place)
    else:
        model = copy.deepcopy(program.model)
    if "folded" in setting.options:
        from steelyard.design.inference import optimize_for_inference

        model = optimize_for_inference(model, inputs=program.inputs)
    inputs = program.inputs
    if "channels_last" in setting.options:
        layout = torch.channels_last
        model = model.to(memory_format=layout)  # type: ignore[call-overload]
        inputs = tuple(x.to(memory_format=layout) if x.ndim == 4 else x for x in inputs)
    if "cast" in setting.options:
        if setting.precision not in ("bfloat16", "float16"):
            raise UsageError(f"{setting} casts to nothing", expected="+bfloat16 or +float16")
        dtype = getattr(torch, setting.precision)
        model = model.to(dtype)
        inputs = tuple(x.to(dtype) if x.is_floating_point() else x for x in inputs)
    if place != "cpu":
        model, inputs = model.to(place), tuple(x.to(place) for x in inputs)
    return model, inputs, place


def _in_8_bits(program: Program, setting: Setting, place: str) -> nn.Module:
    from steelyard.measure.quantize import quantize_eager

    if place != "cpu" or "folded" in setting.options:
        raise UsageError(
            f"{setting}: PyTorch has 8 bits on the CPU only, and folds by itself",
            expected="eager+int8 or eager+int8+channels_last",
        )
    return quantize_eager(program)


class TorchRunner:
    """Calls a module; for a GPU, until it is done."""

    def __init__(
        self,
        model: Callable[..., Any],
        inputs: tuple[Tensor, ...],
        place: str,
        setting: Setting,
        title: str,
    ) -> None:
        self.model, self.inputs = model, inputs
        self.out: Any = None
        self.autocast = "float32" if "cast" in setting.options else setting.precision
        self.place = place
        self.ran = f"{title} on {self._device_name()}"
        self._wait: Callable[[], None] = {
            "cpu": lambda: None,
            "cuda": torch.cuda.synchronize,
            "mps": torch.mps.synchronize,
        }[place]

    def _device_name(self) -> str:
        if self.place == "cuda":
            return torch.cuda.get_device_name()
        return "CPU" if self.place == "cpu" else "Apple GPU"

    def _casting(self) -> AbstractContextManager[Any]:
        if self.autocast in ("float32", "int8"):
            return nullcontext()
        return torch.autocast(self.place, dtype=getattr(torch, self.autocast))

    def run(self) -> None:
        """One inference."""
        self.out = None  # its memory is free for this run, as in a loop that uses its results
        with torch.inference_mode(), self._casting():
            self.out = self.model(*self.inputs)
        self._wait()

    def outputs(self) -> Sequence[Array]:
        """Of the last run."""
        return to_arrays(self.out)

    def close(self) -> None:
        """Drops the module."""
        self.model, self.inputs, self.out = (lambda: None), (), None


EAGER = Eager()
