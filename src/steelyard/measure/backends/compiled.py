"""``torch.compile``: PyTorch with operators fused and compiled by a C++ compiler or Triton."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping

import torch

from steelyard.errors import BackendError
from steelyard.measure.backend import Program, Setting
from steelyard.measure.backends.eager import EAGER, TorchRunner, placed


class Compile:
    """See the module."""

    name = "compile"
    title = "PyTorch, compiled by torch.compile (half a minute and more for each network)"
    options: Mapping[str, str] = {
        **{key: meaning for key, meaning in EAGER.options.items() if key != "int8"},
        "max_autotune": "try several kernels for each operator",
    }

    def missing(self) -> str:
        """Inductor needs a C++ compiler for the CPU."""
        if not any(map(shutil.which, ("g++", "c++", "clang++", "cl"))):
            return "torch.compile needs a C++ compiler (g++), which is not installed"
        return ""

    def load(self, program: Program, setting: Setting) -> TorchRunner:
        """A runner of a compiled copy; compiling happens here."""
        model, inputs, place = placed(program, setting)
        mode = "max-autotune" if "max_autotune" in setting.options else "default"
        begun = time.perf_counter()
        torch._dynamo.reset()
        runner = TorchRunner(
            torch.compile(model, mode=mode, dynamic=False),
            inputs,
            place,
            setting,
            f"PyTorch {torch.__version__} compiled",
        )
        try:
            runner.run()
        except Exception as error:
            text = str(error).strip().splitlines()
            raise BackendError(
                f"torch.compile failed after {time.perf_counter() - begun:.0f} s: {text[0] if text else error!r}"
            ) from error
        return runner


COMPILE = Compile()
