"""PVANet 9.1: C.ReLU, inception and residual blocks; Hong et al. 2016 (arXiv:1611.08588), table 1 and its prototxt."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from steelyard.layers import init
from steelyard.layers.branches import Branches
from steelyard.layers.conv_bn_relu import ConvBNReLU
from steelyard.layers.crelu import CReLU
from steelyard.layers.halving_pool import HalvingPool
from steelyard.zoo.catalog.pvanet import PVANetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network

# Caffe's variance offset
_conv = partial(ConvBNReLU, eps=1e-5)

CONV4 = ((64, 48, 128, 24, 48, 128), (64, 64, 128, 24, 48, 0), 256)
CONV5 = ((64, 96, 192, 32, 64, 128), (64, 96, 192, 32, 64, 0), 384)
"""Widths of the first inception block of a stage, of the others, and of the stage's maps."""

Widths = tuple[int, ...]


class CReLUBlock(nn.Module):
    """Pre-activated 1x1, 3x3, C.ReLU, 1x1 and a shortcut: (N, C, H, W) -> (N, out, H/stride, W/stride).

    Args:
        in_channels: C.
        inner: channels of the 1x1 and the 3x3.
        out_channels: out.
        stride: of the first 1x1 and the shortcut.
        activated: whether BN and ReLU come first; they do not behind the first pooling.
        project: 1x1 on the (activated) input as shortcut, instead of the input itself.
    """

    def __init__(
        self,
        in_channels: int,
        inner: int,
        out_channels: int,
        stride: int,
        *,
        activated: bool,
        project: bool,
    ) -> None:
        super().__init__()
        self.pre = (
            nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU(inplace=True))
            if activated
            else nn.Identity()
        )
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, inner, 1, stride),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, inner, 3, padding=1),
            nn.BatchNorm2d(inner, affine=False),
            CReLU(inner),
            nn.Conv2d(2 * inner, out_channels, 1),
        )
        self.proj = nn.Conv2d(in_channels, out_channels, 1, stride) if project else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out, H/stride, W/stride)."""
        y = self.pre(x)
        shortcut = x if self.proj is None else self.proj(y)
        out: Tensor = self.body(y) + shortcut
        return out


class InceptionBlock(nn.Module):
    """Pre-activated inception module, 1x1 and a shortcut: (N, C, H, W) -> (N, out, H/stride, W/stride).

    Args:
        in_channels: C.
        widths: channels of 1x1; 1x1, 3x3; 1x1, 3x3, 3x3; and of the 1x1 behind a pooling, which is there
            with stride 2 only.
        out_channels: out.
        stride: of the first convolution in each branch, of the pooling and the shortcut.
        last: the block that ends the network normalises its 1x1, which then has no bias.
    """

    def __init__(
        self, in_channels: int, widths: Widths, out_channels: int, stride: int, *, last: bool
    ) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pool = widths
        self.pre = nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU(inplace=True))
        branches: dict[str, nn.Module] = {
            "branch1": _conv(in_channels, one, 1, stride),
            "branch3": nn.Sequential(
                _conv(in_channels, reduce3, 1, stride), _conv(reduce3, three, 3)
            ),
            "branch5": nn.Sequential(
                _conv(in_channels, reduce5, 1, stride),
                _conv(reduce5, five, 3),
                _conv(five, five, 3),
            ),
        }
        total = one + three + five
        if stride > 1:
            branches["pool"] = nn.Sequential(HalvingPool(), _conv(in_channels, pool, 1))
            total += pool
        self.inception = Branches(branches)
        self.out = nn.Conv2d(total, out_channels, 1, bias=not last)
        self.out_bn = nn.BatchNorm2d(out_channels) if last else nn.Identity()
        self.proj = nn.Conv2d(in_channels, out_channels, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out, H/stride, W/stride)."""
        y = self.out_bn(self.out(self.inception(self.pre(x))))
        out: Tensor = y + self.proj(x)
        return out


class PVANet(Network):
    """C.ReLU convolution, two stages of C.ReLU blocks, two of inception blocks, three linear layers.

    (N, 3, H, W) -> (N, classes).
    """

    one_size = True

    def __init__(self, config: PVANetConfig) -> None:
        super().__init__()
        stem = scaled(16, config.width)
        self.conv1 = nn.Sequential(
            nn.Conv2d(config.in_channels, stem, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(stem, affine=False),
            CReLU(stem),
        )
        self.pool1 = HalvingPool()
        channels = 2 * stem
        for stage, (inner, out) in ((2, (24, 64)), (3, (48, 128))):
            for i in range(config.blocks[stage - 2]):
                block = CReLUBlock(
                    channels,
                    scaled(inner, config.width),
                    scaled(out, config.width),
                    2 if stage > 2 and not i else 1,
                    activated=stage > 2 or i > 0,
                    project=i == 0,
                )
                self.add_module(f"conv{stage}_{i + 1}", block)
                channels = scaled(out, config.width)
        channels = self._inception_stage(4, channels, config)
        channels = self._inception_stage(5, channels, config)
        self.last = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        side = config.resolution
        for _ in range(5):
            side = -(-side // 2)
        hidden = scaled(config.hidden, config.width)
        self.flatten = nn.Flatten()
        for name, features in (("6", channels * side**2), ("7", hidden)):
            self.add_module(f"fc{name}", nn.Linear(features, hidden))
            self.add_module(f"bn{name}", nn.BatchNorm1d(hidden))
            self.add_module(f"drop{name}", nn.Dropout(config.dropout))
            self.add_module(f"relu{name}", nn.ReLU(inplace=True))
        self.fc8 = nn.Linear(hidden, config.num_classes)
        self.apply(partial(init.caffe_xavier, bias=0.1))

    def _inception_stage(self, stage: int, channels: int, config: PVANetConfig) -> int:
        first, others, out = CONV4 if stage == 4 else CONV5
        out = scaled(out, config.width)
        blocks = config.blocks[stage - 2]
        for i in range(blocks):
            row = others if i else first
            widths = tuple(scaled(c, config.width) if c else 0 for c in row)
            last = stage == 5 and i == blocks - 1
            block = InceptionBlock(channels, widths, out, 1 if i else 2, last=last)
            self.add_module(f"conv{stage}_{i + 1}", block)
            channels = out
        return channels

    def trunk(self) -> list[nn.Module]:
        """All convolutions: (N, 3, H, W) -> (N, 384, H/32, W/32)."""
        return self.children_before(self.flatten)

    def classify(self, x: Tensor) -> Tensor:
        """(N, 384, H/32, W/32) -> (N, classes)."""
        for module in self.children_from(self.flatten):
            x = module(x)
        return x
