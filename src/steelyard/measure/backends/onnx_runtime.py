"""ONNX Runtime on the CPU, or on CUDA where that build of it is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steelyard.errors import BackendError
from steelyard.measure import installed
from steelyard.measure.backend import Array, Program, Setting
from steelyard.measure.export import onnx_file


class OnnxRuntime:
    """See the module."""

    name = "onnxruntime"
    title = "ONNX Runtime"
    options: Mapping[str, str] = {
        "int8": "weights and activations quantised after training (QDQ, per channel)",
        "cuda": "CUDA provider",
    }

    def missing(self) -> str:
        """It is an extra."""
        return installed.ONNX_RUNTIME.missing()

    def load(self, program: Program, setting: Setting) -> OnnxRunner:
        """A session with as many threads as PyTorch has."""
        path = onnx_file(program)
        if "int8" in setting.options:
            from steelyard.measure.quantize import quantize_onnx

            path = quantize_onnx(program, path)
        provider = "CUDAExecutionProvider" if "cuda" in setting.options else "CPUExecutionProvider"
        return OnnxRunner(program, str(path), provider, optimised=True)


class OnnxRunner:
    """A session, its inputs, and its last outputs."""

    def __init__(
        self, program: Program, path: str, provider: str, *, optimised: bool, profile: str = ""
    ) -> None:
        runtime = installed.ONNX_RUNTIME.load()
        self.session: Any = open_session(
            path, program.name, provider, optimised=optimised, profile=profile
        )
        self.ran = f"ONNX Runtime {runtime.__version__} {provider}"
        names = [item.name for item in self.session.get_inputs()]
        self.feed = dict(zip(names, (x.numpy() for x in program.inputs), strict=True))
        self.out: list[Any] = []

    def run(self) -> None:
        """One inference."""
        self.out = []
        self.out = self.session.run(None, self.feed)

    def outputs(self) -> Sequence[Array]:
        """Of the last run."""
        return [np.array(x, dtype=np.float32 if x.dtype.kind == "f" else x.dtype) for x in self.out]

    def close(self) -> None:
        """Drops the session."""
        self.session, self.feed, self.out = None, {}, []


def open_session(
    model: str | bytes,
    name: str,
    provider: str = "CPUExecutionProvider",
    *,
    optimised: bool = True,
    profile: str = "",
) -> Any:
    """A session with as many threads as PyTorch has.

    Args:
        model: path or content of an ONNX file.
        name: of the network, for errors.
        provider: that is to compute.
        optimised: whether ONNX Runtime may change the graph.
        profile: where its profile is written; "" for none.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        BackendError: it refuses the file, or falls back to another provider.
    """
    runtime = installed.ONNX_RUNTIME.load()
    import torch

    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    level = runtime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimised else level.ORT_DISABLE_ALL
    try:
        session = runtime.InferenceSession(model, options, providers=[provider])
    except Exception as error:  # a dozen classes of its own, none of them public
        raise BackendError(f"ONNX Runtime refused {name}: {_first_line(error)}") from None
    used = session.get_providers()
    if used[0] != provider:
        raise BackendError(
            f"ONNX Runtime fell back from {provider} to {used[0]}",
            hint="pip install onnxruntime-gpu, or leave out +cuda",
        )
    return session


def plain_outputs(program: Program) -> tuple[Array, ...]:
    """Outputs with every graph optimisation off: the reference for a network that is an ONNX file.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        BackendError: it refuses the file.
    """
    runner = OnnxRunner(program, str(onnx_file(program)), "CPUExecutionProvider", optimised=False)
    runner.run()
    return tuple(runner.outputs())


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


ONNX_RUNTIME = OnnxRuntime()
