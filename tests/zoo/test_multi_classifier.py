"""Depth, places of classifiers and counts of ResNet and DenseNet with several classifiers, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from steelyard.errors import UsageError
from steelyard.zoo.registry import create

NAMES = ["resnet62_mc_cifar", "densenet52_mc_cifar"]


def made(name: str, **settings: Any) -> Any:
    torch.manual_seed(0)
    return create(name, **settings).eval()


@pytest.mark.parametrize(
    ("name", "depth"), [("resnet62_mc_cifar", 62), ("densenet52_mc_cifar", 52)]
)
def test_depth_and_classifiers(name: str, depth: int) -> None:
    """Layers with weights from the image to the last classifier; six classifiers before it."""
    network = made(name)
    assert network.exits == len(network.classifiers) == 7
    convolutions = sum(isinstance(m, nn.Conv2d) for m in network.modules())
    assert convolutions + 1 == depth


@pytest.mark.parametrize("name", NAMES)
def test_stage_by_stage_is_the_whole(name: str) -> None:
    network, images, ran = made(name, width=0.25), torch.randn(2, 3, 32, 32), []
    together = network(images)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(lambda module, *_: ran.append(module))
    state = network.begin(images)
    for stage in range(network.exits):
        logits, state = network.advance(stage, state)
        assert torch.equal(logits, together[stage])
    assert len(ran) == len(set(ran))
    assert len(ran) == sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in network.modules())
    assert state == []


def test_counts_of_each_stage_of_resnet() -> None:
    """A block of two 3x3 convolutions costs 2 x 9 c^2 HW, alike at every resolution; the first of a halved one 3/4."""
    network = made("resnet62_mc_cifar")
    costs, total = [], 0

    def count(module: Any, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    state = network.begin(torch.randn(1, 3, 32, 32))
    for stage in range(7):
        before = total
        _, state = network.advance(stage, state)
        costs.append(total - before)
    block = 2 * 9 * 16 * 16 * 32 * 32
    first = 27 * 16 * 32 * 32
    # after blocks 4 and 8 of ten; the tenth block's followers come with the next resolution's first four
    wanted = [
        first + 4 * block,
        4 * block,
        5.75 * block,
        4 * block,
        5.75 * block,
        4 * block,
        2 * block,
    ]
    assert costs == wanted


def test_counts_of_densenet() -> None:
    """Weights of block b: sum over 16 layers of 9 k (c_b + i k); transitions c^2; classifiers on 16 + ... maps."""
    network = made("densenet52_mc_cifar")
    k, channels, weights = 12, 16, 27 * 16
    for block in range(3):
        weights += sum(9 * k * (channels + i * k) for i in range(16))
        for layers in (6, 12):
            weights += 10 * (channels + layers * k)
        channels += 16 * k
        weights += channels**2 if block < 2 else 10 * channels
    found = sum(
        m.weight.numel() for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))
    )
    assert found == weights


@pytest.mark.parametrize("name", NAMES)
def test_classifiers_where_there_are_no_blocks(name: str) -> None:
    with pytest.raises(UsageError, match="different numbers from 1 to 3"):
        made(name, blocks=(8, 4), exits_after=(2, 4))


@pytest.mark.parametrize("name", NAMES)
def test_all_weights_learn(name: str) -> None:
    network = made(name, width=0.25, blocks=(3, 3), exits_after=(1,)).train()
    torch.stack(network(torch.randn(2, 3, 16, 16))).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
