"""Depths, maps and settings of densely connected networks."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from steelyard.capture.api import capture
from steelyard.errors import UsageError
from steelyard.zoo.registry import create, list_models


def on_meta(name: str, **settings: object) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


@pytest.mark.parametrize("name", [n for n in list_models("densenet*") if "_mc_" not in n])
def test_depth_is_the_number_in_the_name(name: str) -> None:
    """L counts convolutions, those of the transitions too, and the classifier.

    The two deepest networks of the paper and the report have one layer more than they are called. Networks with
    classifiers on the way (``_mc_``) have more of them.
    """
    digits = re.match(r"densenet(\d+)", name)
    assert digits is not None
    weighted = [m for m in on_meta(name).modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(weighted) == {232: 233, 264: 265}.get(int(digits[1]), int(digits[1]))


def test_maps_of_table_1() -> None:
    """Output sizes of table 1: 112, 56, 28, 14, 7; channels by 2k, + layers x k, x 0.5."""
    backbone = create("densenet121", features_only=True)
    maps = backbone(torch.randn(1, 3, 64, 64))
    assert [m.shape[1] for m in maps] == [64, 64 + 6 * 32, 128 + 12 * 32, 256 + 24 * 32, 1024]
    assert [m.shape[-1] for m in maps] == [32, 16, 8, 4, 2]
    sizes = {nest.out[0] for layer in capture("densenet121").layers for nest in layer.nests}
    assert sizes == {112, 56, 28, 14, 7, 1}


def test_densenet232_counts_as_torchvision_counts_it() -> None:
    """torchvision 0.28's DenseNet(48, (6, 12, 48, 48), 96) has 55,570,984 parameters."""
    assert sum(p.numel() for p in on_meta("densenet232_k48").parameters()) == 55_570_984


def test_networks_without_bottleneck_or_compression() -> None:
    """Sec. 4: 16 maps first, transitions keep all maps."""
    network = on_meta("densenet40_k12_cifar")
    transitions = [network.get_submodule(f"features.transition{i}.conv") for i in (1, 2)]
    shapes = [tuple(t.weight.shape) for t in transitions if isinstance(t, nn.Conv2d)]
    assert shapes == [(160, 160, 1, 1), (304, 304, 1, 1)]
    compressed = on_meta("densenet40_k12_cifar", compression=0.5)
    first = compressed.get_submodule("features.conv0")
    assert isinstance(first, nn.Conv2d)
    assert first.out_channels == 24


def test_the_stem_can_be_chosen() -> None:
    network = on_meta("densenet121", initial=48, stem="cifar")
    first = network.get_submodule("features.conv0")
    assert isinstance(first, nn.Conv2d)
    assert (first.out_channels, first.stride, first.kernel_size) == (48, (1, 1), (3, 3))


def test_memory_efficient_training_is_the_same_network() -> None:
    outputs, gradients = [], []
    for efficient in (False, True):
        torch.manual_seed(0)
        settings = {"blocks": (3, 3, 3), "memory_efficient": efficient}
        network = create("densenet40_k12_bc_cifar", **settings).double()
        out = network(torch.randn(2, 3, 16, 16, dtype=torch.float64))
        out.square().sum().backward()
        outputs.append(out)
        gradients.append([p.grad for p in network.parameters()])
    assert torch.equal(*outputs)
    for a, b in zip(*gradients, strict=True):
        assert a is not None
        assert b is not None
        torch.testing.assert_close(a, b)


def test_initial_weights() -> None:
    """N(0, 2 / (k^2 M)) as in the authors' code; the classifier's biases are 0."""
    torch.manual_seed(0)
    network = create("densenet121")
    weight = network.get_parameter("features.denseblock4.denselayer1.conv1.weight")
    assert weight.std().item() == pytest.approx((2 / 128) ** 0.5, rel=0.02)
    assert torch.all(network.get_parameter("classifier.bias") == 0)


def test_too_many_blocks_are_refused() -> None:
    with pytest.raises(UsageError, match="9 dense blocks"):
        on_meta("densenet121", blocks=(1,) * 9)
