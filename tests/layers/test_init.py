"""Initial weights have the distributions that the papers state."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from steelyard.layers import init

CONV = (64, 32, 5)  # filters, channels, size
FAN_IN, FAN_OUT = 32 * 25, 64 * 25


def weights(initialise: object) -> torch.Tensor:
    torch.manual_seed(0)
    conv = nn.Conv2d(32, 64, 5)
    initialise(conv)  # type: ignore[operator]
    return conv.weight.detach()


@pytest.mark.parametrize(
    ("initialise", "std"),
    [
        (init.gaussian, 0.01),
        (init.he, math.sqrt(2 / FAN_OUT)),
        (init.glorot, math.sqrt(2 / (FAN_IN + FAN_OUT))),
        (init.caffe_xavier, math.sqrt(1 / FAN_IN)),
        (init.variance_scaling, math.sqrt(2 / FAN_IN)),
        # a Gaussian cut at two deviations has 0.8796 of its deviation
        (init.truncated, 0.01 * 0.8796),
        (init.lecun_uniform, 2.4 / FAN_IN / math.sqrt(3)),
    ],
)
def test_standard_deviation(initialise: object, std: float) -> None:
    drawn = weights(initialise)
    assert drawn.std().item() == pytest.approx(std, rel=0.02)
    assert abs(drawn.mean().item()) < std / 50


@pytest.mark.parametrize(
    ("initialise", "bound"),
    [
        (init.glorot, math.sqrt(6 / (FAN_IN + FAN_OUT))),
        (init.caffe_xavier, math.sqrt(3 / FAN_IN)),
        (init.truncated, 0.02),
        (init.lecun_uniform, 2.4 / FAN_IN),
    ],
)
def test_bounds_of_the_uniform_ones(initialise: object, bound: float) -> None:
    assert 0.99 * bound < weights(initialise).abs().max().item() <= bound


def test_biases() -> None:
    linear = nn.Linear(4, 3)
    init.gaussian(linear, bias=1.0)
    assert linear.bias.tolist() == [1, 1, 1]
    init.caffe_xavier(linear, bias=0.2)
    assert linear.bias.tolist() == pytest.approx([0.2] * 3)
    for initialise in (init.glorot, init.truncated, init.variance_scaling):
        nn.init.ones_(linear.bias)
        initialise(linear)
        assert linear.bias.tolist() == [0, 0, 0]


def test_other_modules_are_left_alone() -> None:
    norm = nn.BatchNorm2d(3)
    nn.init.constant_(norm.weight, 7.0)
    for initialise in (init.gaussian, init.glorot, init.caffe_xavier, init.lecun_uniform):
        initialise(norm)
    assert norm.weight.tolist() == [7, 7, 7]
    init.he(norm)
    assert norm.weight.tolist() == [1, 1, 1]
