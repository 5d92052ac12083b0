"""Cases of the pre-activation blocks."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.preact import PreActBasic, PreActBottleneck
from steelyard.layers.squeeze_excite import SqueezeExcite


def half(side: int) -> int:
    return -(-side // 2)


CASES = [
    LayerCase(
        name="preact-basic-identity",
        build=lambda: PreActBasic(6, 6, 1, "B"),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 6, h, w),
        params=2 * 6 * 6 * 9 + 2 * 12,
        macs=lambda n, h, w: n * h * w * 2 * 6 * 6 * 9,
        train_differs=True,
    ),
    LayerCase(
        name="preact-basic-projection",
        build=lambda: PreActBasic(4, 8, 2, "B"),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 8, half(h), half(w)),
        params=4 * 8 * 9 + 8 * 8 * 9 + 4 * 8 + 2 * (4 + 8),
        macs=lambda n, h, w: n * half(h) * half(w) * (4 * 8 * 9 + 8 * 8 * 9 + 4 * 8),
        train_differs=True,
    ),
    LayerCase(
        name="preact-basic-zero-padding",
        build=lambda: PreActBasic(4, 8, 2, "A"),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 8, half(h), half(w)),
        params=4 * 8 * 9 + 8 * 8 * 9 + 2 * (4 + 8),
        macs=lambda n, h, w: n * half(h) * half(w) * (4 * 8 * 9 + 8 * 8 * 9),
        train_differs=True,
    ),
    LayerCase(
        name="preact-basic-squeeze-excite",
        build=lambda: PreActBasic(4, 8, 2, "B", se=SqueezeExcite(8, 2)),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 8, half(h), half(w)),
        params=4 * 8 * 9 + 8 * 8 * 9 + 4 * 8 + 2 * (4 + 8) + 2 * 8 * 2 + 8 + 2,
        macs=lambda n, h, w: (
            n * half(h) * half(w) * (4 * 8 * 9 + 8 * 8 * 9 + 4 * 8) + n * 2 * 8 * 2
        ),
        train_differs=True,
    ),
    LayerCase(
        name="preact-bottleneck-squeeze-excite",
        build=lambda: PreActBottleneck(8, 4, 2, "B", se=SqueezeExcite(16, 4)),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 16, half(h), half(w)),
        params=8 * 4 + 4 * 4 * 9 + 4 * 16 + 8 * 16 + 2 * (8 + 4 + 4) + 2 * 16 * 4 + 16 + 4,
        macs=lambda n, h, w: (
            n * h * w * 8 * 4
            + n * half(h) * half(w) * (4 * 4 * 9 + 4 * 16 + 8 * 16)
            + n * 2 * 16 * 4
        ),
        train_differs=True,
    ),
    LayerCase(
        name="preact-bottleneck-stride-in-1x1",
        build=lambda: PreActBottleneck(8, 4, 2, "B", stride_first=True),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 16, half(h), half(w)),
        params=8 * 4 + 4 * 4 * 9 + 4 * 16 + 8 * 16 + 2 * (8 + 4 + 4),
        macs=lambda n, h, w: n * half(h) * half(w) * (8 * 4 + 4 * 4 * 9 + 4 * 16 + 8 * 16),
        train_differs=True,
    ),
    LayerCase(
        name="preact-bottleneck-stride-in-3x3",
        build=lambda: PreActBottleneck(8, 4, 2, "B"),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 16, half(h), half(w)),
        params=8 * 4 + 4 * 4 * 9 + 4 * 16 + 8 * 16 + 2 * (8 + 4 + 4),
        macs=lambda n, h, w: (
            n * h * w * 8 * 4 + n * half(h) * half(w) * (4 * 4 * 9 + 4 * 16 + 8 * 16)
        ),
        train_differs=True,
    ),
]
