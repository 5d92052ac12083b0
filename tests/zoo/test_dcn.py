"""Deformable ResNets: which convolutions deform, what the offsets cost, and what they start as."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from steelyard.capture.api import capture
from steelyard.errors import UsageError
from steelyard.layers.deform_conv import DeformConv2d
from steelyard.zoo.registry import create


def on_meta(name: str, **settings: Any) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


def params(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def deformable(network: nn.Module) -> list[str]:
    return [name for name, m in network.named_modules() if isinstance(m, DeformConv2d)]


@pytest.mark.parametrize("groups", [1, 4])
def test_trunk_counts_as_the_released_code_has_them(groups: int) -> None:
    """ResNet-101 without its classifier, and three 3x3 convolutions from 512 channels to 18 offsets a group."""
    trunk = params(on_meta("resnet101")) - 2048 * 1000 - 1000
    assert trunk == 42_500_160
    offsets = 3 * 18 * groups * (512 * 9 + 1)
    backbone = on_meta("dcn_resnet101", offset_groups=groups, features_only=True)
    assert params(backbone) == trunk + offsets
    assert offsets == {1: 248_886, 4: 995_544}[groups]


def test_conv5_is_deformable_dilated_and_not_strided() -> None:
    """Dai et al. 2017, sec. 3.2: dilation 2, output stride 16."""
    network = on_meta("dcn_resnet50", features_only=True)
    assert deformable(network) == [f"network.layer4.{i}.conv2" for i in range(3)]
    for name in deformable(network):
        conv = network.get_submodule(name)
        assert isinstance(conv, DeformConv2d)
        assert conv.stride == conv.conv_offset.stride == (1, 1)
        assert conv.dilation == conv.conv_offset.dilation == (2, 2)
        assert conv.conv_offset.out_channels == 18
    maps = network(torch.empty(1, 3, 224, 224, device="meta"))
    assert maps[-1].shape == (1, 2048, 14, 14)


def test_v2_modulates_conv3_to_conv5() -> None:
    """Zhu et al. 2018, sec. 3.1: all 3x3 of conv3, conv4, conv5; 27 outputs, offsets and factors."""
    names = deformable(on_meta("dcnv2_resnet50"))
    assert len(names) == 4 + 6 + 3
    assert {name.split(".")[0] for name in names} == {"layer2", "layer3", "layer4"}
    network = on_meta("dcnv2_resnet50")
    assert network.get_submodule("layer2.0.conv2.conv_offset.weight".rpartition(".")[0])
    assert network.get_parameter("layer2.0.conv2.conv_offset.weight").shape[0] == 27


def test_offsets_cost_their_convolutions_and_no_more() -> None:
    shape = (1, 3, 224, 224)
    plain, moved = (
        capture(on_meta("dcn_resnet50", deformable=n), input_shape=shape) for n in (0, 3)
    )
    assert moved.macs - plain.macs == 3 * 18 * 512 * 9 * 14 * 14
    assert moved.coverage.unknown == ()


def test_starts_as_the_dilated_network() -> None:
    """Offsets start at 0 (sec. 3.2), whatever initialises the other convolutions."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {"width": 0.1, "blocks": (1, 1, 1, 2), "num_classes": 5}
    moved = create("dcn_resnet50", deformable=2, **settings).eval()
    plain = create("dcn_resnet50", deformable=0, **settings).eval()
    loaded = plain.load_state_dict(moved.state_dict(), strict=False)
    assert not loaded.missing_keys
    assert {key.split(".")[3] for key in loaded.unexpected_keys} == {"conv_offset"}
    image = torch.randn(2, 3, 65, 65)
    torch.testing.assert_close(moved(image), plain(image), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["dcn_resnet50", "dcnv2_resnet50"])
def test_learns_offsets(name: str) -> None:
    network = create(name, width=0.1, blocks=(1, 1, 1, 2), deformable=2, num_classes=5)
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
    grad = network.get_parameter("layer4.1.conv2.conv_offset.weight").grad
    assert grad is not None
    assert grad.count_nonzero() > 0


def test_impossible_settings_say_why() -> None:
    with pytest.raises(UsageError, match=r"deformable=17, but .* have 16 3x3"):
        on_meta("dcn_resnet50", deformable=17)
    with pytest.raises(UsageError, match="offset groups"):
        on_meta("dcn_resnet50", offset_groups=7)
