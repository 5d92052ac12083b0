"""ENAS' macro search space: architectures as text, and who reads whose map."""

from __future__ import annotations

import pytest
import torch

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.zoo.enas_macro import ENASMacro, parse
from steelyard.zoo.registry import create


def test_the_released_architecture() -> None:
    layers = parse("enas_macro")
    assert len(layers) == 24
    assert layers[1] == (3, ())
    assert layers[5] == (3, (0, 1, 3))  # "3 1 1 0 1 0"


@pytest.mark.parametrize(
    ("arc", "text"),
    [
        ("0 4 0", "layer 1 of arc='0 4 0' reads '4 0'"),
        ("0 1 2 0 0 1", "layer 1 of .* reads '1 2'"),
        ("0 1 0 2 1", "layer 2 of .* reads '2 1'"),
        ("0 1 0", "has 2 layers\nexpected: 3 layers or more"),
        ("nothing", "layer 0 of arc='nothing'"),
    ],
)
def test_architectures_that_are_none(arc: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        create("enas_macro_cifar", arc=arc)


def test_parameters_of_a_small_architecture_by_hand() -> None:
    """Three layers, so reductions behind the first and the second; ops 3x3, 5x5, 3x3; layer 2 reads the stem."""
    c = 4
    net = create("enas_macro_cifar", arc="0.2.0.1.1.0", filters=c)
    assert isinstance(net, ENASMacro)

    def layer(width: int, kernel: int, joined: int) -> int:
        join = joined * width**2 + 2 * width if joined else 0
        return width**2 + 2 * width + kernel**2 * width**2 + 2 * width + join

    def pool(width: int) -> int:
        return 2 * width**2 + 4 * width

    expected = (3 * 9 * c + 2 * c) + layer(c, 3, 0) + layer(2 * c, 5, 1) + layer(4 * c, 3, 2)
    expected += 2 * pool(c) + 2 * pool(2 * c)  # of the stem's map and of the layer's
    expected += 4 * c * 10
    assert sum(p.numel() for p in net.parameters()) == expected
    assert sy.capture(net, input_shape=(1, 3, 32, 32)).params == expected


def test_skips_reach_over_reductions() -> None:
    """With the skip of the stem's map its values matter to the last layer, without they do not."""
    for arc, reads in (("0.0.0.0.1.0", True), ("0.0.0.0.0.0", False)):
        net = create("enas_macro_cifar", arc=arc, filters=4)
        assert isinstance(net, ENASMacro)
        assert ("0_0" in net.pools) is reads


def test_separable_operations_as_in_the_paper() -> None:
    ordinary, separable = (
        sum(p.numel() for p in create("enas_macro_cifar", arc="1.3.0.1.0.0", filters=8, separable=s).parameters())
        for s in (False, True)
    )  # fmt: skip
    widths = ((8, 3), (16, 5), (32, 3))
    assert ordinary - separable == sum(k**2 * (w**2 - w) - w**2 for w, k in widths)


def test_feature_maps() -> None:
    backbone = create("enas_macro_cifar", features_only=True, filters=8)
    assert [tuple(m.shape) for m in backbone(torch.randn(1, 3, 32, 32))] == [
        (1, 8, 32, 32), (1, 16, 16, 16), (1, 32, 8, 8),
    ]  # fmt: skip
