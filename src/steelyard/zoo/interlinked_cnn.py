"""Interlinked CNN (iCNN), which labels the pixels of faces; Zhou, Hu and Zhang 2015 (arXiv:1806.02479)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.interlink import Interlink, TanhConv2d, enlarged
from steelyard.zoo.catalog.interlinked_cnn import InterlinkedConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network


class InterlinkedCNN(Network):
    """Rows of convolutions, each at half the resolution of the one above, that exchange their maps.

    (N, 3, H, W) -> scores (N, classes, H, W). Behind the interlinking layers the rows are taken in from the
    coarsest to the finest, and a last, large convolution scores each pixel.

    Raises:
        UsageError: an even kernel, or a resolution that the rows halve to nothing.
    """

    def __init__(self, config: InterlinkedConfig) -> None:
        super().__init__()
        for name, kernel in (("kernel", config.kernel), ("score_kernel", config.score_kernel)):
            if kernel % 2 == 0:
                raise UsageError(f"{name}={kernel} has no middle", expected="an odd number")
        if config.resolution < 2 ** (config.rows - 1):
            raise UsageError(
                f"resolution={config.resolution} cannot be halved for {config.rows} rows",
                expected=f"{2 ** (config.rows - 1)} or more",
            )
        base, kernel, norm = scaled(config.channels, config.width), config.kernel, config.norm
        channels = [base * (i + 1) for i in range(config.rows)]
        self.entries = nn.ModuleList(
            TanhConv2d(config.in_channels, c, kernel, norm=norm) for c in channels
        )
        self.interlinks = nn.ModuleList(
            Interlink(channels, kernel, norm=norm) for _ in range(config.interlinks)
        )
        behind = [2 * config.num_classes + base, *channels[1:]]
        self.merges = nn.ModuleList(
            TanhConv2d(channels[i] + behind[i + 1], behind[i], kernel, norm=norm)
            for i in range(config.rows - 1)
        )
        self.score = nn.Conv2d(
            behind[0], config.num_classes, config.score_kernel, padding=config.score_kernel // 2
        )
        self.apply(init.glorot)

    def feature_maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """The rows' last maps, the finest first: (N, 3, H, W) -> (N, C_i, H/2^i, W/2^i), ..."""
        maps = []
        for i, entry in enumerate(self.entries):
            x = F.avg_pool2d(x, 2) if i else x
            maps.append(entry(x))
        for interlink in self.interlinks:
            maps = interlink(maps)
        taken = [maps.pop()]
        for merge in reversed(list(self.merges)):
            below = enlarged(taken[0], maps[-1])
            taken.insert(0, merge(torch.cat([maps.pop(), below], dim=1)))
        return tuple(taken)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> scores (N, classes, H, W)."""
        out: Tensor = self.score(self.feature_maps(x)[0])
        return out
