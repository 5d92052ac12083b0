"""Fire module of SqueezeNet: squeeze by 1x1, expand by 1x1 and 3x3; Iandola et al. 2016 (arXiv:1602.07360)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Bypass = Literal["none", "identity", "projection"]


class Fire(nn.Module):
    """1x1, ReLU; 1x1 beside 3x3, ReLU; concatenated: (N, C, H, W) -> (N, expand1 + expand3, H, W).

    Fig. 1 of the paper; with a bypass, fig. 2. Module names are torchvision's, so that its weights fit.

    Args:
        in_channels: C.
        squeeze: channels of the 1x1 that squeezes.
        expand1, expand3: channels of the 1x1 and the 3x3 that expand.
        bypass: what is added to the output: nothing, the input (of as many channels), or its 1x1
            convolution.
    """

    def __init__(
        self, in_channels: int, squeeze: int, expand1: int, expand3: int, bypass: Bypass = "none"
    ) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze, expand1, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze, expand3, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)
        self.bypass: nn.Module | None = None
        if bypass == "identity":
            self.bypass = nn.Identity()
        elif bypass == "projection":
            self.bypass = nn.Conv2d(in_channels, expand1 + expand3, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, expand1 + expand3, H, W)."""
        y = self.squeeze_activation(self.squeeze(x))
        ones = self.expand1x1_activation(self.expand1x1(y))
        threes = self.expand3x3_activation(self.expand3x3(y))
        out = torch.cat([ones, threes], dim=1)
        return out if self.bypass is None else out + self.bypass(x)
