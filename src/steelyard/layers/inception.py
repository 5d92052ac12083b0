"""The inception module of GoogLeNet: four branches of different reach, concatenated."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from steelyard.layers.branches import Branches


class InceptionWidths(NamedTuple):
    """Channels of one module, in the order of the columns of table 1 of the paper."""

    conv1: int
    reduce3: int
    conv3: int
    reduce5: int
    conv5: int
    pool: int

    @property
    def out(self) -> int:
        """Channels of the concatenated branches."""
        return self.conv1 + self.conv3 + self.conv5 + self.pool


class Inception(Branches):
    """1x1 | 1x1, 3x3 | 1x1, 5x5 | 3x3 max pooling, 1x1, each convolution followed by ReLU.

    (N, C, H, W) -> (N, widths.out, H, W). Szegedy et al. 2014 (arXiv:1409.4842), fig. 2(b).
    """

    def __init__(self, in_channels: int, widths: InceptionWidths) -> None:
        w = widths
        super().__init__(
            {
                "branch1": conv_relu(in_channels, w.conv1, 1),
                "branch3": nn.Sequential(
                    conv_relu(in_channels, w.reduce3, 1), conv_relu(w.reduce3, w.conv3, 3)
                ),
                "branch5": nn.Sequential(
                    conv_relu(in_channels, w.reduce5, 1), conv_relu(w.reduce5, w.conv5, 5)
                ),
                "branch_pool": nn.Sequential(
                    nn.MaxPool2d(3, stride=1, padding=1), conv_relu(in_channels, w.pool, 1)
                ),
            }
        )


def conv_relu(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution with bias, padded by half its odd kernel, and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2),
        nn.ReLU(inplace=True),
    )
