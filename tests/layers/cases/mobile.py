"""Cases of the layers of mobile networks: separable, inverted, squeezed, padded as TensorFlow pads."""

from __future__ import annotations

from layer_case import LayerCase
from torch import nn

from steelyard.layers.activations import activation
from steelyard.layers.conv_norm import ConvStyle
from steelyard.layers.depthwise_separable import DepthwiseSeparable
from steelyard.layers.drop_path import DropPath
from steelyard.layers.inverted_residual import InvertedResidual
from steelyard.layers.same_padding import SameAvgPool2d, SameConv2d, SameMaxPool2d
from steelyard.layers.squeeze_excite import SqueezeExcite

SMOOTH = ConvStyle(activation="swish")
SAME = ConvStyle(activation="h_swish", padding="same", bn_eps=1e-3)


def half(side: int) -> int:
    return -(-side // 2)


CASES = [
    LayerCase(
        name="squeeze-excite",
        build=lambda: SqueezeExcite(8, 2, activation=activation("swish")),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 8, h, w),
        params=8 * 2 + 2 + 2 * 8 + 8,
        macs=lambda n, h, w: n * (8 * 2 + 2 * 8),
    ),
    LayerCase(
        name="squeeze-excite-hard-without-bias",
        build=lambda: SqueezeExcite(8, 4, gate=activation("h_sigmoid"), bias=False),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 8, h, w),
        params=2 * 8 * 4,
        macs=lambda n, h, w: n * 2 * 8 * 4,
    ),
    LayerCase(
        name="drop-path",
        build=lambda: DropPath(0.5),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 4, h, w),
        params=0,
        macs=lambda n, h, w: 0,
        train_differs=True,
    ),
    LayerCase(
        name="depthwise-separable",
        build=lambda: DepthwiseSeparable(4, 6, 3, 2, style=SMOOTH),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, half(h), half(w)),
        params=4 * 9 + 4 * 6 + 2 * (4 + 6),
        macs=lambda n, h, w: n * half(h) * half(w) * (4 * 9 + 4 * 6),
        train_differs=True,
    ),
    LayerCase(
        name="depthwise-separable-squeezed",
        build=lambda: DepthwiseSeparable(4, 6, 5, style=SMOOTH, excite=SqueezeExcite(6, 2)),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, h, w),
        params=4 * 25 + 4 * 6 + 2 * (4 + 6) + (6 * 2 + 2 + 2 * 6 + 6),
        macs=lambda n, h, w: n * (h * w * (4 * 25 + 4 * 6) + 2 * 6 * 2),
        train_differs=True,
    ),
    LayerCase(
        name="inverted-residual",
        build=lambda: InvertedResidual(4, 4, hidden=12, kernel=5, style=SMOOTH),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 4, h, w),
        params=4 * 12 + 12 * 25 + 12 * 4 + 2 * (12 + 12 + 4),
        macs=lambda n, h, w: n * h * w * (4 * 12 + 12 * 25 + 12 * 4),
        train_differs=True,
    ),
    LayerCase(
        name="inverted-residual-same-padding",
        build=lambda: InvertedResidual(
            4, 6, hidden=12, stride=2, style=SAME, excite=SqueezeExcite(12, 3)
        ),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, half(h), half(w)),
        params=4 * 12 + 12 * 9 + 12 * 6 + 2 * (12 + 12 + 6) + (12 * 3 + 3 + 3 * 12 + 12),
        macs=lambda n, h, w: (
            n * (h * w * 4 * 12 + half(h) * half(w) * (12 * 9 + 12 * 6) + 2 * 12 * 3)
        ),
        train_differs=True,
    ),
    LayerCase(
        name="inverted-residual-without-expansion",
        build=lambda: InvertedResidual(4, 4, hidden=4, style=SMOOTH, skip=False),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 4, h, w),
        params=4 * 9 + 4 * 4 + 2 * (4 + 4),
        macs=lambda n, h, w: n * h * w * (4 * 9 + 4 * 4),
        train_differs=True,
    ),
    LayerCase(
        name="same-conv",
        build=lambda: SameConv2d(4, 6, (3, 5), 2, dilation=(2, 1), groups=2),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 6, half(h), half(w)),
        params=6 * 2 * 15 + 6,
        macs=lambda n, h, w: n * half(h) * half(w) * 6 * 2 * 15,
    ),
    LayerCase(
        name="same-max-pool",
        build=lambda: SameMaxPool2d(3, 2),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 4, half(h), half(w)),
        params=0,
        macs=lambda n, h, w: 0,
    ),
    LayerCase(
        name="same-average-pool",
        build=lambda: SameAvgPool2d(3, 2),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 4, half(h), half(w)),
        params=0,
        macs=lambda n, h, w: 0,
    ),
    *(
        LayerCase(
            name=f"activation-{name}",
            build=lambda name=name: nn.Sequential(nn.Identity(), activation(name)),
            inputs=lambda n, h, w: [(n, 4, h, w)],
            output=lambda n, h, w: (n, 4, h, w),
            params=0,
            macs=lambda n, h, w: 0,
            grad="in place on a leaf",
        )
        for name in ("swish", "h_swish", "h_sigmoid", "relu6")
    ),
]
