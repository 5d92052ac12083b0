"""`onnx_of`: a probe as an ONNX graph, in the form in which PyTorch's exporter writes networks.

A normalisation behind a convolution is in its weights already, since the exporter folds it.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from steelyard.errors import MissingExtraError
from steelyard.measure.predictor import steps as s
from steelyard.measure.predictor.steps import Probe

OPSET = 18


class Writer:
    """Nodes and initialisers, as they come.

    Attributes:
        helper: of the package onnx.
        nodes, constants: so far.
    """

    def __init__(self) -> None:
        try:
            onnx: Any = importlib.import_module("onnx")
        except ImportError:
            raise MissingExtraError(
                "calibrating ONNX Runtime", extra="onnxruntime", package="onnx"
            ) from None
        self.onnx = onnx
        self.helper: Any = importlib.import_module("onnx.helper")
        self.to_tensor: Callable[..., Any] = importlib.import_module("onnx.numpy_helper").from_array
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, op: str, reads: list[str], outputs: int = 1, **attributes: Any) -> str:
        """One more node; the name of its first output."""
        name = f"n{len(self.nodes)}"
        outs = [f"{name}_{i}" for i in range(outputs)]
        self.nodes.append(self.helper.make_node(op, reads, outs, name=name, **attributes))
        return outs[0]

    def constant(self, value: Any) -> str:
        """One more initialiser."""
        name = f"c{len(self.constants)}"
        self.constants.append(self.to_tensor(np.asarray(value), name))
        return name


def onnx_of(probe: Probe, shape: tuple[int, ...]) -> bytes:
    """The graph, serialised; its input is called ``x``.

    Raises:
        MissingExtraError: the package onnx is not installed.
    """
    w = Writer()
    shapes = probe.shapes(shape)
    names = ["x"]
    readers = Counter(n for step in probe.plan for n in step.reads)
    halves: dict[int, str] = {}
    for place, step in enumerate(probe.plan):
        before = probe.plan[place - 1].module if place else None
        reads = [names[n] for n in step.reads]
        if (
            isinstance(step.module, nn.BatchNorm2d)
            and isinstance(before, nn.Conv2d)
            and step.reads == (place,)
            and readers[place] == 1
        ):
            names.append(reads[0])
        elif isinstance(step.module, s.Half):
            source = step.reads[0]
            if source not in halves:
                halves[source] = w.node("Split", reads, outputs=2, axis=1, num_outputs=2)
            names.append(halves[source][:-1] + str(step.module.which))
        else:
            names.append(_emit(w, step.module, reads, shapes[step.reads[0]]))
    value = w.helper.make_tensor_value_info
    kind = w.onnx.TensorProto.FLOAT
    ends = [value(names[n], kind, list(shapes[n])) for n in probe.ends]
    graph = w.helper.make_graph(
        w.nodes, "probe", [value("x", kind, list(shape))], ends, w.constants
    )
    model = w.helper.make_model(
        graph, opset_imports=[w.helper.make_opsetid("", OPSET)], ir_version=9
    )
    found: bytes = model.SerializeToString()
    return found


Shape = tuple[int, ...]


def _emit(w: Writer, module: Any, reads: list[str], shape: Shape) -> str:
    """The node or nodes of one step; ``shape`` is that of its first input."""
    if isinstance(module, s.Apply):
        return _FUNCTIONS[module.function](w, reads)
    return _MODULES[type(module)](w, module, reads, shape)


def _conv(w: Writer, m: Any, reads: list[str], shape: Shape) -> str:
    (a, b), bias = m.padding, np.full(m.out_channels, 0.0 if m.bias is None else 0.01, np.float32)
    return w.node(
        "Conv", [*reads, w.constant(m.weight.detach().numpy()), w.constant(bias)], group=m.groups,
        kernel_shape=list(m.kernel_size), pads=[a, b, a, b], strides=list(m.stride), dilations=list(m.dilation),
    )  # fmt: skip


def _norm(w: Writer, m: Any, reads: list[str], shape: Shape) -> str:
    one = np.ones(m.num_features, np.float32)
    parts = [w.constant(x) for x in (one, 0 * one, 0 * one, one)]
    return w.node("BatchNormalization", [*reads, *parts], epsilon=m.eps)


def _clip(w: Writer, m: Any, reads: list[str], shape: Shape) -> str:
    return w.node("Clip", [*reads, w.constant(np.float32(0)), w.constant(np.float32(6))])


def _silu(w: Writer, m: Any, reads: list[str], shape: Shape) -> str:
    return w.node("Mul", [reads[0], w.node("Sigmoid", reads)])


def _pool(w: Writer, m: Any, reads: list[str], shape: Shape) -> str:
    window: dict[str, Any] = {
        "kernel_shape": [m.kernel_size] * 2,
        "strides": [m.stride] * 2,
        "pads": [m.padding] * 4,
    }
    if isinstance(m, nn.MaxPool2d):
        return w.node("MaxPool", reads, **window)
    return w.node("AveragePool", reads, count_include_pad=1, **window)


def _adaptive(w: Writer, m: Any, reads: list[str], shape: Shape) -> str:
    if m.output_size == 1:
        return w.node("GlobalAveragePool", reads)
    step = shape[-1] // m.output_size
    window = shape[-1] - step * (m.output_size - 1)
    return w.node("AveragePool", reads, kernel_shape=[window] * 2, strides=[step] * 2)


def _linear(w: Writer, m: Any, reads: list[str], shape: Shape) -> str:
    bias = np.full(m.out_features, 0.01, np.float32)
    parts = [w.constant(m.weight.detach().numpy()), w.constant(bias)]
    return w.node("Gemm", [*reads, *parts], alpha=1.0, beta=1.0, transB=1)


def _across(w: Writer, m: Any, reads: list[str], shape: Shape) -> str:
    """Local response normalisation, as PyTorch computes it: a pool over the channels."""
    n, c, high, wide = shape
    before, after = m.size // 2, (m.size - 1) // 2
    squares = w.node("Mul", [reads[0], reads[0]])
    deep = w.node("Reshape", [squares, w.constant(np.array([n, 1, c, high, wide]))])
    edge = w.constant(np.array([0, 0, before, 0, 0, 0, 0, after, 0, 0]))
    mean = w.node("AveragePool", [w.node("Pad", [deep, edge])], kernel_shape=[m.size, 1, 1])
    flat = w.node("Reshape", [mean, w.constant(np.array(shape))])
    scaled = w.node(
        "Add", [w.node("Mul", [flat, w.constant(np.float32(m.alpha))]), w.constant(np.float32(m.k))]
    )
    return w.node("Div", [reads[0], w.node("Pow", [scaled, w.constant(np.float32(m.beta))])])


def _picked(w: Writer, m: Any, reads: list[str], shape: Shape) -> str:
    return w.node("Gather", [*reads, w.constant(m.get_buffer("order").numpy())], axis=1)


def _shuffle(w: Writer, m: Any, reads: list[str], shape: Shape) -> str:
    n, c, high, wide = shape
    apart = w.constant(np.array([n, m.groups, c // m.groups, high, wide]))
    turned = w.node("Transpose", [w.node("Reshape", [*reads, apart])], perm=[0, 2, 1, 3, 4])
    return w.node("Reshape", [turned, w.constant(np.array(shape))])


def _plain(op: str) -> Callable[[Writer, Any, list[str], Shape], str]:
    return lambda w, m, reads, shape: w.node(op, reads)


_MODULES: dict[type[nn.Module], Callable[[Writer, Any, list[str], Shape], str]] = {
    nn.Conv2d: _conv,
    nn.BatchNorm2d: _norm,
    nn.ReLU: _plain("Relu"),
    nn.ReLU6: _clip,
    nn.SiLU: _silu,
    nn.Hardswish: _plain("HardSwish"),
    nn.Hardsigmoid: lambda w, m, reads, shape: w.node("HardSigmoid", reads, alpha=1 / 6, beta=0.5),
    nn.Sigmoid: _plain("Sigmoid"),
    nn.MaxPool2d: _pool,
    nn.AvgPool2d: _pool,
    nn.AdaptiveAvgPool2d: _adaptive,
    nn.Linear: _linear,
    nn.LocalResponseNorm: _across,
    s.Picked: _picked,
    s.Shuffle: _shuffle,
}
_FUNCTIONS: dict[Callable[..., Any], Callable[[Writer, list[str]], str]] = {
    s.add: lambda w, reads: w.node("Add", reads),
    s.add_: lambda w, reads: w.node("Add", reads),
    s.mul: lambda w, reads: w.node("Mul", reads),
    s.cat: lambda w, reads: w.node("Concat", reads, axis=1),
    s.flat: lambda w, reads: w.node("Flatten", reads, axis=1),
    s.mean: lambda w, reads: w.node("ReduceMean", [*reads, w.constant(np.array([2, 3]))], keepdims=0),
    s.upsampled: lambda w, reads: w.node(
        "Resize", [*reads, "", w.constant(np.array([1, 1, 2, 2], np.float32))],
        mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    ),
    s.padded: lambda w, reads: w.node("Pad", [*reads, w.constant(np.array([0, 0, 0, 0, 0, 0, 1, 1]))]),
}  # fmt: skip
