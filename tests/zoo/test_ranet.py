"""Counts of every exit by the authors' counter, stages, resolutions and settings of resolution adaptive networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.resolution_adaptive import DenseStage, FusionStage
from steelyard.zoo.ranet import RANet
from steelyard.zoo.registry import create, default_input_shape

TINY: dict[str, Any] = {"channels": 4, "growth": 4, "classifier_channels": 8}


def on_meta(name: str, **settings: Any) -> RANet:
    with torch.device("meta"):
        network = create(name, **settings).eval()
    assert isinstance(network, RANet)
    return network


def authors_counts(network: nn.Module, shape: tuple[int, ...]) -> tuple[list[float], list[float]]:
    """Millions of MACs, ReLU elements, pool taps and biases up to each classifier, and millions of parameters."""
    total, read = 0, 0
    counts: list[float] = []
    params: list[float] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total, read
        read += sum(p.numel() for p in module.parameters(recurse=False))
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            total += output.numel() * module.weight[0].numel()
        if isinstance(module, (nn.ReLU, nn.AdaptiveAvgPool2d)):
            total += inputs[0].numel()
        if isinstance(module, nn.MaxPool2d):
            total += output.numel() * 9
        if isinstance(module, nn.Linear):
            total += output.numel()
            counts.append(total / 1e6)
            params.append(read / 1e6)

    for module in network.modules():
        module.register_forward_hook(count)
    network(torch.empty(shape, device="meta"))
    return counts, params


@pytest.mark.parametrize(
    ("name", "millions", "params"),
    [
        # of running the authors' code with the settings of their scripts, under their op_counter.py
        pytest.param(
            "ranet4_cifar",
            [15.81, 31.28, 44.66, 50.36, 60.65, 63.65, 90.17, 94.9],
            3.26183,
            marks=pytest.mark.slow,
        ),
        ("ranet3_lg_cifar", [8.36, 21.77, 32.84, 41.52, 53.23, 58.92], 2.547601),
        pytest.param(
            "ranet4",
            [168.07, 520.47, 731.89, 903.79, 1052.25, 1118.8, 1589.01, 1680.98],
            87.972617,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "ranet4_c32",
            [246.47, 631.16, 860.4, 1041.14, 1869.85, 2160.38, 2734.28, 2828.31],
            131.123991,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_authors_counts_of_every_exit(name: str, millions: list[float], params: float) -> None:
    counts, read = authors_counts(on_meta(name), default_input_shape(name))
    assert [round(one, 2) for one in counts] == millions
    assert read[-1] == params


@pytest.mark.parametrize(
    "name", [pytest.param("ranet4_cifar", marks=pytest.mark.slow), "ranet3_lg_cifar"]
)
def test_stage_by_stage_is_the_whole_and_runs_everything_once(name: str) -> None:
    torch.manual_seed(0)
    network = create(name, **TINY).eval()
    assert isinstance(network, RANet)
    images, ran = torch.randn(2, 3, 32, 32), []
    together = network(images)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, *_: ran.append(module))
    state = network.begin(images)
    for stage in range(network.exits):
        logits, state = network.advance(stage, state)
        assert torch.equal(logits, together[stage])
    assert len(ran) == len(set(ran)) == sum(isinstance(m, nn.Conv2d) for m in network.modules())
    assert state == {"bases": []}


def test_classifiers_read_the_lowest_resolution_only() -> None:
    """Fig. 2: a sub-network at a higher one comes down by its fusion blocks; sec. 3.2."""
    network = create("ranet4_cifar", **TINY).eval()
    sides: list[int] = []
    for classifier in network.classifiers:  # type: ignore[union-attr]
        classifier.register_forward_pre_hook(lambda _, inputs: sides.append(inputs[0].shape[-1]))
    network(torch.randn(1, 3, 32, 32))
    assert sides == [8] * 8


def test_blocks_of_each_sub_network() -> None:
    """2, 4, 6 and 8 blocks; as many fusion blocks as the one before has blocks."""
    network = on_meta("ranet4_cifar")
    kinds = [[type(block) for block in flow.children()] for flow in network.scale_flows.children()]
    assert [len(flow) for flow in kinds] == [2, 4, 6, 8]
    assert [flow.count(FusionStage) for flow in kinds] == [0, 2, 4, 6]
    assert [flow.count(DenseStage) for flow in kinds] == [2, 2, 2, 2]
    layers = [len(b.layers) for b in on_meta("ranet3_lg_cifar").scale_flows[2].children()]  # type: ignore[union-attr,arg-type]
    assert layers == [2, 4, 6, 8, 10, 12]


def test_feature_maps_are_one_for_each_resolution() -> None:
    backbone = create("ranet4_cifar", features_only=True, **TINY)
    maps = backbone(torch.randn(1, 3, 32, 32))
    assert [m.shape[-1] for m in maps] == [32, 16, 8]
    assert not any("classifiers" in name for name, _ in backbone.named_parameters())


@pytest.mark.parametrize(
    "settings",
    [
        {"scales": (1, 1), "growth_factors": (2, 1), "bottleneck_factors": (2, 1)},
        {"scales": (1,), "growth_factors": (1,), "bottleneck_factors": (1,)},
        {"blocks": 1, "block_step": 1, "step": 1},
        {"compression": 0.5, "reduction": 1.0},
    ],
)
def test_other_members_of_the_family_learn(settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = create("ranet3_lg_cifar", **{**TINY, **settings})
    outputs = network(torch.randn(2, 3, 33, 31))
    torch.stack(outputs).sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key


def test_impossible_settings_say_what_to_type() -> None:
    with pytest.raises(UsageError, match="one of each for every sub-network"):
        on_meta("ranet4_cifar", scales=(1, 2))
    with pytest.raises(UsageError, match="1 first, then each as large or 1 larger"):
        on_meta("ranet3_lg_cifar", scales=(1, 3, 4))
    with pytest.raises(UsageError, match="growth times factor of at least 2"):
        on_meta("ranet3_lg_cifar", growth=1)
