"""Neural fabrics: edges of the trellis, the paper's count of weights, and what embeds in them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from steelyard.capture.api import capture
from steelyard.errors import UsageError
from steelyard.layers.fabric import FabricJoin
from steelyard.zoo.neural_fabric import NeuralFabric
from steelyard.zoo.registry import create

NAMES = {
    "cnf_sparse_mnist": (6, 16, 32, 248_832),
    "cnf_dense_mnist": (6, 8, 64, 5_308_416),
    "cnf_dense_cifar": (6, 8, 128, 21_233_664),
    "cnf_sparse_partlabels": (9, 8, 16, 93_312),
    "cnf_dense_partlabels": (9, 8, 32, 1_990_656),
}
"""Scales, layers, channels, and the weights that the paper's formula gives (an independent list)."""


def on_meta(name: str, **settings: Any) -> NeuralFabric:
    with torch.device("meta"):
        network = create(name, **settings)
    assert isinstance(network, NeuralFabric)
    return network.eval()


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_the_papers_count_less_the_rims(name: str) -> None:
    """81 C (sparse) or 27 C^2 (dense) for each of S L nodes, of which 2 L + S lack one scale, on balance.

    The first layer has S - 1 edges, every later one 3 S - 2, the last one S - 1 more.
    """
    scales, layers, channels, formula = NAMES[name]
    network = on_meta(name)
    joins = [m for m in network.modules() if isinstance(m, FabricJoin)]
    assert len(joins) == scales * layers
    edges = sum(len(join.sources) for join in joins) - 1  # the image's
    assert edges == (scales - 1) + (layers - 1) * (3 * scales - 2) + (scales - 1)
    assert edges == 3 * scales * layers - 2 * layers - scales
    dense = network.config.connectivity == "dense"
    pairs, pairs_counted = (channels**2,) * 2 if dense else (3 * channels - 2, 3 * channels)
    assert formula == 9 * pairs_counted * 3 * scales * layers
    image, score = (
        network.config.in_channels * channels * 9,
        (channels + 1) * network.config.num_classes,
    )
    norms = 2 * channels * len(joins)
    params = sum(p.numel() for p in network.parameters())
    assert params - image - score - norms == 9 * pairs * edges


def test_macs_by_hand() -> None:
    """8x8 image: scales of 64, 16, 4, 1 pixels; every edge costs 9 C^2 for each pixel of its end."""
    network = on_meta("cnf_dense_cifar", layers=3, channels=5, resolution=8)
    pixels = [64, 16, 4, 1]
    first = 9 * 5 * 3 * pixels[0] + 9 * 25 * sum(pixels[1:])
    middle = 9 * 25 * (2 * pixels[0] + 3 * pixels[1] + 3 * pixels[2] + 2 * pixels[3])
    last = middle + 9 * 25 * sum(pixels[1:])
    load = capture(network, input_shape=(1, 3, 8, 8))
    assert load.macs == first + middle + last + 5 * 10


@pytest.mark.parametrize("side", [8, 9, 13, 31])
@pytest.mark.parametrize("task", ["classify", "segment"])
def test_any_size_gets_scores(side: int, task: str) -> None:
    network = on_meta("cnf_sparse_cifar", layers=3, channels=4, resolution=16, task=task)
    out = network(torch.empty(2, 3, side, side, device="meta"))
    assert out.shape == ((2, 10) if task == "classify" else (2, 10, side, side))


def test_scales_go_down_to_one_pixel() -> None:
    """S = 1 + log2 of the resolution (sec. 3); 250 -> 125, 63, 32, 16, 8, 4, 2, 1."""
    assert [on_meta("cnf_dense_mnist", resolution=n).scales for n in (32, 33, 64, 2)] == [
        6,
        7,
        7,
        2,
    ]
    network = on_meta("cnf_sparse_partlabels")
    maps = network.feature_maps(torch.empty(1, 3, 250, 250, device="meta"))
    assert [m.shape[-1] for m in maps] == [250, 125, 63, 32, 16, 8, 4, 2, 1]


def silenced(network: nn.Module) -> NeuralFabric:
    """The fabric with all its edges set to 0, and batch normalisation to the identity."""
    assert isinstance(network, NeuralFabric)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module is not network.score:
            nn.init.zeros_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.zeros_(module.bias)
            module.eps = 0.0
    return network.eval()


def test_a_chain_network_is_one_path() -> None:
    """Sec. 3: single architectures are paths; here two convolutions, stride 2 once, at the finest scales."""
    torch.manual_seed(0)
    fabric = silenced(
        create("cnf_dense_cifar", layers=3, channels=4, scales=2, resolution=8).double()
    )
    weights = [torch.randn(4, c, 3, 3, dtype=torch.float64) for c in (3, 4, 4)]
    ends = [(0, 0, "same"), (1, 0, "same"), (2, 1, "finer")]
    for weight, (layer, scale, source) in zip(weights, ends, strict=True):
        join = fabric.layers.get_submodule(f"{layer}.{scale}")
        assert isinstance(join, FabricJoin)
        conv = join.convs[join.sources.index(source)]
        assert isinstance(conv, nn.Conv2d)
        conv.weight.data.copy_(weight)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    y = x
    for weight, stride in zip(weights, (1, 1, 2), strict=True):
        y = torch.relu(nn.functional.conv2d(y, weight, stride=stride, padding=1))
    torch.testing.assert_close(fabric.feature_maps(x)[1], y)


@pytest.mark.parametrize("task", ["classify", "segment"])
@pytest.mark.parametrize("connectivity", ["dense", "sparse"])
def test_every_weight_learns(connectivity: str, task: str) -> None:
    torch.manual_seed(0)
    network = create(
        "cnf_dense_cifar",
        layers=3,
        channels=5,
        resolution=8,
        connectivity=connectivity,
        task=task,
    )
    network(torch.randn(4, 3, 8, 8)).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key


def test_one_scale_is_no_fabric() -> None:
    with pytest.raises(UsageError, match="scales=1 make no fabric"):
        on_meta("cnf_dense_mnist", resolution=1)
