"""`measure_sparsity`: how many zeros a network's layers read, hold and write on real inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode

from steelyard._display import Printable
from steelyard.capture.api import capture
from steelyard.errors import UnknownNameError, UsageError
from steelyard.hardware.compression import run_length_pairs
from steelyard.hardware.sparsity import Densities
from steelyard.workload import Layer, Workload

_PRODUCTS = {"conv1d", "conv2d", "conv3d", "linear", "conv_transpose1d", "conv_transpose2d"}
_ACTIVATIONS = {
    "relu", "relu_", "relu6", "hardtanh", "hardtanh_", "threshold", "threshold_", "leaky_relu",
    "leaky_relu_", "prelu", "elu", "elu_", "gelu", "silu", "sigmoid", "sigmoid_", "tanh", "tanh_",
    "hardswish", "hardsigmoid", "softplus", "mish", "celu", "selu", "logsigmoid",
}  # fmt: skip
_PASSED = ("norm", "activation", "view")


@dataclass(frozen=True, slots=True)
class LayerSparsity:
    """Zeros of one layer that multiplies and accumulates; fractions from 0 to 1.

    Attributes:
        name: the layer's name in the workload.
        input_zeros: of the elements that it read, over all inputs together.
        weight_zeros: of its weights.
        output_zeros: of what is stored of its outputs: after the normalisation and activation that alone
            read them.
        input_pairs: run-length pairs (5-bit runs, one map after the other) for each element that it read; a
            random map with as many zeros would take more.
    """

    name: str
    input_zeros: float
    weight_zeros: float
    output_zeros: float
    input_pairs: float

    @property
    def densities(self) -> Densities:
        """Shares that are not zero, as an estimate takes them."""
        return Densities(1 - self.input_zeros, 1 - self.weight_zeros, 1 - self.output_zeros)


@dataclass(frozen=True, slots=True)
class MeasuredSparsity(Printable):
    """Zeros of a network's layers.

    Attributes:
        network: its name.
        images: inputs that it was measured on.
        layers: in the order of execution.
        missing: layers of the workload that could not be told apart in the run.
    """

    network: str
    images: int
    layers: tuple[LayerSparsity, ...]
    missing: tuple[str, ...] = ()

    def layer(self, name: str) -> LayerSparsity:
        """The layer of that name.

        Raises:
            UnknownNameError: it was not measured.
        """
        for found in self.layers:
            if found.name == name:
                return found
        raise UnknownNameError("layer", name, [layer.name for layer in self.layers])

    @property
    def densities(self) -> dict[str, Densities]:
        """By layer, as an estimate takes them."""
        return {layer.name: layer.densities for layer in self.layers}

    def to_dict(self) -> dict[str, object]:
        """Plain data, schema ``steelyard.sparsity/1``."""
        return {"schema": "steelyard.sparsity/1", **asdict(self)}


def measure_sparsity(
    model: nn.Module,
    images: Tensor | Iterable[Tensor],
    *,
    workload: Workload | None = None,
) -> MeasuredSparsity:
    """Runs a network in eval mode and counts zeros; the network is left as it was.

    Args:
        model: with its real weights; random ones say nothing.
        images: a batch (N, C, H, W), or several.
        workload: its capture, if there is one; layers have the names there.

    Raises:
        UsageError: no image.
    """
    batches = [images] if isinstance(images, Tensor) else list(images)
    if not batches or not all(batch.numel() for batch in batches):
        raise UsageError("no image to measure on", expected="a batch (N, C, H, W), or several")
    load = workload or capture(model, input_shape=tuple(batches[0].shape))
    watch = _Watch(model)
    was = {module: module.training for module in model.modules()}
    try:
        model.eval()
        for batch in batches:
            watch.begin()
            with torch.inference_mode(), watch.following(), watch:
                model(batch)
    finally:
        for module, training in was.items():
            module.training = training
    return _result(load, watch, sum(len(batch) for batch in batches))


@dataclass(slots=True)
class _Count:
    """Zeros and elements, summed over calls."""

    zeros: dict[str, int] = field(default_factory=dict)
    elements: dict[str, int] = field(default_factory=dict)
    pairs: int = 0

    def add(self, what: str, tensor: Tensor) -> None:
        self.elements[what] = self.elements.get(what, 0) + tensor.numel()
        zeros = tensor.numel() - int(torch.count_nonzero(tensor))
        self.zeros[what] = self.zeros.get(what, 0) + zeros

    def share(self, what: str) -> float:
        return self.zeros[what] / self.elements[what] if self.elements.get(what) else 0.0


class _Watch(TorchFunctionMode):
    """Counts at every product and activation, by the module that calls it and the number of the call there."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.names = {id(module): name for name, module in model.named_modules()}
        self.path: list[str] = []
        self.calls: dict[tuple[str, str], int] = {}
        self.counts: dict[tuple[str, str, int], _Count] = {}

    def begin(self) -> None:
        """Calls are numbered anew for each batch."""
        self.calls.clear()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Knows the innermost module of the model that runs; the model itself gets no hook."""

        def enter(module: nn.Module, args: Any) -> None:
            if id(module) in self.names:
                self.path.append(self.names[id(module)])

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            if id(module) in self.names and self.path:
                self.path.pop()

        handles = [
            hooks.register_module_forward_pre_hook(enter),
            hooks.register_module_forward_hook(leave, always_call=True),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self.path.clear()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """The call itself, counted where it is a product or an activation."""
        kwargs = kwargs or {}
        kind = _kind(getattr(func, "__name__", ""))
        if kind is None:
            return func(*args, **kwargs)
        count = self._count(kind)
        if kind == "product":
            given = dict(zip(("input", "weight"), args, strict=False)) | kwargs
            count.add("I", given["input"])
            count.add("W", given["weight"])
            count.pairs += run_length_pairs(given["input"].detach().cpu().numpy())
        result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            count.add("O", result)
        return result

    def _count(self, kind: str) -> _Count:
        place = (self.path[-1] if self.path else "", kind)
        number = self.calls.get(place, 0)
        self.calls[place] = number + 1
        return self.counts.setdefault((*place, number), _Count())


def _kind(name: str) -> str | None:
    if name in _PRODUCTS:
        return "product"
    return "activation" if name in _ACTIVATIONS else None


def _result(load: Workload, watch: _Watch, images: int) -> MeasuredSparsity:
    found = dict(_matched(load, watch, "product", ("conv", "linear")))
    found |= dict(_matched(load, watch, "activation", ("activation",)))
    readers: dict[str, list[Layer]] = {}
    for layer in load.layers:
        for name in layer.inputs:
            readers.setdefault(name, []).append(layer)
    layers, missing = [], []
    for layer in load.layers:
        if not layer.nests:
            continue
        if layer.name not in found:
            missing.append(layer.name)
            continue
        count = found[layer.name]
        stored = found.get(_last(layer, readers).name, count)
        pairs = count.pairs / count.elements["I"] if count.elements["I"] else 0.0
        layers.append(
            LayerSparsity(layer.name, count.share("I"), count.share("W"), stored.share("O"), pairs)
        )
    return MeasuredSparsity(load.name, images, tuple(layers), tuple(missing))


def _last(layer: Layer, readers: Mapping[str, list[Layer]]) -> Layer:
    """The last of the normalisations and activations that alone read the layer's output."""
    last, current = layer, layer
    while len(current.outputs) == 1:
        after = readers.get(current.outputs[0], [])
        if len(after) != 1 or after[0].kind not in _PASSED:
            break
        current = after[0]
        if current.kind == "activation":
            last = current
    return last


def _matched(
    load: Workload, watch: _Watch, kind: str, kinds: tuple[str, ...]
) -> Iterator[tuple[str, _Count]]:
    """Layers of those kinds with their counts: the k-th of a module is the k-th call in it."""
    for module, layers in load.groupby("module").items():
        own = [layer for layer in layers if layer.kind in kinds]
        counts = [watch.counts.get((module, kind, number)) for number in range(len(own))]
        if (module, kind, len(own)) in watch.counts or None in counts:
            continue
        for layer, count in zip(own, counts, strict=True):
            if count is not None:
                yield layer.name, count
