"""Multi-scale dense networks: one network, many classifiers, early ones cheap.

Huang et al. 2017 (arXiv:1703.09844). Module names are those of kalviny/MSDNet-PyTorch, but for ``classifiers``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.exit_classifier import ConvExit
from steelyard.layers.multi_scale_dense import (
    ConvUnit,
    MultiScaleLayer,
    MultiScaleStem,
    PerScale,
)
from steelyard.zoo.catalog.msdnet import MSDNetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.staged_network import StagedNetwork


class MSDNet(StagedNetwork):
    """Blocks of multi-scale dense layers, a classifier on the coarsest scale behind each (fig. 2).

    (N, 3, H, W) -> ``blocks`` times (N, classes). Block by block, as `steelyard.dynamic` runs it::

        state = network.begin(images)
        for stage in range(network.exits):
            logits, state = network.advance(stage, state)

    Attributes:
        blocks: each takes and returns the maps of all scales that it has; the first takes the image.
        classifiers: one for each block.
        exits: number of classifiers.

    Raises:
        UsageError: factors that are not one for each scale, or channels that cannot be halved.
    """

    def __init__(self, config: MSDNetConfig) -> None:
        super().__init__()
        plan = _plan(config)
        self.blocks = nn.ModuleList()
        self.classifiers = nn.ModuleList()
        channels, last = scaled(config.channels, config.width), 0
        for layers in _steps(config):
            block = nn.Sequential()
            if not last:
                block.append(_stem(config, channels))
            for layer in plan[last : last + layers]:
                block.append(_layer(config, channels, layer))
                channels += scaled(config.growth, config.width)
                if layer.reduce:
                    kept = max(1, math.floor(config.reduction * channels))
                    factors = config.growth_factors[-layer.scales :]
                    units = [ConvUnit(channels * f, kept * f, 1) for f in factors]
                    block.append(PerScale(*units))
                    channels = kept
            last += layers
            self.blocks.append(block)
            coarsest = channels * config.growth_factors[-1]
            wanted = config.classifier_channels
            inner = scaled(wanted, config.width) if wanted else coarsest
            self.classifiers.append(ConvExit(coarsest, inner, config.num_classes))
        self.exits = len(self.classifiers)
        self.apply(init.he)
        for name, parameter in self.classifiers.named_parameters():
            if name.endswith("linear.bias"):
                nn.init.zeros_(parameter)

    def run_block(self, i: int, features: Tensor | Sequence[Tensor]) -> list[Tensor]:
        """The i-th block: the image, or the maps that the block before returned -> maps, finest first."""
        out: list[Tensor] = self.blocks[i](features)
        return out

    def classify_at(self, i: int, features: Sequence[Tensor]) -> Tensor:
        """The i-th classifier on what the i-th block returned -> (N, classes)."""
        out: Tensor = self.classifiers[i](features[-1])
        return out

    def advance(self, stage: int, state: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The block of that number and its classifier -> (N, classes), and the maps of all scales left."""
        features = self.run_block(stage, state if stage else state[0])
        return self.classify_at(stage, features), features

    def feature_maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """The last map of every scale, finest first, whichever layer dropped the scale."""
        latest: list[Tensor] = []
        features: Tensor | list[Tensor] = x
        for block in self.blocks:
            for layer in block.children():
                features = layer(features)
                latest[len(latest) - len(features) if latest else 0 :] = features
        return tuple(latest)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer of the plan: scales it reads, scales it returns, whether a transition follows."""

    sources: int
    scales: int
    reduce: bool


def _steps(config: MSDNetConfig) -> list[int]:
    """Layers of every block."""
    further = range(1, config.blocks)
    if config.stepmode == "even":
        return [config.base, *(config.step for _ in further)]
    return [config.base, *(config.step * i + 1 for i in further)]


def _plan(config: MSDNetConfig) -> list[_Layer]:
    """All layers of the network."""
    scales, layers = len(config.growth_factors), sum(_steps(config))
    if len(config.bottleneck_factors) != scales:
        raise UsageError(
            f"growth_factors={config.growth_factors!r} and bottleneck_factors="
            f"{config.bottleneck_factors!r} are for different numbers of scales",
            expected="one of each for every scale, e.g. (1, 2, 4) and (1, 2, 4)",
        )
    if config.prune == "min":
        if layers < scales - 1:
            raise UsageError(
                f"{layers} layers are too few to drop all but one of {scales} scales",
                expected=f"at least {scales - 1} layers",
                hint="a larger base, step or blocks, or prune='max'",
            )
        left = [min(scales, layers - i + 1) for i in range(layers + 1)]
        reduced = {math.floor(layers / 3), math.floor(2 * layers / 3)}
    else:
        interval = math.ceil(layers / scales)
        left = [scales, *(scales - i // interval for i in range(layers))]
        reduced = {i + 1 for i in range(layers) if left[i] > left[i + 1]}
    return [
        _Layer(left[i], left[i + 1], bool(config.reduction) and i + 1 in reduced)
        for i in range(layers)
    ]


def _stem(config: MSDNetConfig, channels: int) -> MultiScaleStem:
    widths = [channels * factor for factor in config.growth_factors]
    if config.stem == "cifar":
        return MultiScaleStem(ConvUnit(config.in_channels, widths[0]), widths)
    first = nn.Sequential(
        nn.Conv2d(config.in_channels, widths[0], 7, stride=2, padding=3),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
    )
    return MultiScaleStem(first, widths)


def _layer(config: MSDNetConfig, channels: int, layer: _Layer) -> MultiScaleLayer:
    growth = scaled(config.growth, config.width)
    return MultiScaleLayer(
        [channels * factor for factor in config.growth_factors[-layer.sources :]],
        [growth * factor for factor in config.growth_factors[-layer.scales :]],
        config.bottleneck_factors[-layer.sources :] if config.bottleneck else None,
    )
