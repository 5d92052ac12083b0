"""SE-ResNet, SE-ResNeXt, SENet-154: what squeeze-and-excitation adds, by the paper's formula."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from steelyard.errors import UsageError
from steelyard.layers.squeeze_excite import SqueezeExcite
from steelyard.zoo.registry import create


def on_meta(name: str, **settings: object) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


def params(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("depth", [50, 101, 152])
@pytest.mark.parametrize("r", [4, 16])
def test_additional_parameters(depth: int, r: int) -> None:
    """Sec. 4: 2/r times the sum over stages of N_s C_s^2; and the biases, C + C/r."""
    blocks = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}[depth]
    widths = (256, 512, 1024, 2048)
    expected = sum(n * (2 * c * c // r + c + c // r) for n, c in zip(blocks, widths, strict=True))
    ours = params(on_meta(f"legacy_seresnet{depth}", reduction=r))
    assert ours - params(on_meta(f"resnet{depth}")) == expected
    if r == 16:
        without_biases = sum(2 * n * c * c // r for n, c in zip(blocks, widths, strict=True))
        # the paper: about 10 % more than the 25 M of ResNet-50
        assert 0.09 < without_biases / params(on_meta(f"resnet{depth}")) < 0.11


def test_senet154() -> None:
    """Appendix of the paper: 64x4d, first 1x1 halved, three 3x3 at the start, 3x3 projections, dropout 0.2."""
    network = on_meta("legacy_senet154")
    stem = [m for m in network.get_submodule("conv1").modules() if isinstance(m, nn.Conv2d)]
    assert [(m.kernel_size[0], m.stride[0], m.out_channels) for m in stem] == [
        (3, 2, 64),
        (3, 1, 64),
        (3, 1, 128),
    ]
    block = network.get_submodule("layer2.0")
    first, second = block.get_submodule("conv1"), block.get_submodule("conv2")
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)
    assert (first.out_channels, second.out_channels, second.groups) == (256, 512, 64)
    kernels = [
        network.get_parameter(f"layer{i}.0.downsample.0.weight").shape[-1] for i in range(1, 5)
    ]
    assert kernels == [1, 3, 3, 3]
    dropout = network.get_submodule("dropout")
    assert isinstance(dropout, nn.Dropout)
    assert dropout.p == 0.2


def test_hidden_channels_are_rounded_where_said() -> None:
    hidden = {
        multiple: [
            m.fc1.out_channels
            for m in on_meta("seresnet18", multiple_of=multiple).modules()
            if isinstance(m, SqueezeExcite)
        ][::2]
        for multiple in (1, 8)
    }
    assert hidden == {1: [4, 8, 16, 32], 8: [8, 8, 16, 32]}


def test_basic_blocks_have_no_groups() -> None:
    with pytest.raises(UsageError, match="cardinality=32 is not possible with basic blocks"):
        create("seresnet18", cardinality=32)


def test_inception_is_excited_behind_every_module() -> None:
    """Fig. 2 of the paper, the widths of fig. 5 of Ioffe and Szegedy 2015, r = 16; 46 MiB as released."""
    widths = (256, 320, 576, 576, 576, 608, 608, 1056, 1024, 1024)
    expected = sum(2 * c * c // 16 + c + c // 16 for c in widths)
    ours = params(on_meta("se_bninception"))
    assert ours - params(on_meta("bninception")) == expected
    assert round(ours * 4 / 2**20) == 46
