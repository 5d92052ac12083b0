"""Zeros counted while a network runs: `Watch` counts at every product and activation, `by_layer` tells whose they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean, pstdev
from typing import Any

from torch import Tensor, count_nonzero, nn
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode

from steelyard.hardware.compression import run_length_pairs
from steelyard.workload import Layer, Workload

_PRODUCTS = {"conv1d", "conv2d", "conv3d", "linear", "conv_transpose1d", "conv_transpose2d"}
_ACTIVATIONS = {
    "relu", "relu_", "relu6", "hardtanh", "hardtanh_", "threshold", "threshold_", "leaky_relu",
    "leaky_relu_", "prelu", "elu", "elu_", "gelu", "silu", "sigmoid", "sigmoid_", "tanh", "tanh_",
    "hardswish", "hardsigmoid", "softplus", "mish", "celu", "selu", "logsigmoid",
}  # fmt: skip
_PASSED = ("norm", "activation", "view")


@dataclass(slots=True)
class Count:
    """Zeros of one call, image after image.

    Attributes:
        shares: for I, W, O the fraction of zeros in each image.
        pairs: run-length pairs of the inputs; elements: of the inputs.
    """

    shares: dict[str, list[float]] = field(default_factory=dict)
    pairs: int = 0
    elements: int = 0

    def add(self, what: str, tensor: Tensor) -> None:
        """Counts one tensor."""
        if tensor.numel():
            zeros = tensor.numel() - int(count_nonzero(tensor))
            self.shares.setdefault(what, []).append(zeros / tensor.numel())

    def mean(self, what: str) -> float:
        """The fraction of zeros, over the images."""
        return fmean(self.shares[what]) if self.shares.get(what) else 0.0

    def spread(self, what: str) -> float:
        """Its standard deviation from image to image."""
        return pstdev(self.shares[what]) if self.shares.get(what) else 0.0


class Watch(TorchFunctionMode):
    """Counts at every product and activation, by the module that calls it and the number of the call there."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.names = {id(module): name for name, module in model.named_modules()}
        self.path: list[str] = []
        self.calls: dict[tuple[str, str], int] = {}
        self.counts: dict[tuple[str, str, int], Count] = {}

    def begin(self) -> None:
        """Calls are numbered anew for each image."""
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
            count.elements += given["input"].numel()
        result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            count.add("O", result)
        return result

    def _count(self, kind: str) -> Count:
        place = (self.path[-1] if self.path else "", kind)
        number = self.calls.get(place, 0)
        self.calls[place] = number + 1
        return self.counts.setdefault((*place, number), Count())


def _kind(name: str) -> str | None:
    if name in _PRODUCTS:
        return "product"
    return "activation" if name in _ACTIVATIONS else None


def by_layer(load: Workload, watch: Watch) -> Iterator[tuple[str, Count | None, Count | None]]:
    """Each layer that multiplies: its own count, and that of what is stored of its outputs.

    Stored is what comes after the normalisations and activations that alone read them; None: not told apart.
    """
    found = dict(_matched(load, watch, "product", ("conv", "linear")))
    found |= dict(_matched(load, watch, "activation", ("activation",)))
    readers: dict[str, list[Layer]] = {}
    for layer in load.layers:
        for name in layer.inputs:
            readers.setdefault(name, []).append(layer)
    for layer in load.layers:
        if layer.nests:
            count = found.get(layer.name)
            yield layer.name, count, found.get(_last(layer, readers).name, count)


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
    load: Workload, watch: Watch, kind: str, kinds: tuple[str, ...]
) -> Iterator[tuple[str, Count]]:
    """Layers of those kinds with their counts: the k-th of a module is the k-th call in it."""
    for module, layers in load.groupby("module").items():
        own = [layer for layer in layers if layer.kind in kinds]
        counts = [watch.counts.get((module, kind, number)) for number in range(len(own))]
        if (module, kind, len(own)) in watch.counts or None in counts:
            continue
        for layer, count in zip(own, counts, strict=True):
            if count is not None:
                yield layer.name, count
