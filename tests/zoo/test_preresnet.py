"""Pre-activation residual networks: depth, counts by formula, where the stride is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import steelyard as sy
from steelyard.zoo.registry import create


def on_meta(name: str, **settings: object) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


def params(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("depth", [110, 164])
def test_layers_with_weights(depth: int) -> None:
    """Sec. 3 and 5: 6n + 2 and 9n + 2 layers, projections not counted."""
    network = on_meta(f"preresnet{depth}_cifar", shortcut="A")
    assert sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in network.modules()) == depth


@pytest.mark.parametrize("n", [1, 3, 18])
def test_parameters_of_bottlenecks_by_formula(n: int) -> None:
    """A unit of C -> c -> c -> 4c has Cc + 9cc + 4cc weights and 2(C + c + c) of normalisation."""
    expected, inputs = 3 * 16 * 9, 16
    for width in (16, 32, 64):
        for i in range(n):
            expected += inputs * width + 9 * width**2 + 4 * width**2 + 2 * (inputs + 2 * width)
            expected += inputs * 4 * width if i == 0 else 0
            inputs = 4 * width
    expected += 2 * 256 + 256 * 10 + 10
    assert params(on_meta("preresnet164_cifar", blocks=(n, n, n))) == expected


def test_pre_and_post_activation_differ_in_normalisation_only() -> None:
    """Projections without BN; one BN more before the first block, one more behind the last."""
    pre, post = on_meta("preresnet50"), on_meta("resnet50")
    convs = [
        [m.weight.shape for m in network.modules() if isinstance(m, nn.Conv2d)]
        for network in (pre, post)
    ]
    assert sorted(convs[0]) == sorted(convs[1])
    projections = 256 + 512 + 1024 + 2048
    assert params(post) - params(pre) == 2 * projections - 2 * 64
    assert params(pre) - params(on_meta("resnetv2_50")) == 2 * 64


def test_a_stride_in_the_1x1_saves_three_quarters_of_it() -> None:
    """Stages 2 to 4 of the 200-layer network: their first 1x1 at a quarter of the pixels."""
    late, early = (
        sy.capture(on_meta("preresnet200", stride_at=at), input_shape=(1, 3, 224, 224)).macs
        for at in ("3x3", "1x1")
    )
    saved = sum(
        (4 * side**2 - side**2) * inputs * width
        for side, inputs, width in ((28, 256, 128), (14, 512, 256), (7, 1024, 512))
    )
    assert late - early == saved


def test_without_branches_the_input_passes_unchanged() -> None:
    """Eq. 4: x_L = x_l + the sum of all branches."""
    network = create("preresnet110_cifar", blocks=(2, 1, 1)).eval()
    stage = network.get_submodule("layer1")
    for name, parameter in stage.named_parameters():
        if name.endswith("conv2.weight"):
            nn.init.zeros_(parameter)
    image = torch.randn(1, 16, 8, 8)
    assert torch.equal(stage(image), image)
