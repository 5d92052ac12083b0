"""`AddSqueezeExcite`: squeeze-and-excitation behind the layers that end a residual branch, or others."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from steelyard.design.rules.base import Replacement, Rule, conv_of
from steelyard.layers.squeeze_excite import SqueezeExcite
from steelyard.workload import Layer, Workload
from steelyard.zoo.config import setting


@dataclass(frozen=True, kw_only=True)
class AddSqueezeExcite(Rule):
    """The layer, then `SqueezeExcite` with C / ``reduction`` hidden channels.

    Hu et al. 2017 (arXiv:1709.01507), fig. 3 (behind a residual branch, before the addition); Tan et al.
    2018 (arXiv:1807.11626) and Howard et al. 2019 (arXiv:1905.02244) put it behind the depthwise
    convolution. The layer keeps its weights; the new gate starts at sigmoid(4) = 0.98 for every
    channel, so that a trained network changes little at first.
    """

    name: ClassVar[str] = "squeeze_excite"
    otherwise: ClassVar[str] = '"squeeze_excite:at=depthwise" or "squeeze_excite:at=spatial"'
    reduction: int = setting(16, "channels for each hidden one", low=1, high=65536)
    at: Literal["residual", "depthwise", "spatial"] = setting(
        "residual", "behind residual branches, depthwise convolutions or all k x k convolutions"
    )

    def refusal(self, module: nn.Module) -> str | None:
        """As `Rule.refusal`."""
        if isinstance(module, (nn.BatchNorm2d, nn.Conv2d)):
            return ""
        return None

    def places(self, model: nn.Module, load: Workload) -> Iterable[str]:
        """Convolutions that end what ``at`` says, or the normalisations that follow them."""
        del model
        flow = _Flow(load)
        norms = {layer.inputs[0]: layer for layer in load.layers if layer.kind == "norm"}
        found: dict[str, None] = {}
        for layer in load.layers:
            if self.at == "residual" and _adds(layer):
                found.update((end.module, None) for end in flow.longest_branches(layer))
            elif self.at != "residual" and layer.kind == "conv" and self._wanted(layer):
                found[norms.get(layer.outputs[0], layer).module] = None
        return found

    def _wanted(self, conv: Layer) -> bool:
        nest = conv.nest
        if nest is None or max(nest.kernel) == 1:
            return False
        return self.at == "spatial" or nest.G == nest.C > 1

    def replacement(self, module: nn.Module, *, keep_weights: bool) -> Replacement:
        """As `Rule.replacement`."""
        channels = (
            module.num_features
            if isinstance(module, nn.BatchNorm2d)
            else conv_of(module).out_channels
        )
        squeeze = SqueezeExcite(channels, max(1, channels // self.reduction))
        nn.init.zeros_(squeeze.fc2.weight)
        if squeeze.fc2.bias is not None:
            nn.init.constant_(squeeze.fc2.bias, 4.0)
        first = next(module.parameters(), None)
        if first is not None:
            squeeze.to(device=first.device, dtype=first.dtype)
        both = nn.Sequential(OrderedDict(layer=module, squeeze=squeeze))
        return Replacement(both.train(module.training), "kept" if keep_weights else "new")


class _Flow:
    """Who writes a tensor and how many read it."""

    def __init__(self, load: Workload) -> None:
        self.writers = {name: layer for layer in load.layers for name in layer.outputs}
        self.readers = Counter(name for layer in load.layers for name in layer.inputs)

    def longest_branches(self, addition: Layer) -> list[Layer]:
        """The last layers of the operands with most layers on their own; a projection is shorter."""
        ends = [self.writers[name] for name in addition.inputs if name in self.writers]
        ends = [end for end in ends if end.kind in ("norm", "conv")]
        lengths = [self._length(end) for end in ends]
        return [end for end, n in zip(ends, lengths, strict=True) if n == max(lengths)]

    def _length(self, end: Layer) -> int:
        """Layers up to the tensor at which the paths part."""
        length, layer = 0, end
        while self.readers[layer.outputs[0]] == 1:
            length += 1
            if layer.inputs[0] not in self.writers:
                break
            layer = self.writers[layer.inputs[0]]
        return length


def _adds(layer: Layer) -> bool:
    return layer.kind == "elementwise" and "add" in layer.op and len(set(layer.inputs)) == 2
