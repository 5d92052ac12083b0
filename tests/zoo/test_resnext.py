"""ResNeXt: one group is ResNet, and equal cost at every cardinality."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import steelyard as sy
from steelyard.zoo.registry import create


def on_meta(name: str, **settings: object) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


def test_one_group_of_64_is_resnet() -> None:
    torch.manual_seed(0)
    resnet = create("resnet50", blocks=(1, 1, 1, 1), width=0.25).eval()
    resnext = create(
        "resnext50_32x4d", blocks=(1, 1, 1, 1), cardinality=1, group_width=64, width=0.25
    ).eval()
    resnext.load_state_dict(resnet.state_dict())
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(resnet(image), resnext(image))


@pytest.mark.parametrize(("cardinality", "width"), [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)])
def test_equal_complexity_at_any_cardinality(cardinality: int, width: int) -> None:
    """Table 3 of the paper and the table of the authors' README: about 25 M parameters, 4.1 G."""
    load = sy.capture(
        on_meta("resnext50_32x4d", cardinality=cardinality, group_width=width),
        input_shape=(1, 3, 224, 224),
    )
    assert load.params / 1e6 == pytest.approx(25.3, rel=0.02)
    assert load.macs / 1e9 == pytest.approx(4.15, rel=0.03)


@pytest.mark.parametrize("cardinality", [1, 8, 16])
def test_cifar_parameters_by_formula(cardinality: int) -> None:
    """Eq. 4: each of C paths has 256 d + 9 d d + 256 d weights; three stages, three blocks each."""
    expected, inputs = 3 * 64 * 9 + 2 * 64, 64
    for stage in range(3):
        d, outputs = 64 * 2**stage, 256 * 2**stage
        for block in range(3):
            expected += cardinality * (inputs * d + 9 * d * d + d * outputs)
            expected += 2 * (2 * cardinality * d + outputs)
            expected += inputs * outputs + 2 * outputs if block == 0 else 0
            inputs = outputs
    expected += 1024 * 10 + 10
    network = on_meta("resnext29_8x64d_cifar", cardinality=cardinality)
    assert sum(p.numel() for p in network.parameters()) == expected
