"""Cases of dense layers that read a lower resolution, too."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.resolution_adaptive import FusionLayer, PlainLayer


def half(side: int) -> int:
    return -(-side // 2)


def fusion(name: str, stride: int) -> LayerCase:
    """Five new maps: two from 6 lower maps by a 1x1 to 2 x 2, three from 4 own maps by a 1x1 to 1 x 3."""

    def out(side: int) -> int:
        return -(-side // stride)

    return LayerCase(
        name=name,
        build=lambda: FusionLayer(4, 6, 5, 2, (1, 2), stride),
        inputs=lambda n, h, w: [(n, 4, h, w), (n, 6, half(h), half(w))],
        output=lambda n, h, w: (n, 4 + 5, out(h), out(w)),
        params=(6 * 4 + 8) + (4 * 2 * 9 + 4) + (4 * 3 + 6) + (3 * 3 * 9 + 6),
        macs=lambda n, h, w: (
            n
            * (
                half(h) * half(w) * (6 * 4 + 4 * 2 * 9)
                + h * w * 4 * 3
                + out(h) * out(w) * 3 * 3 * 9
            )
        ),
        train_differs=True,
    )


CASES = [
    LayerCase(
        name="plain-dense-layer",
        build=lambda: PlainLayer(4, 3, 1),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 4 + 3, h, w),
        params=(4 * 3 + 6) + (3 * 3 * 9 + 6),
        macs=lambda n, h, w: n * h * w * (4 * 3 + 3 * 3 * 9),
        train_differs=True,
    ),
    fusion("fusion-layer", 1),
    fusion("fusion-layer-that-halves", 2),
]
