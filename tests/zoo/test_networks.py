"""Counts, shapes and names of every network, against figures that others counted.

``data/counted/<family>.csv``: parameters and MACs from an independent count of the same networks;
``data/torchvision.json``: parameters, GMACs, keys and shapes from torchvision 0.28.
"""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from representatives import each_network
from steelyard.capture.api import capture
from steelyard.capture.source import parse_value
from steelyard.layers.table_conv import TableConv2d
from steelyard.zoo.lenet import C3_TABLE
from steelyard.zoo.lenet_codes import class_codes
from steelyard.zoo.registry import create, default_input_shape, info

DATA = Path(__file__).parent / "data"
COUNTED = [
    row
    for table in sorted((DATA / "counted").glob("*.csv"))
    for row in csv.DictReader(table.read_text().splitlines())
]
TORCHVISION: dict[str, dict[str, Any]] = json.loads((DATA / "torchvision.json").read_text())[
    "networks"
]
NEAR_FOURFOLD = {
    "fe_net": "the last convolution keeps its channels, and displacements double",
    "sqnxt": "the outer convolutions keep their channels",
    "fractalnet": "every column of the first block reads the image",
    "dcn": "offsets keep their channels",
    "icnn": "every row reads the image, and some maps are as many as labels",
    "_mc_": "the linear layers of the early classifiers double",
    "msdnet": "the linear layers of the early classifiers double",
    "ranet": "a quarter of the new maps is rounded down, and linear layers double",
    "seresnet18": "squeeze-and-excitation has eight hidden channels at least",
    "seresnet34": "squeeze-and-excitation has eight hidden channels at least",
}
"""Networks whose weights nearly quadruple with twice the width, by a part of their name, and why."""


def parsed(settings: str) -> dict[str, Any]:
    """``width=0.5,blocks=3x4x6x3`` as keywords of `create`."""
    pairs = (item.split("=") for item in settings.split(",") if item)
    return {key: parse_value(value) for key, value in pairs}


def labels_pixels(name: str) -> bool:
    """Whether the scores are a map of the image's size."""
    return name.startswith("icnn") or name.endswith("partlabels")


def on_meta(name: str, **settings: object) -> nn.Module:
    with torch.device("meta"):
        return create(name, **settings).eval()


def run_on_meta(name: str, batch: int = 1, **settings: object) -> list[Tensor]:
    shape = default_input_shape(name, **settings)
    return outputs_of(on_meta(name, **settings)(torch.empty((batch, *shape[1:]), device="meta")))


def outputs_of(result: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
    """The one output, or those of all classifiers of a network with early exits."""
    return [result] if isinstance(result, Tensor) else list(result)


def hooked_macs(name: str, **settings: object) -> int:
    """MACs counted with forward hooks: outputs x weights of one filter; no steelyard counting."""
    network, macs = on_meta(name, **settings), 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        assert isinstance(module, (nn.Conv2d, nn.Linear))
        macs += output.numel() * module.weight[0].numel()

    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count)
    network(torch.empty(default_input_shape(name, **settings), device="meta"))
    return macs


@pytest.mark.parametrize("row", COUNTED, ids=lambda row: f"{row['model']}-{row['settings']}")
def test_counts_equal_the_independent_ones(row: dict[str, str]) -> None:
    settings = parsed(row["settings"])
    shape = default_input_shape(row["model"], **settings)
    load = capture(on_meta(row["model"], **settings), input_shape=shape)
    assert (load.params, load.macs) == (int(row["params"]), int(row["macs"]))
    assert load.unused_params == 0
    assert load.coverage.unknown == ()


@pytest.mark.parametrize("name", each_network(without=["lenet5"]))
def test_capture_counts_what_hooks_count(name: str) -> None:
    network = on_meta(name)
    load = capture(network, input_shape=default_input_shape(name))
    assert load.macs == hooked_macs(name)
    assert load.params == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_weights_would_load(name: str) -> None:
    state = on_meta(name).state_dict()
    lines = [f"{key} {'x'.join(map(str, value.shape))}" for key, value in state.items()]
    known = TORCHVISION[name]
    if "state_dict" in known:
        assert lines == known["state_dict"]
    assert len(lines) == known["tensors"]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == known["sha256"]


@pytest.mark.parametrize("name", TORCHVISION)
def test_counts_equal_those_torchvision_states(name: str) -> None:
    load = capture(on_meta(name), input_shape=default_input_shape(name))
    assert load.params == TORCHVISION[name]["params"]
    assert round(load.macs / 1e6) == TORCHVISION[name]["mmacs"]


@pytest.mark.parametrize("name", each_network())
def test_shapes_of_the_outputs(name: str) -> None:
    classes = {s.name: s.default for s in info(name).settings}["num_classes"]
    pixels = default_input_shape(name)[2:] if labels_pixels(name) else ()
    for out in run_on_meta(name, batch=2):
        assert out.shape == (2, classes, *pixels)
    for out in run_on_meta(name, num_classes=7, in_channels=2):
        assert out.shape == (1, 7, *pixels)


@pytest.mark.parametrize("name", each_network(without=["lenet5"]))
def test_width_scales_the_weights(name: str) -> None:
    """Twice the width, four times the weights; depthwise filters double, and others of `NEAR_FOURFOLD`.

    The minimal small MobileNetV3 is mostly the layer before the last, which keeps its 1024 outputs.
    """

    def weights(width: float) -> int:
        network = on_meta(name, width=width)
        inner = [p.numel() for p in network.parameters() if p.ndim > 1][1:-1]
        return sum(inner)

    depthwise = any(
        isinstance(m, nn.Conv2d) and 1 < m.groups == m.in_channels for m in on_meta(name).modules()
    )
    if name.startswith("cnf_sparse"):  # every channel sees three, however many there are
        assert weights(2.0) / weights(1.0) == pytest.approx(2, rel=0.05)
    elif depthwise or any(part in name for part in NEAR_FOURFOLD):
        low = 2.5 if "small_minimal" in name else 3
        assert low < weights(2.0) / weights(1.0) < 5
    else:
        assert weights(2.0) == 4 * weights(1.0)


def test_same_seed_same_weights() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(create("resnet20_cifar").state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


# ---- LeNet ---------------------------------------------------------------------------------------


def test_lenet5_layer_by_layer() -> None:
    """Trainable parameters per layer as sec. II-B of the paper states them."""
    stated = {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48120, "f6": 10164}
    counted = {
        name: sum(p.numel() for p in layer.parameters())
        for name, layer in on_meta("lenet5").named_children()
    }
    assert {name: n for name, n in counted.items() if n} == stated


def test_lenet5_connections() -> None:
    """The paper's connections per layer: MACs + one bias tap per output; S: 4 inputs and a bias."""
    load = capture("lenet5")
    macs: dict[str, int] = {}
    outputs: dict[str, int] = {}
    for layer in load.layers:
        macs[layer.module] = macs.get(layer.module, 0) + layer.macs
        outputs[layer.module] = load.tensor(layer.outputs[0]).numel
    taps = {name: macs[name] + outputs[name] for name in ("c1", "c3", "c5", "f6")}
    pools = {name: 5 * outputs[name] for name in ("s2", "s4")}
    assert taps == {"c1": 122_304, "c3": 151_600, "c5": 48_120, "f6": 10_164}
    assert pools == {"s2": 5_880, "s4": 2_000}
    assert sum(taps.values()) + sum(pools.values()) + macs["output"] == 340_908


def test_c3_table() -> None:
    """Table I of the paper: six triples, six quadruples, three split quadruples, one of all."""
    assert [len(set(row)) for row in C3_TABLE] == [3] * 6 + [4] * 9 + [6]
    assert sum(map(len, C3_TABLE)) == 60
    # the paper's columns, X marks read downwards
    columns = [
        {0, 1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 5}, {0, 4, 5}, {0, 1, 5},
        {0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 5}, {0, 3, 4, 5}, {0, 1, 4, 5}, {0, 1, 2, 5},
        {0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5}, {0, 1, 2, 3, 4, 5},
    ]  # fmt: skip
    assert [set(row) for row in C3_TABLE] == columns
    assert isinstance(on_meta("lenet5").get_submodule("c3"), TableConv2d)


def test_codes_are_distinct_signs() -> None:
    codes = class_codes(40)
    assert len(set(codes)) == 40
    assert all(len(code) == 84 and set(code) == {-1, 1} for code in codes)
    assert codes[:10] == class_codes(10)
    # confusable classes must be far apart: at least 4 of 84 pixels
    apart = [sum(x != y for x, y in zip(a, b, strict=True)) for a in codes for b in codes if a < b]
    assert min(apart) >= 4


# ---- AlexNet, GoogLeNet, ResNet ------------------------------------------------------------------


def test_alexnet_maps() -> None:
    """Sizes stated in sec. 3.5 and fig. 2 of the paper: 55, 27, 13, 13, 13 and 4096, 4096, 1000."""
    load = capture("alexnet")
    convs = [layer.nest for layer in load.layers if layer.kind == "conv"]
    assert [(n.out[0], n.M, n.kernel[0], n.G) for n in convs if n] == [
        (55, 96, 11, 1), (27, 256, 5, 2), (13, 384, 3, 1), (13, 384, 3, 2), (13, 256, 3, 2),
    ]  # fmt: skip


def test_alexnet_initial_biases() -> None:
    """Sec. 5: biases 1 in the second, fourth, fifth convolution and the hidden FC layers, else 0."""
    network = create("alexnet", width=0.05)
    ones = {
        name.removesuffix(".bias")
        for name, value in network.named_parameters()
        if name.endswith("bias") and torch.all(value == 1)
    }
    assert ones == {"conv2", "conv4", "conv5", "fc6", "fc7"}
    assert torch.all(network.get_parameter("conv1.bias") == 0)
    assert network.get_parameter("fc7.weight").std().item() == pytest.approx(0.01, rel=0.02)


def test_googlenet_floor_pooling_gives_the_often_quoted_count() -> None:
    load = capture("googlenet:pool_rounding=floor")
    assert load.select(kind="conv").macs == 1_430_532_352
    sizes = {nest.out[0] for layer in load.layers for nest in layer.nests}
    assert sizes == {112, 55, 27, 13, 6, 1}
    sizes = {nest.out[0] for layer in capture("googlenet").layers for nest in layer.nests}
    assert sizes == {112, 56, 28, 14, 7, 1}


def test_googlenet_auxiliary_heads() -> None:
    """Sec. 5: 5x5 pooling, 128 filters 1x1, 1024 units, classifier; in training only."""
    plain, full = on_meta("googlenet"), on_meta("googlenet", aux_heads=True)
    image = torch.empty((2, 3, 224, 224), device="meta")
    assert full(image).shape == (2, 1000)
    outputs = full.train()(image)
    assert [tuple(out.shape) for out in outputs] == [(2, 1000)] * 3
    assert outputs._fields == ("logits", "aux2", "aux1")
    extra = sum(p.numel() for p in full.parameters()) - sum(p.numel() for p in plain.parameters())
    head = 128 + 128 * 4 * 4 * 1024 + 1024 + 1024 * 1000 + 1000
    assert extra == (512 * 128 + head) + (528 * 128 + head)
    load = capture(full, input_shape=(1, 3, 224, 224))
    assert load.unused_params == extra


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_cifar_resnet_layers_and_option_a(depth: int) -> None:
    """6n + 2 layers with weights; option A has no parameters and no MACs on the shortcut."""
    name = f"resnet{depth}_cifar"
    a, b = on_meta(name), on_meta(name, shortcut="B")
    weighted = [m for m in a.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(weighted) == depth
    projections = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    count = [sum(p.numel() for p in net.parameters()) for net in (a, b)]
    assert count[1] - count[0] == projections
    macs = [capture(net, input_shape=(1, 3, 32, 32)).macs for net in (a, b)]
    assert macs[1] - macs[0] == 16 * 32 * 16 * 16 + 32 * 64 * 8 * 8


def test_resnet34_option_a_saves_what_the_projections_cost() -> None:
    b, a = (capture(f"resnet34:shortcut={option}").macs for option in "BA")
    assert b - a == 64 * 128 * 28**2 + 128 * 256 * 14**2 + 256 * 512 * 7**2


def test_resnet_v1_and_v15_share_their_weights() -> None:
    v1, v15 = on_meta("resnet50_v1").state_dict(), on_meta("resnet50").state_dict()
    assert {k: v.shape for k, v in v1.items()} == {k: v.shape for k, v in v15.items()}
    strides = {
        (m.kernel_size, m.stride)
        for n, m in on_meta("resnet50_v1").named_modules()
        if isinstance(m, nn.Conv2d) and n.endswith("conv2")
    }
    assert strides == {((3, 3), (1, 1))}


# ---- published figures ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", each_network())
def test_published_counts_are_near_ours(name: str) -> None:
    """A published count is within 3 % of ours, or its row says why it is not."""
    for figure in info(name).published:
        settings = parsed(figure.settings)
        shape = default_input_shape(name, **settings)
        load = capture(on_meta(name, **settings), input_shape=shape)
        assert figure.source
        assert figure.evidence
        gaps = [
            printed
            for printed, ours in ((figure.params_m, load.params), (figure.macs_m, load.macs))
            if printed is not None and printed != pytest.approx(ours / 1e6, rel=0.03)
        ]
        assert not gaps or figure.reason, (figure, load.params, load.macs)
        assert figure.macs_m is None or figure.convention
