"""OpenVINO on the CPU."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steelyard.errors import BackendError, MissingExtraError
from steelyard.measure.backend import Array, Program, Setting
from steelyard.measure.export import onnx_file


class OpenVino:
    """See the module."""

    name = "openvino"
    title = "OpenVINO"
    options: Mapping[str, str] = {
        "bfloat16": "bfloat16 arithmetic where the processor has it",
        "int8": "weights and activations quantised after training by NNCF",
        "throughput": "its throughput hint, not its latency hint",
    }

    def missing(self) -> str:
        """It is an extra."""
        if importlib.util.find_spec("openvino") is None:
            return "the package openvino is not installed; try: pip install 'steelyard[openvino]'"
        return ""

    def load(self, program: Program, setting: Setting) -> OpenVinoRunner:
        """A compiled model with as many threads as PyTorch has."""
        return OpenVinoRunner(program, setting)


class OpenVinoRunner:
    """A compiled model, its inputs, and its last outputs."""

    def __init__(self, program: Program, setting: Setting, *, profile: bool = False) -> None:
        openvino = _openvino()
        import torch

        path = onnx_file(program)
        try:
            core = openvino.Core()
            model = core.read_model(str(path))
            if "int8" in setting.options:
                from steelyard.measure.quantize import quantize_openvino

                model = quantize_openvino(program, model)
            self.model: Any = core.compile_model(
                model,
                "CPU",
                {
                    "PERF_COUNT": profile,
                    "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                    "INFERENCE_PRECISION_HINT": "bf16"
                    if setting.precision == "bfloat16"
                    else "f32",
                    "PERFORMANCE_HINT": "THROUGHPUT"
                    if "throughput" in setting.options
                    else "LATENCY",
                },
            )
        except RuntimeError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise BackendError(
                f"OpenVINO refused {program.name}: {lines[-1:] or error!r}"
            ) from None
        used = ", ".join(self.model.get_property("EXECUTION_DEVICES"))
        self.ran = f"OpenVINO {openvino.__version__.split('-')[0]} {used}"
        self.request = self.model.create_infer_request()
        self.feed = [x.numpy() for x in program.inputs]
        self.out: list[Array] = []

    def run(self) -> None:
        """One inference."""
        self.request.infer(self.feed, share_inputs=True, share_outputs=True)

    def outputs(self) -> Sequence[Array]:
        """Of the last run."""
        found = [
            np.array(self.request.get_output_tensor(i).data) for i in range(len(self.model.outputs))
        ]
        return [x.astype(np.float32) if x.dtype.kind == "f" else x for x in found]

    def close(self) -> None:
        """Drops the model."""
        self.request = self.model = None
        self.feed = []


def _openvino() -> Any:
    try:
        openvino: Any = importlib.import_module("openvino")
    except ImportError:
        raise MissingExtraError(
            "the backend openvino", extra="openvino", package="openvino"
        ) from None
    return openvino


OPENVINO = OpenVino()
