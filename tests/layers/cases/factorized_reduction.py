"""Cases of `steelyard.layers.factorized_reduction`."""

from layer_case import LayerCase

from steelyard.layers.factorized_reduction import FactorizedReduction


def half(n: int) -> int:
    return (n + 1) // 2


CASES = [
    LayerCase(
        name="factorized-reduction",
        build=lambda: FactorizedReduction(3, 4),
        inputs=lambda n, h, w: [(n, 3, h, w)],
        output=lambda n, h, w: (n, 4, half(h), half(w)),
        params=3 * 4 + 2 * 4,
        macs=lambda n, h, w: n * half(h) * half(w) * 3 * 4,
        sizes=(1, 12),
        train_differs=True,
    ),
    LayerCase(
        name="factorized-reduction-of-odd-maps-to-odd-channels",
        build=lambda: FactorizedReduction(4, 5, relu=False, eps=1e-3),
        inputs=lambda n, h, w: [(n, 4, h, w)],
        output=lambda n, h, w: (n, 5, half(h), half(w)),
        params=4 * 5 + 2 * 5,
        macs=lambda n, h, w: n * half(h) * half(w) * 4 * 5,
        size=(2, 5, 7),
        sizes=(1, 12),
        train_differs=True,
    ),
]
