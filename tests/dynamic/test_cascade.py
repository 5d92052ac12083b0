"""A cascade is its networks one after the other, and costs their sum."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from steelyard.capture.api import capture
from steelyard.dynamic.cascade import Cascade
from steelyard.dynamic.early_exit import exit_logits, run_stages
from steelyard.dynamic.exit_costs import exit_costs
from steelyard.errors import ShapeError, UsageError
from steelyard.zoo.registry import create


def networks() -> list[Any]:
    torch.manual_seed(0)
    small = create("resnet20_cifar", width=0.25, resolution=16)
    return [small.eval(), create("resnet20_cifar", width=0.5).eval()]


def test_each_network_sees_the_image_at_its_own_size() -> None:
    small, large = networks()
    cascade, images = Cascade([small, large]), torch.randn(2, 3, 32, 32)
    assert cascade.input_shape == (1, 3, 32, 32)
    first, second = run_stages(cascade, images)
    halved = F.interpolate(images, size=(16, 16), mode="bilinear")
    assert torch.equal(first, small(halved))
    assert torch.equal(second, large(images))
    assert exit_logits(cascade, [images]).shape == (2, 2, 10)


def test_costs_are_the_networks_added() -> None:
    small, large = networks()
    costs = exit_costs(Cascade([small, large]))
    apart = [capture(small).macs, capture(large).macs]
    assert costs.added_macs == tuple(apart)
    assert costs.macs == (apart[0], sum(apart))
    assert costs.params[-1] == sum(p.numel() for n in (small, large) for p in n.parameters())
    # nothing is kept but the image
    assert [row.state_bytes for row in costs.rows] == [4 * 3 * 32 * 32, 0]


def test_what_is_no_cascade() -> None:
    small, _ = networks()
    for wrong in ([], [small, small]):
        with pytest.raises(UsageError, match="one network or more, each once"):
            Cascade(wrong)
    with pytest.raises(ShapeError, match=r"network 1 of the cascade returns \(1, 3, 4, 4\)"):
        Cascade([nn.Identity()])(torch.randn(1, 3, 4, 4))


def test_networks_of_other_classes() -> None:
    small, _ = networks()
    other = create("resnet20_cifar", width=0.25, num_classes=7)
    with pytest.raises(ShapeError, match=r"\(1, 10\), \(1, 7\)"):
        exit_logits(Cascade([small, other]), [torch.randn(1, 3, 32, 32)])
