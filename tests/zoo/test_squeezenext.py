"""SqueezeNext: the printed operations, weights by hand, the order of 3x1 and 1x3, depths and groups."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.squeezenext_block import SqueezeNextBlock
from steelyard.zoo.registry import create


def on_meta(name: str, **settings: object) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


def operations(name: str) -> tuple[int, int]:
    """MACs, and elements that convolutions give."""
    macs = outputs = 0

    def count(module: nn.Module, _: object, out: Tensor) -> None:
        nonlocal macs, outputs
        assert isinstance(module, (nn.Conv2d, nn.Linear))
        macs += out.numel() * module.weight[0].numel()
        outputs += out.numel() if isinstance(module, nn.Conv2d) else 0

    network = on_meta(name)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count)
    network(torch.empty(1, 3, 227, 227, device="meta"))
    return macs, outputs


@pytest.mark.parametrize(
    ("name", "printed"),
    [("sqnxt23_w1", 282), ("sqnxt23v5_w1", 228), ("sqnxt23_w2", 749), ("sqnxt23v5_w2", 708)],
)
def test_printed_operations_are_macs_and_bias_taps(name: str, printed: int) -> None:
    macs, outputs = operations(name)
    assert round((macs + outputs) / 1e6) == printed


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("sqnxt23_w1", 705_728),
        ("sqnxt23v5_w1", 915_648),
        ("sqnxt23_w2", 2_339_008),
        ("sqnxt23v5_w2", 3_194_560),
    ],
)
def test_weights_of_the_prototxt_files(name: str, weights: int) -> None:
    assert sum(p.numel() for p in on_meta(name).parameters() if p.ndim > 1) == weights


@pytest.mark.parametrize(
    ("depth", "layers"), [("23", 23), ("34", 34), ("44", 44), ("23v3", 23), ("23v5", 23)]
)
def test_layers(depth: str, layers: int) -> None:
    """The names count a layer for each block, the first convolution and the classifier."""
    blocks = [m for m in on_meta(f"sqnxt{depth}_w1").modules() if isinstance(m, SqueezeNextBlock)]
    assert len(blocks) + 2 == layers


def test_tall_and_wide_filters_take_turns() -> None:
    kernels = [
        m.kernel_size
        for m in on_meta("sqnxt23_w1").modules()
        if isinstance(m, nn.Conv2d) and m.kernel_size in ((3, 1), (1, 3))
    ]
    turns = [(3, 1), (1, 3), (1, 3), (3, 1)]
    # stages of 6, 6, 8 and 1 blocks, each starting anew
    assert kernels == turns * 3 + turns * 3 + turns * 4 + turns[:2]


def test_groups_of_two() -> None:
    """G: the first 1x1, 3x1 and 1x3 of each block cost half."""
    plain, grouped = (
        [m for m in on_meta(name).modules() if isinstance(m, SqueezeNextBlock)]
        for name in ("sqnxt23_w1", "g_sqnxt23_w1")
    )
    for a, b in zip(plain, grouped, strict=True):
        sizes = [
            [m.weight.numel() for m in block.body.modules() if isinstance(m, nn.Conv2d)]
            for block in (a, b)
        ]
        assert [x / y for x, y in zip(*sizes, strict=True)] == [2, 1, 2, 2, 1]


def test_four_stages() -> None:
    with pytest.raises(UsageError, match="gives 3 stages"):
        create("sqnxt23_w1", blocks=(6, 6, 8))


@pytest.mark.parametrize("width", [0.01, 0.37, 1.3, 2.7])
def test_any_width_can_have_groups(width: float) -> None:
    """A quarter of a stage's channels falls into two groups."""
    network = on_meta("g_sqnxt23_w1", width=width)
    assert network(torch.empty(1, 3, 227, 227, device="meta")).shape == (1, 1000)
