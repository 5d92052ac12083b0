"""Resolution adaptive networks: sub-networks from the lowest resolution up, each with classifiers, each reading the one before.

Yang et al. 2020 (arXiv:2003.07326). Module names are those of yangle15/RANet-pytorch, but for ``stem`` and
``classifiers``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.exit_classifier import ConvExit
from steelyard.layers.multi_scale_dense import ConvUnit, MultiScaleStem
from steelyard.layers.resolution_adaptive import DenseStage, FusionStage
from steelyard.zoo.catalog.ranet import RANetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.staged_network import StagedNetwork


class RANet(StagedNetwork):
    """Sub-networks over the scales of one stem, the coarsest first (fig. 2).

    (N, 3, H, W) -> (N, classes) of every classifier. A sub-network begins with a fusion block for each block of
    the one before, and goes on with dense blocks, a classifier behind each of these.

    Attributes:
        stem: makes the base features of all sub-networks.
        scale_flows: blocks of each sub-network, coarsest first.
        classifiers: one for each dense block.
        exits: number of classifiers.

    Raises:
        UsageError: settings that are not one for each sub-network, or resolutions that leap.
    """

    def __init__(self, config: RANetConfig) -> None:
        super().__init__()
        _check(config)
        count = len(config.scales)
        self._blocks = [config.blocks + config.block_step * i for i in range(count)]
        self._places = [
            (flow, block)
            for flow, blocks in enumerate(self._blocks)
            for block in range(self._blocks[flow - 1] if flow else 0, blocks)
        ]
        self.exits = len(self._places)
        channels = scaled(config.channels, config.width)
        self.stem = _stem(config, channels)
        self.scale_flows = nn.ModuleList()
        self.classifiers = nn.ModuleList()
        below: list[tuple[int, ...]] = []
        for flow in range(count):
            blocks = self._flow(config, flow, channels, below)
            self.scale_flows.append(nn.ModuleList(blocks))
            for block in blocks[len(below) :]:
                last = block.channels[-1]
                wanted = config.classifier_channels
                inner = scaled(wanted, config.width) if wanted else last
                self.classifiers.append(ConvExit(last, inner, config.num_classes))
            below = [block.channels[:-1] for block in blocks]
        for part in (self.scale_flows, self.classifiers):
            part.apply(init.he)
        for classifier in self.classifiers.children():
            nn.init.zeros_(classifier.get_submodule("linear").bias)  # type: ignore[arg-type]

    def _flow(
        self, config: RANetConfig, flow: int, channels: int, below: list[tuple[int, ...]]
    ) -> list[DenseStage | FusionStage]:
        """The blocks of one sub-network; ``below`` are the maps of the blocks of the one before."""
        factor, scale = config.growth_factors[flow], config.scales[flow]
        growth, channels = scaled(config.growth, config.width) * factor, channels * factor
        if flow and growth < 2:
            raise UsageError(
                "a layer that adds one map cannot take from two sub-networks",
                expected="growth times factor of at least 2",
            )
        every = self._blocks[flow]
        reduced = {math.floor(i * every / scale) for i in range(1, scale)}
        halved = set(self._blocks[:flow][1 - scale :]) if scale > 1 else set()
        blocks: list[DenseStage | FusionStage] = []
        for number in range(1, every + 1):
            kept = config.reduction if number in reduced else None
            if number > len(below):
                layers = config.step * (1 if config.stepmode == "even" else number)
                factors = config.bottleneck_factors
                block: DenseStage | FusionStage
                block = DenseStage(channels, layers, growth, factors[flow], kept)
            else:
                block = FusionStage(
                    channels,
                    below[number - 1],
                    growth,
                    config.compression,
                    (config.bottleneck_factors[flow], config.bottleneck_factors[flow - 1]),
                    2 if number in halved else 1,
                    kept,
                )
            blocks.append(block)
            channels = block.channels[-1]
        return blocks

    def begin(self, images: Tensor) -> dict[str, Any]:
        """What the first stage reads: (N, 3, H, W) -> the images alone."""
        return {"images": images}

    def advance(self, stage: int, state: Mapping[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        """The blocks up to the classifier of that number -> (N, classes), and what later stages read."""
        flow, block = self._places[stage]
        bases = self.stem(state["images"])[::-1] if not stage else list(state["bases"])
        made: list[list[Tensor]] = list(state.get("made", []))
        if block == 0 or (flow and block == self._blocks[flow - 1]):
            x, below, made = bases.pop(0), made, []
            for i, maps in enumerate(below):
                x, own = self.scale_flows[flow][i](x, maps)  # type: ignore[index]
                made.append(own)
        else:
            x = state["x"]
        x, own = self.scale_flows[flow][block](x)  # type: ignore[index]
        made.append(own)
        logits: Tensor = self.classifiers[stage](x)
        later: dict[str, Any] = {"bases": bases}
        if bases:
            later["made"] = made
        if block + 1 < self._blocks[flow]:
            later["x"] = x
        return logits, later

    def feature_maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """The last map of every resolution, largest first; of the lowest, what the last classifier reads."""
        bases = self.stem(x)[::-1]
        latest = {base.shape[-1]: base for base in bases}
        below: list[list[Tensor]] = []
        for flow, base in zip(self.scale_flows.children(), bases, strict=True):
            x, made = base, []
            for i, block in enumerate(flow.children()):
                x, own = block(x, below[i]) if i < len(below) else block(x)
                made.append(own)
                latest |= {one.shape[-1]: one for one in (*own, x)}
            below = made
        return tuple(latest[side] for side in sorted(latest, reverse=True))


def _stem(config: RANetConfig, channels: int) -> MultiScaleStem:
    """The finest scale is made first; sub-networks of one resolution have base features of their own."""
    widths = [channels * factor for factor in reversed(config.growth_factors)]
    strides = [2 if a > b else 1 for a, b in pairwise(reversed(config.scales))]
    first: nn.Module = ConvUnit(config.in_channels, widths[0])
    if config.stem == "imagenet":
        first = nn.Sequential(
            nn.Conv2d(config.in_channels, widths[0], 7, stride=2, padding=3),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
    return MultiScaleStem(first, widths, strides)


def _check(config: RANetConfig) -> None:
    lists = (config.scales, config.growth_factors, config.bottleneck_factors)
    if len({len(one) for one in lists}) != 1:
        raise UsageError(
            f"scales={lists[0]!r}, growth_factors={lists[1]!r} and bottleneck_factors={lists[2]!r} are for "
            "different numbers of sub-networks",
            expected="one of each for every sub-network, e.g. (1, 2, 3), (4, 2, 1) and (4, 2, 1)",
        )
    steps = [b - a for a, b in pairwise(config.scales)]
    if config.scales[0] != 1 or any(step not in (0, 1) for step in steps):
        raise UsageError(
            f"scales={config.scales!r}", expected="1 first, then each as large or 1 larger"
        )
