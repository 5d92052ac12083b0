"""Wide residual networks: depths, widths by formula, and k = 1."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from steelyard.errors import UsageError
from steelyard.layers.preact import PreActBasic
from steelyard.zoo.registry import create


def on_meta(name: str, **settings: object) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


def params(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("depth", "k"), [(16, 1), (40, 4), (28, 10), (10, 12), (22, 0.5)])
def test_cifar_parameters_by_formula(depth: int, k: float) -> None:
    """Table 1: conv1 of 16, three groups of N = (depth - 4) / 6 blocks of 16k, 32k and 64k."""
    expected, inputs = 3 * 16 * 9, 16
    for base in (16, 32, 64):
        width = int(base * k)
        for _ in range((depth - 4) // 6):
            expected += 9 * inputs * width + 9 * width**2 + 2 * (inputs + width)
            expected += inputs * width if inputs != width else 0
            inputs = width
    expected += 2 * inputs + inputs * 10 + 10
    assert params(on_meta("wrn_28_10", depth=depth, k=k)) == expected


def test_other_depths_do_not_exist() -> None:
    with pytest.raises(UsageError, match="depth=30 is not possible") as error:
        create("wrn_28_10", depth=30)
    assert "depth=28 or depth=34" in str(error.value)


@pytest.mark.parametrize(
    ("wide", "plain"), [("wide_resnet18_2", "resnet18"), ("wide_resnet50_2", "resnet50")]
)
def test_k_of_one_is_resnet(wide: str, plain: str) -> None:
    ours, theirs = on_meta(wide, k=1).state_dict(), on_meta(plain).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


def test_only_the_inner_width_of_bottlenecks_grows() -> None:
    wide, plain = on_meta("wide_resnet50_2").state_dict(), on_meta("resnet50").state_dict()
    shape = "layer3.1.{}.weight"
    assert wide[shape.format("conv1")].shape == (512, 1024, 1, 1)
    assert wide[shape.format("conv2")].shape == (512, 512, 3, 3)
    assert wide[shape.format("conv3")].shape == (1024, 512, 1, 1)
    assert wide["fc.weight"].shape == plain["fc.weight"].shape


def test_the_first_convolution_stays_64_wide() -> None:
    network = on_meta("wide_resnet18_2", k=1.5)
    assert network.get_parameter("conv1.weight").shape[0] == 64
    assert network.get_parameter("layer1.0.downsample.0.weight").shape == (96, 64, 1, 1)


def test_dropout_stands_between_the_convolutions_of_every_block() -> None:
    network = on_meta("wrn_16_4", dropout=0.3)
    blocks = [m for m in network.modules() if isinstance(m, PreActBasic)]
    assert [block.dropout.p for block in blocks] == [0.3] * 6
