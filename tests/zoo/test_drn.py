"""Dilated residual networks: resolution, dilation, and the projection that nothing uses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.zoo.registry import create, list_models


def on_meta(name: str, **settings: object) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


@pytest.mark.parametrize("name", list_models("drn_*"))
def test_the_last_map_is_an_eighth_of_the_image(name: str) -> None:
    """Sec. 2: output resolution 28x28 for 224x224."""
    with torch.device("meta"):
        backbone = create(name, features_only=True)
    assert backbone.strides == ((2, 4, 8) if "_a_" in name else (1, 2, 4, 8))
    assert backbone(torch.empty(1, 3, 224, 224, device="meta"))[-1].shape[-2:] == (28, 28)


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_a_has_the_weights_of_resnet(depth: int) -> None:
    """Sec. 2: dilation in place of strides changes no weight."""
    ours, theirs = on_meta(f"drn_a_{depth}").state_dict(), on_meta(f"resnet{depth}").state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("drn_a_18", [1, 1, 2, 4]),
        ("drn_c_26", [1, 1, 1, 1, 2, 4, 2, 1]),
        ("drn_d_54", [1, 1, 1, 1, 2, 4, 2, 1]),
    ],
)
def test_dilation_by_level(name: str, expected: list[int]) -> None:
    network = on_meta(name)
    found = [
        {
            m.dilation[0]
            for m in network.get_submodule(f"layer{i}").modules()
            if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)
        }
        for i in range(1, len(expected) + 1)
    ]
    assert found == [{dilation} for dilation in expected]


def test_c_58_has_a_projection_that_nothing_uses() -> None:
    """1x1 from 2048 to 512 channels with normalisation, on 28x28."""
    with_it, without = (
        sy.capture(on_meta("drn_c_58", unused_projection=used), input_shape=(1, 3, 224, 224))
        for used in (True, False)
    )
    assert with_it.params - without.params == 2048 * 512 + 2 * 512
    assert with_it.macs - without.macs == 2048 * 512 * 28 * 28


def test_the_unused_projection_changes_no_output() -> None:
    torch.manual_seed(0)
    thin = {"width": 0.05, "blocks": (1,) * 8, "num_classes": 3}
    full = create("drn_c_58", **thin).eval()
    bare = create("drn_c_58", unused_projection=False, **thin).eval()
    missing = bare.load_state_dict(full.state_dict(), strict=False)
    assert missing.missing_keys == []
    assert {key.rsplit(".", 2)[0] for key in missing.unexpected_keys} == {"layer7.0.downsample"}
    image = torch.randn(1, 3, 40, 40)
    assert torch.equal(full(image), bare(image))


def test_no_shortcut_in_the_last_levels_of_c() -> None:
    """Sec. 4, fig. 5c: with its weights at zero a degridding block has nothing to pass on."""
    network = create("drn_c_26", width=0.1).eval()
    level = network.get_submodule("layer7")
    for parameter in level.parameters():
        nn.init.zeros_(parameter)
    assert torch.count_nonzero(level(torch.randn(1, 51, 6, 6))) == 0


@pytest.mark.parametrize(("name", "levels"), [("drn_a_18", 4), ("drn_c_26", 8)])
def test_wrong_number_of_levels(name: str, levels: int) -> None:
    with pytest.raises(UsageError, match=r"blocks=\(1, 1, 1\) gives 3 levels") as error:
        create(name, blocks=(1, 1, 1))
    assert f"{levels} for kind=" in str(error.value)
