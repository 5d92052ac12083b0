"""MobileNetV2 for CIFAR with learnt groups: counts, and the way from learnt to fixed groups."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from steelyard.capture.api import capture
from steelyard.errors import UsageError
from steelyard.layers.flgc import FLGConv2d, to_grouped
from steelyard.zoo.registry import create

SMALL = {"channels": (8, 12, 16), "blocks": (1, 2, 1), "strides": (1, 2, 2), "stem": 8, "head": 24}


def on_meta(name: str, **settings: object) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


def macs(name: str, **settings: object) -> int:
    return capture(on_meta(name, **settings), input_shape=(1, 3, 32, 32)).macs


def projections() -> int:
    """MACs of the last 1x1 of every block, from the table of the paper."""
    total, channels, side = 0, 32, 32
    stages = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
              (6, 160, 3, 2), (6, 320, 1, 1))  # fmt: skip
    for expansion, out, blocks, stride in stages:
        side //= stride
        for _ in range(blocks):
            total += expansion * channels * out * side**2
            channels = out
    return total


@pytest.mark.parametrize("groups", [2, 4, 8])
def test_groups_divide_the_projections(groups: int) -> None:
    name = f"mobilenet_v2_flgc{groups}_cifar"
    base = macs("mobilenet_v2_flgc1_cifar")
    assert macs(name) == base - projections() + projections() // groups
    assert macs(name, grouped=False) == base
    assert macs(name, where="all") < macs(name)


def test_eight_groups_as_counted_by_others() -> None:
    """57.74 M: the projections of the re-implementation, whose first block does not expand."""
    assert round(macs("mobilenet_v2_flgc8_cifar", expand_first=False) / 1e6, 2) == 57.74


@pytest.mark.parametrize("where", ["projection", "all"])
@pytest.mark.parametrize("groups", [3, 4])
def test_learnt_groups_become_fixed_ones(where: str, groups: int) -> None:
    torch.manual_seed(0)
    settings = {**SMALL, "where": where, "groups": groups, "grouped": False}
    network = create("mobilenet_v2_flgc4_cifar", **settings).double()
    image = torch.randn(2, 3, 12, 12, dtype=torch.float64)
    network(image)  # running statistics that change something
    fixed = to_grouped(network)
    assert not any(isinstance(m, FLGConv2d) for m in fixed.modules())
    torch.testing.assert_close(*(copy.deepcopy(m)(image) for m in (fixed, network)))
    torch.testing.assert_close(fixed.eval()(image), network.eval()(image))
    learnt = [m for m in network.modules() if isinstance(m, FLGConv2d)]
    assert len(learnt) == (4 if where == "projection" else 2 * 4 + 1)
    loads = [capture(m.float(), input_shape=(1, 3, 12, 12)) for m in (network, fixed)]
    assert loads[1].macs < loads[0].macs


def test_groups_and_weights_learn() -> None:
    torch.manual_seed(0)
    network = create("mobilenet_v2_flgc4_cifar", grouped=False, **SMALL)
    network(torch.randn(2, 3, 16, 16)).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
    assert any(torch.any(m.inputs.grad != 0) for m in network.modules() if isinstance(m, FLGConv2d))


def test_shortcuts_of_the_baseline() -> None:
    """A projection where stride 1 changes the channels; none, and no addition, where the stride is 2."""
    network = on_meta("mobilenet_v2_flgc1_cifar")
    with_projection = [
        name for name, m in network.named_modules() if name.endswith("shortcut") and len(list(m))
    ]
    assert with_projection == [f"layers.{i}.shortcut" for i in (0, 1, 10, 16)]


def test_impossible_settings_say_what_to_type() -> None:
    with pytest.raises(UsageError, match="one of each for every stage"):
        on_meta("mobilenet_v2_flgc4_cifar", blocks=(1, 2))
    with pytest.raises(UsageError, match="no more groups than channels"):
        on_meta("mobilenet_v2_flgc4_cifar", groups=17)
