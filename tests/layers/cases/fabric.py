"""Cases of the fabric's join and of its sparse convolution."""

from __future__ import annotations

from layer_case import LayerCase

from steelyard.layers.fabric import FabricJoin, NeighbourConv2d


def half(side: int) -> int:
    return -(-side // 2)


CASES = [
    LayerCase(
        name=f"neighbour-conv-{stride}",
        build=lambda stride=stride: NeighbourConv2d(5, stride),  # type: ignore[misc]
        inputs=lambda n, h, w: [(n, 5, h, w)],
        output=lambda n, h, w, stride=stride: (n, 5, -(-h // stride), -(-w // stride)),  # type: ignore[misc]
        params=9 * (3 * 5 - 2),
        macs=lambda n, h, w, stride=stride: 9 * 13 * n * -(-h // stride) * -(-w // stride),  # type: ignore[misc]
    )
    for stride in (1, 2)
] + [
    LayerCase(
        name="fabric-join-sparse" if sparse else "fabric-join-dense",
        build=lambda sparse=sparse: FabricJoin(  # type: ignore[misc]
            4, ["same", "finer", "coarser"], sparse=sparse
        ),
        inputs=lambda n, h, w: [(n, 4, h, w), (n, 4, 2 * h, 2 * w - 1), (n, 4, half(h), half(w))],
        output=lambda n, h, w: (n, 4, h, w),
        params=3 * weights + 8,
        macs=lambda n, h, w, weights=weights: 3 * n * h * w * weights,  # type: ignore[misc]
        size=(2, 5, 6),
        list_input=True,
        train_differs=True,
    )
    for sparse, weights in ((False, 4 * 4 * 9), (True, 10 * 9))
]
