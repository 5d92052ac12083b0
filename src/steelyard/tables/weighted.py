"""The CONV and FC layers of a workload, as tables of networks count them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from steelyard.workload import Layer, LoopNest, TensorSpec, Workload

_SAME_ELEMENTS = frozenset({"view", "activation", "elementwise"})


@dataclass(frozen=True, slots=True)
class WeightedLayer:
    """One convolutional or fully connected layer.

    Attributes:
        name: path of its module.
        fully_connected: a linear layer, or a convolution whose filter covers its whole input.
        kernel: (R, S); of a linear layer the size of the feature map that it reads.
        channels: channels that it reads, over all groups.
        filters: channels that it writes.
        stride: vertical, horizontal.
        weights: without biases.
        macs: multiply-accumulates.
    """

    name: str
    fully_connected: bool
    kernel: tuple[int, ...]
    channels: int
    filters: int
    stride: tuple[int, ...]
    weights: int
    macs: int


def weighted_layers(load: Workload) -> tuple[WeightedLayer, ...]:
    """The CONV and FC layers that have trained weights, in order of execution.

    What one module executes is one layer, even in several operators (a convolution with a connection
    table runs as several grouped ones). Products with constants are no layer.
    """
    grouped: dict[str, list[Layer]] = {}
    for layer in load.layers:
        if layer.kind in ("conv", "linear") and _is_trained(load, layer):
            grouped.setdefault(layer.module or layer.name, []).append(layer)
    return tuple(_layer(load, name, parts) for name, parts in grouped.items())


def conv_depth(load: Workload) -> int:
    """CONV layers on the longest path from an input to an output."""
    convs = {layer.name for layer in weighted_layers(load) if not layer.fully_connected}
    depth: dict[str, int] = {}
    for layer in load.layers:
        before = max((depth.get(name, 0) for name in layer.inputs), default=0)
        counts = layer.kind == "conv" and (layer.module or layer.name) in convs
        depth.update(dict.fromkeys(layer.outputs, before + counts))
    return max(depth.values(), default=0)


def _is_trained(load: Workload, layer: Layer) -> bool:
    return bool(layer.nests) and any(load.tensor(p).role == "parameter" for p in layer.params)


def _layer(load: Workload, name: str, parts: list[Layer]) -> WeightedLayer:
    nests = [nest for part in parts for nest in part.nests]
    first = parts[0]
    if first.kind == "linear":
        channels, kernel = _flattened(load, first)
    else:
        channels, kernel = _entering(load, first).shape[1], nests[0].kernel
    return WeightedLayer(
        name=name,
        fully_connected=first.kind == "linear" or all(map(_covers_input, nests)),
        kernel=kernel,
        channels=channels,
        filters=sum(nest.M for nest in nests),
        stride=nests[0].stride,
        weights=sum(nest.weights for nest in nests),
        macs=sum(nest.macs for nest in nests),
    )


def _covers_input(nest: LoopNest) -> bool:
    return nest.kernel == nest.input and not any(map(any, nest.padding))


def _entering(load: Workload, layer: Layer) -> TensorSpec:
    """The first activation that the module of ``layer`` reads from outside."""
    inside: Iterable[Layer] = (
        (other for other in load.layers if other.module == layer.module)
        if layer.module
        else (layer,)
    )
    return load.tensor(next(name for other in inside for name in other.inputs))


def _flattened(load: Workload, layer: Layer) -> tuple[int, tuple[int, ...]]:
    """Channels and size of the feature map that a linear layer reads, (features, 1x1) if there is none."""
    makers = {name: other for other in load.layers for name in other.outputs}
    tensor = load.tensor(layer.inputs[0])
    features = tensor.shape[-1]
    while len(tensor.shape) == 2:
        maker = makers.get(tensor.name)
        if maker is None or maker.kind not in _SAME_ELEMENTS or not maker.inputs:
            break
        before = load.tensor(maker.inputs[0])
        if before.numel != tensor.numel:
            break
        tensor = before
    if len(tensor.shape) == 4 and tensor.numel == tensor.shape[0] * features:
        return tensor.shape[1], tensor.shape[2:]
    return features, (1, 1)
