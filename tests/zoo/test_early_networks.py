"""ZFNet's maps, Xception's 36 layers, VGG's linear layers as convolutions, and the earliest networks as backbones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import steelyard as sy
from steelyard.errors import ShapeError, UsageError
from steelyard.zoo.registry import default_registry
from steelyard.zoo.weights.fit import fit


def test_zfnet_maps_of_fig_3() -> None:
    load = sy.capture("zfnet")
    convs = [layer.nest for layer in load.layers if layer.kind == "conv"]
    assert [(n.out[0], n.M, n.kernel[0]) for n in convs if n] == [
        (110, 96, 7), (26, 256, 5), (13, 384, 3), (13, 384, 3), (13, 256, 3),
    ]  # fmt: skip
    assert sy.create("zfnet", width=0.05).get_submodule("fc6").in_features == 13 * 36


@pytest.mark.parametrize(("side", "fits"), [(62, False), (63, True)])
def test_zfnet_smallest_image(side: int, fits: bool) -> None:
    if fits:
        network = sy.create("zfnet", width=0.05, resolution=side).eval()
        assert network(torch.zeros(1, 3, side, side)).shape == (1, 1000)
    else:
        with pytest.raises(UsageError, match="resolution=62 leaves no feature map"):
            sy.create("zfnet", resolution=side)


def test_zfnet_has_five_convolutions() -> None:
    with pytest.raises(UsageError, match="is for 2 convolutions"):
        sy.create("zfnet", channels=(96, 256))


def test_xception_has_36_convolutional_layers_in_14_modules() -> None:
    """Chollet 2016, sec. 3; a separable convolution is one layer, shortcuts are none."""
    with torch.device("meta"):
        network = sy.create("xception")
    plain = [n for n, m in network.named_children() if isinstance(m, nn.Conv2d)]
    pointwise = [n for n, _ in network.named_modules() if n.endswith(".pointwise")]
    skips = [n for n, m in network.named_modules() if isinstance(m, nn.Conv2d) and "skip" in n]
    assert len(plain) + len(pointwise) == 36
    assert len(skips) == 4
    blocks = [n for n, _ in network.named_children() if n.startswith("block")]
    # the first two and the last two layers make a module each
    assert len(blocks) + 2 == 14


def test_xception_shortcut_reads_what_came_in() -> None:
    """The first ReLU of a block must not overwrite the block's input."""
    block = sy.create("xception", width=0.02).eval().get_submodule("block4")
    x = torch.randn(1, 15, 5, 5)
    before = x.clone()
    block(x)
    assert torch.equal(x, before)


def test_vgg_takes_convolutions_over_the_last_map_as_linear_layers() -> None:
    """timm's form: the first linear layer is a 7x7 convolution, which gives the same numbers."""
    torch.manual_seed(0)
    network = sy.create("vgg11", width=0.05, num_classes=5).eval()
    state = {k: torch.randn_like(v) for k, v in network.state_dict().items()}
    names = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2"}
    names["classifier.6"] = "head.fc"
    theirs = {
        names.get(k.rpartition(".")[0], k.rpartition(".")[0]) + "." + k.rpartition(".")[2]: v
        for k, v in state.items()
    }
    weight = theirs["pre_logits.fc1.weight"]
    conv = nn.Conv2d(weight.shape[1] // 49, len(weight), 7)
    theirs["pre_logits.fc1.weight"] = weight.view_as(conv.weight)
    family, _ = default_registry().find("vgg11")
    fit(network, theirs, [family.keys["timm"]], what="a file", classes=5)
    assert all(torch.equal(v, state[k]) for k, v in network.state_dict().items())
    image = torch.randn(2, conv.in_channels, 7, 7, dtype=torch.float64)
    linear = network.get_submodule("classifier.0").double()
    with torch.no_grad():
        conv.weight.copy_(theirs["pre_logits.fc1.weight"])
        conv.bias.copy_(theirs["pre_logits.fc1.bias"])  # type: ignore[union-attr]
        torch.testing.assert_close(conv.double()(image).flatten(1), linear(image.flatten(1)))


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("lenet5", (6, 16, 16)),
        ("lenet_caffe", (20, 50, 50)),
        ("alexnet", (96, 256, 256, 256)),
        ("alexnet_owt", (64, 192, 256, 256)),
        ("overfeat_accurate", (96, 256, 1024, 1024)),
        ("vgg16_bn", (64, 128, 256, 512, 512, 512)),
        ("googlenet", (64, 192, 480, 832, 1024)),
    ],
)
def test_backbones_of_the_earliest_networks(name: str, channels: tuple[int, ...]) -> None:
    """The map before each pooling, and the last; the linear layers are gone."""
    with torch.device("meta"):
        backbone = sy.create(name, features_only=True)
    assert backbone.channels == channels
    assert not any(isinstance(m, nn.Linear) for m in backbone.modules())


ONE_SIZE = [
    ("alexnet", {"width": 0.1}),
    ("zfnet", {"width": 0.1}),
    ("overfeat_fast", {"width": 0.1}),
    ("pvanet", {"width": 0.25}),
    ("lenet5", {}),
    ("lenet_caffe", {}),
]


@pytest.mark.parametrize(("name", "settings"), ONE_SIZE)
def test_images_of_another_size_than_the_linear_layers(name: str, settings: dict[str, Any]) -> None:
    with torch.device("meta"):
        network = sy.create(name, **settings).eval()
    _, channels, side, _ = network.input_shape  # type: ignore[misc]
    larger = torch.empty(1, channels, side + 64, side + 64, device="meta")
    made_for = rf"made for; its linear layers fit no other size\ntry: create\(..., resolution={side + 64}\)"
    with pytest.raises(ShapeError, match=made_for):
        network(larger)
    with pytest.raises(ShapeError, match=made_for):
        sy.capture(network, input_shape=larger.shape)
    with pytest.raises(ShapeError, match="square images; resolution="):
        network(larger[..., :side])
    with torch.device("meta"):
        assert sy.create(name, **settings, resolution=side + 64).eval()(larger).ndim == 2


def test_images_that_are_too_small_or_have_other_channels() -> None:
    network = sy.create("vgg11", width=0.1).eval()
    with pytest.raises(
        ShapeError, match=r"shape \(1, 3, 8, 8\).*\nexpected: \(N, 3, 224, 224\), .* a pixel"
    ):
        network(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ShapeError, match=r"try: create\(..., in_channels=1\)"):
        network(torch.zeros(1, 1, 224, 224))


def test_a_resolution_that_leaves_no_pixel() -> None:
    network = sy.create("squeezenet1_0", width=0.1, resolution=7).eval()
    with pytest.raises(ShapeError, match=r"expected: a pixel in every map\ntry: create.* larger"):
        network(torch.zeros(1, 3, 7, 7))


def test_other_errors_stay_what_they_are() -> None:
    network = sy.create("lenet_caffe").eval()
    with pytest.raises(RuntimeError, match=r"dtype|type"):
        network(torch.zeros(1, 1, 28, 28, dtype=torch.float64))
    network.get_submodule("ip1").register_forward_pre_hook(_no_memory)
    with pytest.raises(torch.OutOfMemoryError):
        network(torch.zeros(1, 1, 60, 60))


def _no_memory(*_: object) -> None:
    raise torch.OutOfMemoryError("none left")
