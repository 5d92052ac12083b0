"""ResNet and DenseNet with classifiers on the way, the baselines of MSDNet's paper.

Huang et al. 2017 (arXiv:1703.09844), appendix A.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.dense import DenseLayer, Transition
from steelyard.layers.exit_classifier import LinearExit
from steelyard.layers.residual import BasicBlock
from steelyard.zoo.catalog.multi_classifier import DenseNetMCConfig, ResNetMCConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.resnet import cifar_stem, stage_widths
from steelyard.zoo.staged_network import StagedNetwork


class ResNetMC(StagedNetwork):
    """Basic blocks at three resolutions with classifiers behind some of them: (N, 3, H, W) -> (N, classes), ...

    Attributes:
        stem: convolution, normalisation, ReLU.
        segments: the blocks that each stage runs.

    Raises:
        UsageError: a classifier behind the last block of a resolution, or behind none.
    """

    def __init__(self, config: ResNetMCConfig) -> None:
        super().__init__()
        widths = stage_widths(16, len(config.blocks), config.width)
        stem = cifar_stem(config.in_channels, widths[0])
        self.stem = nn.Sequential(stem.conv, nn.BatchNorm2d(stem.channels), nn.ReLU(inplace=True))
        self.segments, self.classifiers = nn.ModuleList(), nn.ModuleList()
        segment, channels = nn.Sequential(), stem.channels
        for i, (count, width) in enumerate(zip(config.blocks, widths, strict=True)):
            _check(config.blocks[i], config.exits_after)
            for number in range(1, count + 1):
                stride = 2 if i and number == 1 else 1
                segment.append(BasicBlock(channels, width, stride, "A"))
                channels = width
                if number in config.exits_after:
                    segment = self._close(segment, channels, config.num_classes)
        self._close(segment, channels, config.num_classes)
        self.exits = len(self.segments)
        self.apply(init.he)

    def _close(self, segment: nn.Sequential, channels: int, classes: int) -> nn.Sequential:
        """A stage is complete; the next one, empty."""
        self.segments.append(segment)
        self.classifiers.append(LinearExit(channels, classes))
        return nn.Sequential()

    def trunk(self) -> Sequence[nn.Module]:
        """Stem and blocks."""
        return (
            *self.stem,
            *(block for part in self.segments.children() for block in part.children()),
        )

    def advance(self, stage: int, state: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The blocks up to the classifier of that number -> (N, classes), and the map that it read."""
        x = self.segments[stage](self.stem(state[0]) if stage == 0 else state[0])
        logits: Tensor = self.classifiers[stage](x)
        return logits, [x] if stage + 1 < self.exits else []


class DenseNetMC(StagedNetwork):
    """Dense blocks at three resolutions with classifiers behind some layers: (N, 3, H, W) -> (N, classes), ...

    The state is the maps of the current block, which a classifier reads all: normalised, with ReLU, pooled.

    Attributes:
        stem: the first convolution.
        layers: dense layers of each block.
        transitions: between blocks.

    Raises:
        UsageError: a classifier behind the last layer of a block, or behind none.
    """

    def __init__(self, config: DenseNetMCConfig) -> None:
        super().__init__()
        growth, channels = scaled(config.growth, config.width), scaled(16, config.width)
        self.stem = nn.Conv2d(config.in_channels, channels, 3, padding=1, bias=False)
        self.layers, self.transitions = nn.ModuleList(), nn.ModuleList()
        self.classifiers = nn.ModuleList()
        self._places: list[tuple[int, int]] = []
        for i, count in enumerate(config.blocks):
            _check(count, config.exits_after)
            if i:
                self.transitions.append(Transition(channels, channels))
            ends = [
                *sorted({*config.exits_after}),
                *([count] if i == len(config.blocks) - 1 else []),
            ]
            for end in ends:
                self._places.append((i, end))
                self.classifiers.append(_head(channels + end * growth, config.num_classes))
            layers = [
                DenseLayer(channels + j * growth, growth, bottleneck=False) for j in range(count)
            ]
            self.layers.append(nn.ModuleList(layers))
            channels += count * growth
        self.exits = len(self.classifiers)
        self.apply(init.he)

    def advance(self, stage: int, state: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The layers up to the classifier of that number -> (N, classes), and the maps of its block."""
        block, end = self._places[stage]
        maps = [self.stem(state[0])] if stage == 0 else list(state)
        if stage and self._places[stage - 1][0] < block:
            maps = self._through(block - 1, maps, None)
            maps = [self.transitions[block - 1](torch.cat(maps, dim=1))]
        maps = self._through(block, maps, end)
        logits: Tensor = self.classifiers[stage](torch.cat(maps, dim=1))
        return logits, maps if stage + 1 < self.exits else []

    def _through(self, block: int, maps: list[Tensor], end: int | None) -> list[Tensor]:
        """The layers of a block that have not run yet, up to ``end``; all maps then."""
        made = list(maps)
        for layer in list(self.layers[block].children())[len(maps) - 1 : end]:
            made.append(layer(made))
        return made

    def feature_maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """The maps of each block together, finest first; the classifiers' normalisations are not in it."""
        found: list[Tensor] = []
        maps = [self.stem(x)]
        for block in range(len(self.layers)):
            if block:
                maps = [self.transitions[block - 1](found[-1])]
            found.append(torch.cat(self._through(block, maps, None), dim=1))
        return tuple(found)


def _head(channels: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(channels), nn.ReLU(inplace=True), LinearExit(channels, classes)
    )


def _check(blocks: int, exits_after: Sequence[int]) -> None:
    if max(exits_after) >= blocks or len(set(exits_after)) != len(exits_after):
        raise UsageError(
            f"exits_after={tuple(exits_after)!r} with {blocks} blocks at a resolution",
            expected=f"different numbers from 1 to {blocks - 1}",
        )
