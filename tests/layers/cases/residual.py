"""Cases of the residual blocks."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.residual import BasicBlock, Bottleneck
from steelyard.layers.squeeze_excite import SqueezeExcite


def half(side: int) -> int:
    return -(-side // 2)


CASES = [
    LayerCase(
        name="basic-block-projection",
        build=lambda: BasicBlock(4, 8, 2, "B"),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 8, half(h), half(w)),
        params=4 * 8 * 9 + 8 * 8 * 9 + 4 * 8 + 3 * 16,
        macs=lambda n, h, w: n * half(h) * half(w) * (4 * 8 * 9 + 8 * 8 * 9 + 4 * 8),
        train_differs=True,
    ),
    LayerCase(
        name="bottleneck-v1",
        build=lambda: Bottleneck(8, 4, 2, "B", stride_first=True),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 16, half(h), half(w)),
        params=8 * 4 + 4 * 4 * 9 + 4 * 16 + 8 * 16 + 2 * (4 + 4 + 16 + 16),
        macs=lambda n, h, w: n * half(h) * half(w) * (8 * 4 + 4 * 4 * 9 + 4 * 16 + 8 * 16),
        train_differs=True,
    ),
    LayerCase(
        name="basic-block-zero-padding",
        build=lambda: BasicBlock(4, 8, 2, "A"),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 8, half(h), half(w)),
        params=4 * 8 * 9 + 8 * 8 * 9 + 2 * 16,
        macs=lambda n, h, w: n * half(h) * half(w) * (4 * 8 * 9 + 8 * 8 * 9),
        train_differs=True,
    ),
    LayerCase(
        name="basic-block-dilated",
        build=lambda: BasicBlock(4, 4, 1, "B", dilation=2),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 4, h, w),
        params=2 * 4 * 4 * 9 + 2 * 8,
        macs=lambda n, h, w: n * h * w * 2 * 4 * 4 * 9,
        train_differs=True,
    ),
    LayerCase(
        name="bottleneck-grouped",
        build=lambda: Bottleneck(8, 4, 2, "B", widths=(12, 12), groups=3),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 16, half(h), half(w)),
        params=8 * 12 + 12 * 4 * 9 + 12 * 16 + 8 * 16 + 2 * (12 + 12 + 16 + 16),
        macs=lambda n, h, w: (
            n * h * w * 8 * 12 + n * half(h) * half(w) * (12 * 4 * 9 + 12 * 16 + 8 * 16)
        ),
        train_differs=True,
    ),
    LayerCase(
        name="bottleneck-of-senet-154",
        build=lambda: Bottleneck(
            8, 4, 2, "B", widths=(8, 16), groups=4, projection=3, se=SqueezeExcite(16, 2)
        ),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 16, half(h), half(w)),
        params=(8 * 8 + 8 * 4 * 9 + 16 * 16 + 8 * 16 * 9)
        + 2 * (8 + 16 + 16 + 16)
        + (16 * 2 + 2 + 2 * 16 + 16),
        macs=lambda n, h, w: (
            n * h * w * 8 * 8
            + n * half(h) * half(w) * (8 * 4 * 9 + 16 * 16 + 8 * 16 * 9)
            + n * (16 * 2 + 2 * 16)
        ),
        train_differs=True,
    ),
]
