"""Inception v2 to v4, Inception-ResNet and GoogLeNet with BN: the papers' maps, auxiliary heads, refusals."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from steelyard.capture.api import capture
from steelyard.errors import UsageError
from steelyard.zoo.googlenet import GoogLeNetOutputs
from steelyard.zoo.inception_v3 import InceptionV3Outputs
from steelyard.zoo.registry import create, default_input_shape


def on_meta(name: str, **settings: object) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


def child_maps(name: str) -> dict[str, tuple[int, int]]:
    """Channels and side of each child's output."""
    network, maps = on_meta(name), {}

    def note(child: str) -> object:
        def hook(_: nn.Module, __: object, out: Tensor) -> None:
            if out.ndim == 4:
                maps[child] = (out.shape[1], out.shape[2])

        return hook

    for child, module in network.named_children():
        module.register_forward_hook(note(child))  # type: ignore[arg-type]
    network(torch.empty(default_input_shape(name), device="meta"))
    return maps


def test_v2_gives_the_maps_of_the_papers_fig_5() -> None:
    maps = child_maps("inception_v2")
    stated = {
        "conv1": (64, 112), "pool1": (64, 56), "conv2": (192, 56), "pool2": (192, 28),
        "inception_3a": (256, 28), "inception_3b": (320, 28), "inception_3c": (576, 14),
        "inception_4a": (576, 14), "inception_4b": (576, 14), "inception_4c": (576, 14),
        "inception_4d": (576, 14), "inception_4e": (1024, 7),
        "inception_5a": (1024, 7), "inception_5b": (1024, 7),
    }  # fmt: skip
    assert {name: maps[name] for name in stated} == stated


def test_v3_gives_the_maps_of_the_papers_table_1() -> None:
    maps = child_maps("inception_v3")
    stated = {
        "Conv2d_1a_3x3": (32, 149), "Conv2d_2a_3x3": (32, 147), "Conv2d_2b_3x3": (64, 147),
        "maxpool1": (64, 73), "Mixed_5d": (288, 35), "Mixed_6e": (768, 17),
        "Mixed_7a": (1280, 8), "Mixed_7c": (2048, 8),
    }  # fmt: skip
    assert {name: maps[name] for name in stated} == stated


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("inception_v4", [(384, 35), (1024, 17), (1536, 8)]),
        ("inception_resnet_v1", [(256, 35), (896, 17), (1792, 8)]),
    ],
)
def test_maps_of_the_figures_of_2016(name: str, stated: list[tuple[int, int]]) -> None:
    """Szegedy et al. 2016, figs. 3 to 9 and 10 to 15: what each kind of module works on."""
    with torch.device("meta"):
        maps = create(name, features_only=True)(torch.empty(1, 3, 299, 299, device="meta"))
    assert [(m.shape[1], m.shape[2]) for m in maps[2:]] == stated


def test_v3_auxiliary_head() -> None:
    """torchvision states 27,161,264 parameters with the head; it runs in training only."""
    plain, full = on_meta("inception_v3"), on_meta("inception_v3", aux_heads=True)
    counts = [sum(p.numel() for p in network.parameters()) for network in (plain, full)]
    assert counts == [23_834_568, 27_161_264]
    image = torch.empty((2, 3, 299, 299), device="meta")
    assert full(image).shape == (2, 1000)
    outputs = full.train()(image)
    assert isinstance(outputs, InceptionV3Outputs)
    assert [tuple(out.shape) for out in outputs] == [(2, 1000)] * 2
    assert capture(full.eval(), input_shape=(1, 3, 299, 299)).unused_params == 3_326_696
    with pytest.raises(
        UsageError, match="resolution=224 gives the auxiliary head maps below 17x17"
    ):
        create("inception_v3", aux_heads=True, resolution=224)


def test_googlenet_bn_auxiliary_heads() -> None:
    """4x4 averages, 128 filters 1x1 with BN, 1024 units, classifier, behind 4a and 4d."""
    plain, full = on_meta("googlenet_bn"), on_meta("googlenet_bn", aux_heads=True)
    image = torch.empty((2, 3, 224, 224), device="meta")
    assert full(image).shape == (2, 1000)
    outputs = full.train()(image)
    assert isinstance(outputs, GoogLeNetOutputs)
    assert [tuple(out.shape) for out in outputs] == [(2, 1000)] * 3
    extra = sum(p.numel() for p in full.parameters()) - sum(p.numel() for p in plain.parameters())
    head = 2 * 128 + 128 * 16 * 1024 + 1024 + 1024 * 1000 + 1000
    assert extra == (512 * 128 + head) + (528 * 128 + head)


def test_googlenet_bn_with_the_papers_5x5() -> None:
    """Without BN's gains and with biases it would have GoogLeNet's weights."""
    weights = [
        sum(p.numel() for p in on_meta(name, **settings).parameters() if p.ndim > 1)
        for name, settings in (("googlenet", {}), ("googlenet_bn", {"third_kernel": 5}))
    ]
    assert weights[0] == weights[1] == 6_990_272


def test_other_depths() -> None:
    """Each module more costs what one module costs."""

    def weights(name: str, **settings: object) -> int:
        return sum(p.numel() for p in on_meta(name, **settings).parameters() if p.ndim == 4)

    a = 96 * 384 * 2 + 2 * 64 * 384 + 9 * (64 * 96 * 2 + 96 * 96)
    assert weights("inception_v4", blocks=(5, 7, 3)) - weights("inception_v4") == a
    b = 896 * 128 * 2 + 2 * 7 * 128 * 128 + 256 * 896
    v1 = weights("inception_resnet_v1", blocks=(5, 12, 5)) - weights("inception_resnet_v1")
    assert v1 == 2 * b
    c7 = 128
    b3 = 768 * 2 * 192 + 768 * 2 * c7 + 7 * (c7 * c7 + c7 * 192) + 7 * (3 * c7 * c7 + c7 * 192)
    longer = weights("inception_v3", inner_b=(128, 128, 160, 160, 192))
    assert longer - weights("inception_v3") == b3


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("inception_v4", {"blocks": (4, 7)}, "names 2 kinds of modules"),
        ("inception_resnet_v1", {"blocks": (5, 10)}, "is for 2 kinds of blocks"),
        ("inception_resnet_v2", {"scales": (0.1,)}, "is for 1 kinds of blocks"),
        ("inception_v3", {"inner_b": (128,) * 25}, "3 and 25 modules"),
    ],
)
def test_refused_settings(name: str, settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        create(name, **settings)


def test_last_residual_block_of_v2_neither_scales_nor_rectifies() -> None:
    network = create("inception_resnet_v2", width=0.05, blocks=(1, 1, 2))
    blocks = [network.get_submodule(name) for name in ("repeat.0", "repeat_1.0", "repeat_2.0")]
    assert [block.scale for block in blocks] == [0.17, 0.1, 0.2]
    last = network.get_submodule("block8")
    assert last.scale == 1
    assert isinstance(last.relu, nn.Identity)
