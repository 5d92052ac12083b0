"""Cases of layers with a batch normalisation folded into them: one with a bias, whatever it had before."""

from __future__ import annotations

from layer_case import LayerCase
from torch import nn

from steelyard.layers.batch_norm_folding import fold_batch_norm, fold_batch_norm_before

CASES = [
    LayerCase(
        name="folded-behind-conv",
        build=lambda: fold_batch_norm(
            nn.Conv2d(4, 6, 3, padding=1, groups=2, bias=False), nn.BatchNorm2d(6)
        ),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, h, w),
        params=6 * 2 * 9 + 6,
        macs=lambda n, h, w: n * h * w * 6 * 2 * 9,
    ),
    LayerCase(
        name="folded-behind-transposed-conv",
        build=lambda: fold_batch_norm(nn.ConvTranspose2d(4, 3, 2, 2), nn.BatchNorm2d(3)),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 3, 2 * h, 2 * w),
        params=4 * 3 * 4 + 3,
        macs=lambda n, h, w: n * h * w * 4 * 3 * 4,
    ),
    LayerCase(
        name="folded-before-conv",
        build=lambda: fold_batch_norm_before(nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3, bias=False)),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, h - 2, w - 2),
        params=6 * 4 * 9 + 6,
        macs=lambda n, h, w: n * (h - 2) * (w - 2) * 6 * 4 * 9,
    ),
]
