"""Cases of Fire, the SqueezeNext block and C.ReLU."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.crelu import CReLU
from steelyard.layers.fire import Fire
from steelyard.layers.squeezenext_block import SqueezeNextBlock


def half(side: int) -> int:
    return -(-side // 2)


FIRE = 6 * 2 + 2 * 3 + 9 * 2 * 3
# C = 8: 8 -> 4 -> 2, 3x1 to 4, 1x3 to 4, 8
BODY = 8 * 4 + 4 * 2 + 3 * 2 * 4 + 3 * 4 * 4 + 4 * 8
BODY_NORM = 2 * (4 + 2 + 4 + 4 + 8)

CASES = [
    LayerCase(
        name="fire",
        build=lambda: Fire(6, 2, 3, 3),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 6, h, w),
        params=FIRE + 2 + 3 + 3,
        macs=lambda n, h, w: n * h * w * FIRE,
    ),
    LayerCase(
        name="fire-simple-bypass",
        build=lambda: Fire(6, 2, 3, 3, "identity"),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 6, h, w),
        params=FIRE + 2 + 3 + 3,
        macs=lambda n, h, w: n * h * w * FIRE,
    ),
    LayerCase(
        name="fire-complex-bypass",
        build=lambda: Fire(6, 2, 3, 4, "projection"),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 7, h, w),
        params=FIRE + 9 * 2 + 2 + 3 + 4 + 6 * 7 + 7,
        macs=lambda n, h, w: n * h * w * (FIRE + 9 * 2 + 6 * 7),
    ),
    LayerCase(
        name="squeezenext-identity",
        build=lambda: SqueezeNextBlock(8, 8, tall_first=False),
        inputs=lambda n, h, w: [(n, 8, h, w)],
        output=lambda n, h, w: (n, 8, h, w),
        params=BODY + BODY_NORM,
        macs=lambda n, h, w: n * h * w * BODY,
        train_differs=True,
    ),
    LayerCase(
        name="squeezenext-parallel",
        build=lambda: SqueezeNextBlock(6, 8, 2, entry="parallel", groups=2),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 8, half(h), half(w)),
        params=6 * 8 + 2 * 8 + 6 * 2 + 4 * 2 + 3 * 2 * 2 + 3 * 4 * 2 + 4 * 8 + BODY_NORM,
        macs=lambda n, h, w: (
            n * half(h) * half(w) * (6 * 8 + 6 * 2 + 4 * 2 + 3 * 2 * 2 + 3 * 4 * 2 + 4 * 8)
        ),
        train_differs=True,
    ),
    LayerCase(
        name="squeezenext-shared",
        build=lambda: SqueezeNextBlock(6, 8, 2, entry="shared"),
        inputs=lambda n, h, w: [(n, 6, h, w)],
        output=lambda n, h, w: (n, 8, half(h), half(w)),
        params=6 * 8 + 2 * 8 + BODY + BODY_NORM,
        macs=lambda n, h, w: n * half(h) * half(w) * (6 * 8 + BODY),
        train_differs=True,
    ),
    LayerCase(
        name="crelu",
        build=lambda: CReLU(3, affine=False),
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: (n, 6, h, w),
        params=0,
        macs=lambda n, h, w: 0,
    ),
    LayerCase(
        name="crelu-affine",
        build=lambda: CReLU(3),
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: (n, 6, h, w),
        params=2 * 6,
        macs=lambda n, h, w: 0,
    ),
]
