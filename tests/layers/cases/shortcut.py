"""Cases of the paths around a residual block: zero padding (option A) and projections (B and C)."""

from __future__ import annotations

from typing import Any

from layer_case import LayerCase
from torch import nn

from steelyard.layers.shortcut import Option, shortcut


def path(option: Option, out_channels: int, stride: int, **projection: Any) -> nn.Module:
    made = shortcut(option, 4, out_channels, stride, **projection)
    assert made is not None
    return made


def half(side: int) -> int:
    return -(-side // 2)


CASES = [
    LayerCase(
        name="shortcut-a",
        build=lambda: path("A", 7, 2),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 7, half(h), half(w)),
        params=0,
        macs=lambda n, h, w: 0,
    ),
    LayerCase(
        name="shortcut-b",
        build=lambda: path("B", 6, 2),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, half(h), half(w)),
        params=4 * 6 + 2 * 6,
        macs=lambda n, h, w: n * half(h) * half(w) * 4 * 6,
        train_differs=True,
    ),
    LayerCase(
        name="shortcut-c-same-size",
        build=lambda: path("C", 4, 1, kernel=3, norm=False),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 4, h, w),
        params=4 * 4 * 9,
        macs=lambda n, h, w: n * h * w * 4 * 4 * 9,
    ),
]
