"""One layer in a few words: its operator (``conv 3×3 /2 g32``), its family, the shapes it writes."""

from __future__ import annotations

from collections.abc import Iterable

from steelyard.workload import Layer, LoopNest, Workload

FAMILIES: dict[str, str] = {
    "conv": "convolution",
    "conv1x1": "1×1 convolution",
    "convdw": "depthwise or grouped convolution",
    "linear": "fully connected",
    "matmul": "matrix product, attention, recurrent",
    "norm": "normalisation",
    "pointwise": "activation, element-wise, softmax",
    "pool": "pooling, reduction, resize",
    "move": "data movement",
    "unknown": "unknown operator",
}
"""Families of layers as the charts colour them, and what the legend says."""

_FAMILY_OF_KIND = {
    "linear": "linear",
    "matmul": "matmul",
    "attention": "matmul",
    "recurrent": "matmul",
    "norm": "norm",
    "activation": "pointwise",
    "elementwise": "pointwise",
    "softmax": "pointwise",
    "quantize": "pointwise",
    "transform": "pointwise",
    "pool": "pool",
    "reduce": "pool",
    "resize": "pool",
    "unknown": "unknown",
}

KIND_PLURALS: dict[str, str] = {
    "conv": "convolutions",
    "linear": "fully connected layers",
    "matmul": "matrix products",
    "attention": "attention layers",
    "recurrent": "recurrent layers",
    "norm": "normalisation layers",
    "activation": "activations",
    "elementwise": "element-wise operations",
    "softmax": "softmax layers",
    "pool": "pooling layers",
    "reduce": "reductions",
    "resize": "resizing layers",
    "embedding": "table look-ups",
    "quantize": "quantisation steps",
    "transform": "transforms",
    "copy": "copies",
    "view": "views",
    "create": "created tensors",
    "unknown": "unknown operators",
}
"""What several layers of a kind are called in a sentence."""


def family(layer: Layer) -> str:
    """The key of `FAMILIES` that the layer belongs to."""
    if layer.kind != "conv":
        return _FAMILY_OF_KIND.get(layer.kind, "move")
    nest = layer.nest
    if nest is None:
        return "conv"
    if nest.G > 1:
        return "convdw"
    return "conv1x1" if nest.is_pointwise else "conv"


def operator(layer: Layer) -> str:
    """The operator as engineers write it.

    >>> nest = LoopNest(1, 1, 64, 3, (112, 112), (7, 7), (224, 224), (2, 2), (1, 1), ((3, 3),) * 2)
    >>> operator(Layer("conv1", "conv", "aten.conv2d", nests=(nest,)))
    'conv 7×7 /2'
    """
    base = layer.op.rpartition(".")[2] if layer.op.startswith("onnx.") else _aten_base(layer.op)
    if layer.kind == "conv" and layer.nest is not None:
        return _convolution(layer.nest)
    if layer.kind in ("linear", "unknown"):
        return "linear" if layer.kind == "linear" else f"unknown: {layer.op}"
    return base


def _aten_base(op: str) -> str:
    parts = op.split(".")
    return parts[1] if len(parts) > 1 and parts[1] else op


def _convolution(nest: LoopNest) -> str:
    words = ["conv-transposed" if nest.transposed else "conv"]
    depthwise = nest.is_depthwise
    if depthwise:
        words.append("dw")
    words.append(times(nest.kernel))
    if any(s != 1 for s in nest.stride):
        words.append("/" + _short(nest.stride))
    if any(d != 1 for d in nest.dilation):
        words.append("d" + _short(nest.dilation))
    if nest.G > 1 and not depthwise:
        words.append(f"g{nest.G}")
    return " ".join(words)


def times(sizes: Iterable[int]) -> str:
    """``3×3``; "-" for no sizes (a scalar)."""
    return "×".join(map(str, sizes)) or "-"


def _short(sizes: tuple[int, ...]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else times(sizes)


def output_shape(layer: Layer, workload: Workload) -> str:
    """Shape of the first result, with a note where there are more: ``1×64×56×56 (+1)``."""
    if not layer.outputs:
        return ""
    more = f" (+{len(layer.outputs) - 1})" if len(layer.outputs) > 1 else ""
    return times(workload.tensor(layer.outputs[0]).shape) + more
