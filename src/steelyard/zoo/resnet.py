"""Residual networks, for ImageNet (v1 and v1.5) and for CIFAR; He et al. 2015 (arXiv:1512.03385).

Module names are torchvision's, so that its weights fit the v1.5 networks.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.residual import BasicBlock, Bottleneck
from steelyard.zoo.catalog.resnet import ResNetConfig
from steelyard.zoo.config import scaled

MAX_STAGES = 8


class ResNet(nn.Module):
    """Stem, stages of residual blocks, global average pooling, classifier (table 1; sec. 4.2 for CIFAR).

    (N, 3, H, W) -> (N, classes).
    """

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        if not 1 <= len(config.blocks) <= MAX_STAGES:
            raise UsageError(
                f"blocks={config.blocks!r} gives {len(config.blocks)} stages",
                expected=f"1 to {MAX_STAGES}",
            )
        self.config = config
        imagenet = config.stem == "imagenet"
        base = 64 if imagenet else 16
        widths = [scaled(base * 2**i, config.width) for i in range(len(config.blocks))]
        stem = widths[0]
        self.conv1 = (
            nn.Conv2d(config.in_channels, stem, 7, stride=2, padding=3, bias=False)
            if imagenet
            else nn.Conv2d(config.in_channels, stem, 3, padding=1, bias=False)
        )
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if imagenet else nn.Identity()
        expansion = Bottleneck.expansion if config.block == "bottleneck" else BasicBlock.expansion
        inputs = [stem, *(width * expansion for width in widths)]
        self.stages = len(widths)
        for i, (in_channels, _) in enumerate(pairwise(inputs)):
            stage = self._stage(in_channels, widths[i], config.blocks[i], 1 if i == 0 else 2)
            self.add_module(f"layer{i + 1}", stage)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs[-1], config.num_classes)
        self.apply(init.he)

    def _stage(self, in_channels: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
        stage = nn.Sequential()
        for _ in range(blocks):
            block = self._block(in_channels, channels, stride)
            stage.append(block)
            in_channels, stride = channels * block.expansion, 1
        return stage

    def _block(self, in_channels: int, channels: int, stride: int) -> BasicBlock | Bottleneck:
        config = self.config
        if config.block == "basic":
            return BasicBlock(in_channels, channels, stride, config.shortcut)
        first = config.stride_at == "1x1"
        return Bottleneck(in_channels, channels, stride, config.shortcut, stride_first=first)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for i in range(self.stages):
            x = self.get_submodule(f"layer{i + 1}")(x)
        out: Tensor = self.fc(self.avgpool(x).flatten(1))
        return out
