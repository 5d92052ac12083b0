"""OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steelyard.errors import BackendError, UsageError
from steelyard.measure import installed
from steelyard.measure.backend import Array, Program, Setting
from steelyard.measure.export import onnx_file
from steelyard.measure.recipes import PART


class OpenVino:
    """See the module."""

    name = "openvino"
    title = "OpenVINO"
    options: Mapping[str, str] = {
        "bfloat16": "bfloat16 arithmetic where the processor has it",
        "int8": "weights and activations quantised after training by NNCF; with bfloat16 the rest in that",
        "throughput": "its throughput hint, not its latency hint",
        "parts": "a batch in parts of two samples, one thread each: what a part makes fits the caches",
    }

    def missing(self) -> str:
        """It is an extra."""
        return installed.OPENVINO.missing()

    def load(self, program: Program, setting: Setting) -> OpenVinoRunner | PartsRunner:
        """A compiled model with as many threads as PyTorch has."""
        if "parts" in setting.options:
            return PartsRunner(program, setting)
        return OpenVinoRunner(program, setting)


class OpenVinoRunner:
    """A compiled model, its inputs, and its last outputs."""

    def __init__(self, program: Program, setting: Setting, *, profile: bool = False) -> None:
        hint = "THROUGHPUT" if "throughput" in setting.options else "LATENCY"
        self.model: Any = _compiled(
            program, setting, {"PERF_COUNT": profile, "PERFORMANCE_HINT": hint}
        )
        self.ran = _ran(self.model)
        self.request = self.model.create_infer_request()
        self.feed = [x.numpy() for x in program.inputs]

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


class PartsRunner:
    """A batch in parts of `PART` samples, several at once, each computed by one thread.

    Every part has a request of its own, whose tensors are rows of the whole arrays: nothing is copied, and no
    thread of OpenVINO calls Python. (With `AsyncInferQueue` and a callback, dropping the model waited for a thread
    that waited for the interpreter's lock: for ever, at times, where cores are few.)
    """

    def __init__(self, program: Program, setting: Setting) -> None:
        import torch

        tensor = installed.OPENVINO.load().Tensor
        self.model: Any = _compiled(
            in_parts(program), setting, {"NUM_STREAMS": torch.get_num_threads()}
        )
        self.ran = f"{_ran(self.model)}, parts of {PART}"
        self.feed = [np.ascontiguousarray(x.numpy()) for x in program.inputs]
        parts = len(self.feed[0]) // PART
        self.out = [
            np.zeros((out.shape[0] * parts, *out.shape[1:]), out.element_type.to_dtype())
            for out in self.model.outputs
        ]
        self.requests: list[Any] = []
        for part in range(parts):
            request = self.model.create_infer_request()
            for index, whole in enumerate(self.feed):
                request.set_input_tensor(index, tensor(_rows(whole, part, parts), True))
            for index, whole in enumerate(self.out):
                request.set_output_tensor(index, tensor(_rows(whole, part, parts), True))
            self.requests.append(request)

    def run(self) -> None:
        """One inference."""
        for request in self.requests:
            request.start_async()
        for request in self.requests:
            request.wait()

    def outputs(self) -> Sequence[Array]:
        """Of the last run."""
        return [np.array(x, np.float32 if x.dtype.kind == "f" else x.dtype) for x in self.out]

    def close(self) -> None:
        """Drops the model."""
        self.requests = []
        self.model = None
        self.feed = []


def _rows(whole: Array, part: int, parts: int) -> Array:
    """A part's view of an array of all of them."""
    rows = len(whole) // parts
    return whole[part * rows : (part + 1) * rows]


def in_parts(program: Program) -> Program:
    """The same network for `PART` samples, with a folder of its own.

    Raises:
        UsageError: a batch that cannot be parted, or an ONNX file made for another one.
    """
    sizes = {x.shape[0] if x.ndim else 0 for x in program.inputs}
    batch = min(sizes, default=0)
    if len(sizes) != 1 or batch % PART or batch < 2 * PART:
        raise UsageError(f"a batch of {batch} in parts", expected=f"even, and {2 * PART} at least")
    folder = program.folder / "parts"
    folder.mkdir(exist_ok=True)
    calibration = tuple(
        tuple(x[start : start + PART] for x in inputs)
        for inputs in program.calibration
        for start in range(0, batch, PART)
    )
    return Program(
        program.name, program.model, tuple(x[:PART] for x in program.inputs), folder,
        program.onnx_path if program.model is None else None, calibration=calibration,
    )  # fmt: skip


def _compiled(program: Program, setting: Setting, properties: Mapping[str, Any]) -> Any:
    """The network, compiled.

    Raises:
        BackendError: OpenVINO refused it.
        UsageError: a file that was made for another batch.
    """
    openvino = installed.OPENVINO.load()
    import torch

    path = onnx_file(program)
    try:
        core = openvino.Core()
        model = core.read_model(str(path))
        for theirs, ours in zip(model.inputs, program.inputs, strict=True):
            if theirs.partial_shape.is_static and tuple(theirs.shape) != tuple(ours.shape):
                raise UsageError(
                    f"{path.name} for inputs of {tuple(theirs.shape)}",
                    expected=f"{tuple(ours.shape)}",
                )
        if "int8" in setting.options:
            from steelyard.measure.quantize import quantize_openvino

            model = quantize_openvino(program, model)
        precision = "bf16" if "bfloat16" in setting.options else "f32"
        return core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "INFERENCE_PRECISION_HINT": precision,
                **properties,
            },
        )
    except RuntimeError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise BackendError(f"OpenVINO refused {program.name}: {lines[-1:] or error!r}") from None


def _ran(model: Any) -> str:
    used = ", ".join(model.get_property("EXECUTION_DEVICES"))
    return f"OpenVINO {installed.OPENVINO.load().__version__.split('-')[0]} {used}"


OPENVINO = OpenVino()
