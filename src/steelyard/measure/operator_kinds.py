"""Kinds of operators by which run time is split, after figure 2 of Ma et al. (ShuffleNet V2, 2018)."""

from __future__ import annotations

from steelyard.workload import Layer

KINDS: dict[str, str] = {
    "dense": "convolution, dense",
    "pointwise": "convolution, pointwise (1x1)",
    "depthwise": "convolution, depthwise",
    "grouped": "convolution, grouped",
    "elementwise": "element-wise",
    "movement": "shuffle and data movement",
    "norm": "normalisation",
    "pool": "pooling",
    "linear": "linear",
    "other": "other operators",
    "outside": "not in the workload",
    "between": "between operators",
}
"""What a microsecond may be spent on; the last two are not layers of the network."""

_OF_LAYER = {
    "linear": "linear",
    "norm": "norm",
    "activation": "elementwise",
    "elementwise": "elementwise",
    "softmax": "elementwise",
    "quantize": "elementwise",
    "pool": "pool",
    "reduce": "pool",
    "resize": "movement",
    "embedding": "movement",
    "copy": "movement",
    "view": "movement",
    "create": "movement",
}


def kind_of(layer: Layer) -> str:
    """The key of `KINDS` that a layer of a workload belongs to.

    A grouped 1x1 convolution is grouped; matrix products of two activations, attention and recurrent
    layers are other.
    """
    if layer.kind != "conv":
        return _OF_LAYER.get(layer.kind, "other")
    nest = layer.nest
    if nest is None:
        return "dense"
    if nest.G > 1:
        return "depthwise" if nest.is_depthwise else "grouped"
    return "pointwise" if nest.is_pointwise else "dense"
