"""Residual networks and their relatives at work: gradients, odd resolutions, memory formats, backbones."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from steelyard.errors import UsageError
from steelyard.zoo.network import Network
from steelyard.zoo.registry import create

SHORT: dict[str, Any] = {"blocks": (1, 1, 1, 1), "width": 0.125}
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet18": SHORT,
    "resnet50_v1": SHORT,
    "resnet20_cifar": {"blocks": (1, 1, 1)},
    "plain20_cifar": {"blocks": (1, 1, 1)},
    "resnet50": SHORT | {"plain": True},
    "preresnet50": SHORT,
    "resnetv2_18": SHORT,
    "preresnet164_cifar": {"blocks": (1, 1, 1), "width": 0.5},
    "resnext50_32x4d": SHORT,
    "resnext29_8x64d_cifar": {"blocks": (1, 1, 1), "width": 0.125, "cardinality": 2},
    "wrn_28_10": {"depth": 10, "k": 0.5, "dropout": 0.2},
    "wide_resnet18_2": SHORT,
    "wide_resnet50_2": SHORT,
    "legacy_seresnet18": SHORT,
    "seresnet50": SHORT,
    "legacy_senet154": SHORT | {"cardinality": 4},
    "drn_a_18": SHORT,
    "drn_c_26": {"blocks": (1,) * 8, "width": 0.125},
    "drn_d_54": {"blocks": (1,) * 8, "width": 0.125},
    "hrnet_w18_small": {"modules": (1, 1), "blocks": 1, "width": 0.25},
}


def thin(name: str) -> Network:
    torch.manual_seed(0)
    network = create(name, num_classes=5, **NETWORKS[name])
    assert isinstance(network, Network)
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_learns(name: str) -> None:
    network = thin(name)
    out = network(torch.randn(2, 3, 64, 64))
    assert out.shape == (2, 5)
    torch.nn.functional.cross_entropy(out, torch.tensor([1, 3])).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_resolutions_batches_and_memory_formats(name: str) -> None:
    network = thin(name).eval()
    for side in (32, 63, 65):
        assert network(torch.randn(1, 3, side, side + 2)).shape == (1, 5)
    images = torch.randn(2, 3, 64, 64)
    out = network(images)
    torch.testing.assert_close(network(images[:1]), out[:1], rtol=1e-4, atol=1e-5)
    network.to(memory_format=torch.channels_last)
    last = network(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, out, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NETWORKS if "hrnet" not in name])
@torch.no_grad()
def test_maps_of_a_backbone_are_those_inside_the_network(name: str) -> None:
    network = thin(name).eval()
    torch.manual_seed(0)
    backbone = create(name, num_classes=5, features_only=True, **NETWORKS[name]).eval()
    state = {k.removeprefix("network."): v for k, v in backbone.state_dict().items()}
    assert all(torch.equal(v, network.state_dict()[k]) for k, v in state.items())
    x = image = torch.randn(1, 3, 64, 64)
    maps = backbone(image)
    assert [m.shape[1] for m in maps] == list(backbone.channels)
    assert [64 // m.shape[-1] for m in maps] == list(backbone.strides)
    inside = []
    for module in network.trunk():
        x = module(x)
        inside.append(x.clone())
    for m in maps:
        assert any(torch.equal(m, y) for y in inside), "changed in place by what follows"
    assert torch.equal(network.classify(maps[-1]), network(image))


@pytest.mark.parametrize(
    ("name", "channels", "strides"),
    [
        ("resnet50", (64, 256, 512, 1024, 2048), (2, 4, 8, 16, 32)),
        ("resnet18", (64, 64, 128, 256, 512), (2, 4, 8, 16, 32)),
        ("resnet20_cifar", (16, 32, 64), (1, 2, 4)),
        ("preresnet18", (64, 64, 128, 256, 512), (2, 4, 8, 16, 32)),
        ("wrn_28_10", (160, 320, 640), (1, 2, 4)),
        ("legacy_senet154", (128, 256, 512, 1024, 2048), (2, 4, 8, 16, 32)),
    ],
)
def test_channels_and_strides(
    name: str, channels: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    """The stages of the papers' tables."""
    with torch.device("meta"):
        backbone = create(name, features_only=True)
    assert (backbone.channels, backbone.strides) == (channels, strides)


@pytest.mark.parametrize("name", ["resnet50", "preresnet50", "resnext50_32x4d", "seresnet50"])
def test_too_many_stages(name: str) -> None:
    with pytest.raises(UsageError, match="gives 9 stages"):
        create(name, blocks=(1,) * 9)


def test_a_plain_network_has_what_its_residual_one_has_but_the_shortcuts() -> None:
    """He et al. 2015, sec. 4.1: option A has no extra parameter compared to the plain counterparts."""
    for plain, residual in (
        ("plain56_cifar", "resnet56_cifar"),
        ("plain20_cifar", "resnet20_cifar"),
    ):
        ours = create(plain).state_dict()
        theirs = create(residual).state_dict()
        assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
