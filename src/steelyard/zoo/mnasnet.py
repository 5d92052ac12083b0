"""MnasNet: inverted residuals found by search on a phone; Tan et al. 2018 (arXiv:1807.11626)."""

from __future__ import annotations

from steelyard.zoo.catalog.mnasnet import MnasNetConfig
from steelyard.zoo.mobile import MobileNetwork, init_fan_out


class MnasNet(MobileNetwork):
    """Fig. 7 of the paper (A1) and the authors' code (B1, small): (N, 3, H, W) -> (N, classes)."""

    def __init__(self, config: MnasNetConfig) -> None:
        super().__init__(config, nested=True)
        self.apply(init_fan_out)
