"""`MobileNetwork`: stem, stages of inverted residuals, 1x1 convolution, pooling, classifier.

What MobileNetV2 and V3, MnasNet, EfficientNet and EfficientNet-Lite share; their files say how they
differ. Module names are torchvision's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.activations import activation
from steelyard.layers.conv_norm import ConvStyle, conv_norm
from steelyard.layers.inverted_residual import InvertedResidual
from steelyard.layers.squeeze_excite import SqueezeExcite
from steelyard.zoo.mobile_stages import (
    MAX_BLOCKS,
    Activation,
    MobileConfig,
    Stage,
    blocks_in,
    rounded,
    strides_in,
)
from steelyard.zoo.network import Network


class MobileNetwork(Network):
    """(N, 3, H, W) -> (N, classes).

    Args:
        config: settings.
        nested: every stage is a module of its own in ``features``, else every block.
        last_conv: channels of the 1x1 convolution behind the stages, at this width; as the settings'
            head if None.

    Attributes:
        squeezed: the activation inside squeeze-and-excitations.
    """

    squeezed: ClassVar[Activation] = "relu"

    def __init__(
        self,
        config: MobileConfig,
        *,
        nested: bool,
        last_conv: int | None = None,
    ) -> None:
        super().__init__()
        if not 1 <= len(config.stages) <= MAX_BLOCKS:
            raise UsageError(
                f"stages={config.stages!r} is not possible",
                expected=f"1 to {MAX_BLOCKS} stages",
                hint="stages=(Stage(channels=16), Stage(channels=24, stride=2))",
            )
        self.nested = nested
        stem = config.stem_channels
        stem = rounded(stem * config.width) if config.scale_stem else stem
        style = style_of(config)
        first, *strides = strides_in(config.stem, (stage.stride for stage in config.stages))
        self.features = nn.Sequential(conv_norm(config.in_channels, stem, 3, first, style=style))
        for stage in self._stages(config, stem, strides):
            self.features.extend([stage] if nested else stage)
        inputs = rounded(config.stages[-1].channels * config.width)
        outputs = head_channels(config) if last_conv is None else last_conv
        self.features.append(conv_norm(inputs, outputs, 1, style=style))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(outputs, config.num_classes)
        )

    @classmethod
    def _stages(
        cls, config: MobileConfig, in_channels: int, strides: list[int]
    ) -> Iterator[nn.Sequential]:
        """The stages; the rate of stochastic depth grows with the block's place in the network."""
        blocks = blocks_in(config)
        places = iter(range(sum(blocks)))
        for stage, repeats, first in zip(config.stages, blocks, strides, strict=True):
            module = nn.Sequential()
            for i in range(repeats):
                drop_path = config.drop_path * next(places) / sum(blocks)
                stride = first if i == 0 else 1
                module.append(cls.block(config, stage, in_channels, stride, drop_path=drop_path))
                in_channels = rounded(stage.channels * config.width)
            yield module

    @classmethod
    def block(
        cls,
        config: MobileConfig,
        stage: Stage,
        in_channels: int,
        stride: int,
        *,
        drop_path: float = 0.0,
    ) -> InvertedResidual:
        """One block of a stage: (N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride))."""
        hidden = in_channels if stage.expansion == 1 else rounded(in_channels * stage.expansion)
        return InvertedResidual(
            in_channels,
            rounded(stage.channels * config.width),
            hidden=hidden,
            kernel=stage.kernel,
            stride=stride,
            style=style_of(config, stage.activation),
            excite=cls.excite(in_channels, hidden, stage.se) if stage.se else None,
            skip=stage.skip,
            drop_path=drop_path,
        )

    @classmethod
    def excite(cls, inputs: int, hidden: int, share: float) -> nn.Module:
        """The squeeze-and-excitation of a block that has one; its inner channels are a share of the block's input.

        As in MnasNet and EfficientNet.

        Args:
            inputs: channels of the block.
            hidden: channels that are reweighed.
            share: `Stage.se`.
        """
        squeezed = max(1, round(inputs * share))
        return SqueezeExcite(hidden, squeezed, activation=activation(cls.squeezed))

    def trunk(self) -> Iterator[nn.Module]:
        """Stem, blocks, last convolution."""
        for i, module in enumerate(self.features):
            if self.nested and 0 < i < len(self.features) - 1:
                yield from module.children()
            else:
                yield module

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.classifier(self.avgpool(x).flatten(1))
        return out


def style_of(config: MobileConfig, activation: Activation | None = None) -> ConvStyle:
    """What the convolutions have in common."""
    return ConvStyle(
        activation=activation or config.activation,
        padding=config.padding,
        bn_eps=config.bn_eps,
        bn_momentum=config.bn_momentum,
    )


def head_channels(config: MobileConfig) -> int:
    """Channels before the last layer."""
    scales = config.scale_head == "always" or (config.scale_head == "up" and config.width > 1)
    return rounded(config.head_channels * config.width) if scales else config.head_channels


def init_slim(module: nn.Module) -> None:
    """Weights from a normal distribution of standard deviation 0.09, cut at twice that; biases 0.

    The authors' code of MobileNetV1 to V3 (tensorflow/models, slim).
    """
    init.truncated(module, std=0.09)


def init_fan_out(module: nn.Module) -> None:
    """Convolutions N(0, 2 / (R S M)), M = 1 where depthwise; linear uniform in +-1 / sqrt(classes).

    The authors' code of MnasNet and EfficientNet (tensorflow/tpu).
    """
    if isinstance(module, nn.Conv2d):
        outputs = module.out_channels // module.groups
        taps = module.kernel_size[0] * module.kernel_size[1]
        nn.init.normal_(module.weight, std=(2 / (taps * outputs)) ** 0.5)
    elif isinstance(module, nn.Linear):
        bound = module.out_features**-0.5
        nn.init.uniform_(module.weight, -bound, bound)
    if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
        nn.init.zeros_(module.bias)
