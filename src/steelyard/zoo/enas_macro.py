"""ENAS, macro search space: layers with skip connections from any layer before; Pham et al. 2018 (arXiv:1802.03268), sec. 2.3.

Layout and initial weights of the authors' code, melodyguan/enas src/cifar10/general_child.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.cell_ops import OpStyle, Projection, SeparableUnit
from steelyard.layers.factorized_reduction import FactorizedReduction
from steelyard.zoo.catalog.enas import ARCS, ENASMacroConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network

STYLE = OpStyle("same", "factorized_linear", 1e-5)


class LayerPlan(NamedTuple):
    """One layer of an architecture: operation 0 to 3, and the numbers of the maps that it also reads.

    Map 0 is the stem's, map i + 1 that of layer i.
    """

    operation: int
    skips: tuple[int, ...]


def parse(arc: str) -> tuple[LayerPlan, ...]:
    """An architecture of the macro search space.

    >>> parse("0 3 1 2 0 1")
    (LayerPlan(operation=0, skips=()), LayerPlan(operation=3, skips=(0,)), LayerPlan(operation=2, skips=(1,)))

    Raises:
        UsageError: neither the name of one nor numbers that make whole layers.
    """
    words = ARCS.get(arc, arc).replace(".", " ").split()
    layers: list[LayerPlan] = []
    while words:
        n = len(layers)
        row, words = words[: n + 1], words[n + 1 :]
        good = len(row) == n + 1 and row[0] in "0123" and all(bit in "01" for bit in row[1:])
        if not good:
            raise UsageError(
                f"layer {n} of arc={arc!r} reads {' '.join(row)!r}",
                expected=f"an operation 0 to 3 and {n} times 0 or 1, or one of {', '.join(ARCS)}",
            )
        layers.append(
            LayerPlan(int(row[0]), tuple(i for i, bit in enumerate(row[1:]) if bit == "1"))
        )
    if len(layers) < 3:
        raise UsageError(f"arc={arc!r} has {len(layers)} layers", expected="3 layers or more")
    return tuple(layers)


class MacroLayer(nn.Module):
    """1x1 and a convolution, then the maps of the skips concatenated and brought back by a 1x1.

    [(N, C, H, W), ...] -> (N, C, H, W): the first is the layer's input, the others those of its skips.

    Args:
        channels: C.
        plan: operation and skips.
        first: whether it is the first layer, which has no second 1x1.
        separable: operations 1 and 3 are separable.
    """

    def __init__(self, channels: int, plan: LayerPlan, *, first: bool, separable: bool) -> None:
        super().__init__()
        kernel = 3 if plan.operation < 2 else 5
        self.reduce = Projection(channels, channels, STYLE)
        if separable and plan.operation % 2:
            self.conv: nn.Sequential = SeparableUnit(channels, channels, kernel, 1, STYLE)
        else:
            self.conv = nn.Sequential(
                nn.ReLU(), STYLE.conv(channels, channels, (kernel, kernel)), STYLE.bn(channels)
            )
        self.join = None if first else Projection(channels * (1 + len(plan.skips)), channels, STYLE)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """[(N, C, H, W), ...] -> (N, C, H, W)."""
        x: Tensor = self.conv(self.reduce(maps[0]))
        if self.join is None:
            return x
        out: Tensor = self.join(torch.cat([*maps[1:], x], dim=1))
        return out


class ENASMacro(Network):
    """Stem, layers, two reductions of every map that is still read, pooling, classifier.

    (N, 3, H, W) -> (N, classes).
    """

    def __init__(self, config: ENASMacroConfig) -> None:
        super().__init__()
        self.layout = parse(config.arc)
        channels = 2 * scaled(config.filters, config.width / 2)
        if config.width == 1 and config.filters % 2:
            raise UsageError(
                f"filters={config.filters}: a factorised reduction makes two halves",
                expected="an even number",
            )
        third = len(self.layout) // 3
        self.reductions = (third - 1, 2 * third - 1)
        conv = nn.Conv2d(config.in_channels, channels, 3, padding=1, bias=False)
        self.stem = nn.Sequential(conv, nn.BatchNorm2d(channels))
        self.layers = nn.ModuleList()
        self.pools = nn.ModuleDict()
        for i, plan in enumerate(self.layout):
            layer = MacroLayer(channels, plan, first=i == 0, separable=config.separable)
            self.layers.append(layer)
            if i in self.reductions:
                for m in self._read_later(i):
                    pool = FactorizedReduction(channels, 2 * channels, relu=False)
                    self.pools[f"{i}_{m}"] = pool
                channels *= 2
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(config.dropout)
        self.fc = nn.Linear(channels, config.num_classes, bias=False)
        self.apply(init.variance_scaling)

    def _read_later(self, layer: int) -> list[int]:
        """The maps that layers behind this one read; the newest is their input."""
        read = {skip for plan in self.layout[layer + 1 :] for skip in plan.skips}
        return [m for m in range(layer + 2) if m in read or m == layer + 1]

    def maps(self, x: Tensor) -> Iterator[Tensor]:
        """(N, 3, H, W) -> the stem's map, then each layer's, at the resolution at which it is made."""
        live: dict[int, Tensor] = {0: self.stem(x)}
        yield live[0]
        for i, (plan, layer) in enumerate(zip(self.layout, self.layers, strict=True)):
            live[i + 1] = layer([live[i], *(live[s] for s in plan.skips)])
            yield live[i + 1]
            live = {m: live[m] for m in self._read_later(i)}
            if i in self.reductions:
                live = {m: self.pools[f"{i}_{m}"](y) for m, y in live.items()}

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.drop(self.avgpool(x).flatten(1)))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, classes)."""
        for y in self.maps(x):
            x = y
        return self.classify(x)

    def feature_maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """The last map of every resolution, largest first: (N, C, H, W) -> (N, C_i, H_i, W_i), ..."""
        last = (*(i + 1 for i in self.reductions), len(self.layout))
        return tuple(y for i, y in enumerate(self.maps(x)) if i in last)
