"""MobileNetV1: a chain of depthwise separable convolutions; Howard et al. 2017 (arXiv:1704.04861)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.conv_norm import ConvStyle, conv_norm
from steelyard.layers.depthwise_separable import DepthwiseSeparable
from steelyard.layers.squeeze_excite import SqueezeExcite
from steelyard.zoo.catalog.mobilenet_v1 import MobileNetV1Config
from steelyard.zoo.mobile import init_slim
from steelyard.zoo.mobile_stages import MAX_BLOCKS, strides_in
from steelyard.zoo.network import Network


class MobileNetV1(Network):
    """Table 1 of the paper: (N, 3, H, W) -> (N, classes)."""

    def __init__(self, config: MobileNetV1Config) -> None:
        super().__init__()
        _check(config)
        style = ConvStyle(
            activation=config.activation,
            padding=config.padding,
            bn_eps=config.bn_eps,
            bn_momentum=config.bn_momentum,
        )
        inputs = _scaled(config.stem_channels, config.width)
        first, *strides = strides_in(config.stem, config.strides)
        self.features = nn.Sequential(conv_norm(config.in_channels, inputs, 3, first, style=style))
        for channels, stride in zip(config.channels, strides, strict=True):
            outputs = _scaled(channels, config.width)
            excite = (
                SqueezeExcite(outputs, max(1, round(outputs * config.se))) if config.se else None
            )
            self.features.append(
                DepthwiseSeparable(
                    inputs, outputs, config.kernel, stride, style=style, excite=excite
                )
            )
            inputs = outputs
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(inputs, config.num_classes)
        )
        self.apply(init_slim)

    def trunk(self) -> Iterator[nn.Module]:
        """Stem and blocks."""
        yield from self.features

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.classifier(self.avgpool(x).flatten(1))
        return out


def _scaled(channels: int, width: float) -> int:
    """The authors' rule: rounded down, at least 8."""
    return max(8, int(channels * width))


def _check(config: MobileNetV1Config) -> None:
    if len(config.channels) != len(config.strides) or len(config.channels) > MAX_BLOCKS:
        raise UsageError(
            f"{len(config.channels)} channels and {len(config.strides)} strides",
            expected=f"as many of one as of the other, at most {MAX_BLOCKS}",
            hint="channels=(64, 128), strides=(1, 2)",
        )
    if config.kernel % 2 == 0:
        raise UsageError(f"kernel={config.kernel} is not possible", expected="an odd number")
