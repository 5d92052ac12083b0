"""Mobile networks against the tables of their papers: maps, expansions, depths, counts."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.layers.inverted_residual import InvertedResidual
from steelyard.layers.squeeze_excite import SqueezeExcite
from steelyard.zoo.network import Network

CATALOG = Path(sy.__file__).parent / "zoo" / "catalog"
THIN: list[tuple[str, dict[str, Any]]] = [
    ("mobilenet_v1", {}),
    ("se_mobilenet", {"padding": "same"}),
    ("mobilenet_v2", {}),
    ("mobilenet_v3_small", {}),
    ("tf_mobilenetv3_large_minimal_100", {}),
    ("mnasnet_small", {}),
    ("semnasnet_050", {"drop_path": 0.1}),
    ("efficientnet_b0", {"stem": "cifar"}),
    ("tf_efficientnet_lite0", {}),
]


def on_meta(name: str, **settings: Any) -> Network:
    with torch.device("meta"):
        network = sy.create(name, **settings).eval()
    assert isinstance(network, Network)
    return network


def maps(name: str, **settings: Any) -> list[tuple[int, int]]:
    """(channels, side) behind every step of the trunk, at 224."""
    x, found = torch.empty((1, 3, 224, 224), device="meta"), []
    for step in on_meta(name, **settings).trunk():
        x = step(x)
        found.append((x.shape[1], x.shape[2]))
    return found


def hidden(name: str) -> list[int]:
    """Channels of the depthwise convolutions."""
    convs = (m for m in on_meta(name).modules() if isinstance(m, nn.Conv2d))
    return [conv.groups for conv in convs if conv.groups > 1]


def test_mobilenet_v1_table_1() -> None:
    assert maps("mobilenet_v1") == [
        (32, 112), (64, 112), (128, 56), (128, 56), (256, 28), (256, 28), (512, 14), (512, 14),
        (512, 14), (512, 14), (512, 14), (512, 14), (1024, 7), (1024, 7),
    ]  # fmt: skip


def test_mobilenet_v2_table_2() -> None:
    rows = [
        (16, 112, 1),
        (24, 56, 2),
        (32, 28, 3),
        (64, 14, 4),
        (96, 14, 3),
        (160, 7, 3),
        (320, 7, 1),
    ]
    inner = [(channels, side) for channels, side, repeats in rows for _ in range(repeats)]
    assert maps("mobilenet_v2") == [(32, 112), *inner, (1280, 7)]
    blocks = (m for m in on_meta("mobilenet_v2").modules() if isinstance(m, InvertedResidual))
    assert sum(block.skip for block in blocks) == sum(repeats - 1 for _, _, repeats in rows)


def test_mobilenet_v2_readme_leaves_batch_normalisation_out() -> None:
    """All parameters in the authors' README are ours less scales and shifts, to the last digit."""
    with (CATALOG / "mobilenet_v2.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if "slim" in row["source"]]
    assert len(rows) == 22
    for row in rows:
        width = dict(item.split("=") for item in row["settings"].split(",") if item).get("width", 1)
        network = on_meta("mobilenet_v2", width=float(width))
        weights = sum(
            p.numel()
            for m in network.modules()
            if isinstance(m, (nn.Conv2d, nn.Linear))
            for p in m.parameters()
        )
        assert f"{weights / 1e6:.2f}" == row["params_M"]


def test_mobilenet_v3_expansions_of_tables_1_and_2() -> None:
    assert hidden("mobilenet_v3_large") == [
        16, 64, 72, 72, 120, 120, 240, 200, 184, 184, 480, 672, 672, 960, 960,
    ]  # fmt: skip
    assert hidden("mobilenet_v3_small") == [16, 72, 88, 96, 240, 240, 120, 144, 288, 576, 576]


def test_mobilenet_v3_small_075_of_the_release_has_a_head_of_1280() -> None:
    """2.4 million in the README, 2.0 in the paper: the widths of the last hidden layer."""
    released = sy.capture("mobilenet_v3_small:width=0.75,head_channels=1280")
    final = sy.capture("mobilenet_v3_small:width=0.75")
    assert (round(released.params / 1e6, 1), round(final.params / 1e6, 1)) == (2.4, 2.0)


def test_minimal_networks_have_nothing_expensive() -> None:
    for name in ("tf_mobilenetv3_large_minimal_100", "tf_mobilenetv3_small_minimal_100"):
        modules = list(on_meta(name).modules())
        assert not any(isinstance(m, (SqueezeExcite, nn.Hardswish)) for m in modules)
        assert all(m.kernel_size[0] in (1, 3) for m in modules if isinstance(m, nn.Conv2d))


def test_se_mobilenet_counts_of_table_2() -> None:
    """Hu et al. 2017: 4.7 million, and 572 million once pooling and scaling are counted."""
    load = sy.capture("se_mobilenet")
    elements = sum(channels * side**2 for channels, side in maps("mobilenet_v1")[1:])
    assert round(load.params / 1e6, 1) == 4.7
    assert round((load.macs + elements) / 1e6) == 572


@pytest.mark.parametrize(
    ("name", "depths"),
    [
        ("efficientnet_b0", (1, 2, 2, 3, 3, 4, 1)),
        ("efficientnet_b4", (2, 4, 4, 6, 6, 8, 2)),
        ("efficientnet_b7", (4, 7, 7, 10, 10, 13, 4)),
        ("efficientnet_lite4", (1, 4, 4, 6, 6, 8, 1)),
    ],
)
def test_efficientnet_blocks_per_stage(name: str, depths: tuple[int, ...]) -> None:
    """Table 1 of the paper times the depth, rounded up; lite leaves the ends as they are."""
    features = on_meta(name).get_submodule("features")
    assert tuple(len(list(stage.children())) for stage in list(features.children())[1:-1]) == depths


def test_efficientnet_b0_table_1() -> None:
    rows = [
        (16, 112, 1),
        (24, 56, 2),
        (40, 28, 2),
        (80, 14, 3),
        (112, 14, 3),
        (192, 7, 4),
        (320, 7, 1),
    ]
    inner = [(channels, side) for channels, side, repeats in rows for _ in range(repeats)]
    assert maps("efficientnet_b0") == [(32, 112), *inner, (1280, 7)]


def test_stochastic_depth_grows_linearly() -> None:
    """Huang et al. 2016, sec. 3: the first block always stays, later ones with falling probability."""
    network = on_meta("efficientnet_b0", drop_path=0.32)
    rates = [m.drop_path.rate for m in network.modules() if isinstance(m, InvertedResidual)]
    assert rates == pytest.approx([0.02 * i for i in range(16)])


def test_mnasnet_readme_within_its_excess() -> None:
    """The table of the authors' README is 1 to 3 % above a plain count, for all widths and sizes."""
    with (CATALOG / "mnasnet.csv").open() as table:
        rows = [
            row
            for row in csv.DictReader(table)
            if row["source"] == "tensorflow/tpu, mnasnet/README.md"
        ]
    rows = [row for row in rows if row["model"].startswith("sem")]
    assert len(rows) == 25
    for row in rows:
        load = sy.capture(":".join(filter(None, (row["model"], row["settings"]))))
        assert load.macs / 1e6 < float(row["macs_M"]) < 1.03 * load.macs / 1e6


@pytest.mark.parametrize("padding", ["torch", "same"])
@pytest.mark.parametrize("side", [97, 160, 223, 225])
def test_any_resolution(padding: str, side: int) -> None:
    """Both paddings give ceil(side / 2) at every stride."""
    network = sy.create("efficientnet_lite0", padding=padding, features_only=True)
    sides = [m.shape[-1] for m in network.to("meta")(torch.empty(1, 3, side, side, device="meta"))]
    assert sides == [math.ceil(side / 2**i) for i in range(1, 6)]


def test_paddings_differ_in_values_not_in_weights() -> None:
    torch.manual_seed(0)
    one, other = (sy.create("mnasnet_small", padding=p).eval() for p in ("torch", "same"))
    other.load_state_dict(one.state_dict())
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert not torch.allclose(one(x), other(x), rtol=1e-2)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"channels": (8, 8), "strides": (1,)}, "2 channels and 1 strides"),
        ({"kernel": 4}, "kernel=4 is not possible"),
    ],
)
def test_mobilenet_v1_refuses(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        sy.create("mobilenet_v1", **settings)


@pytest.mark.parametrize(("name", "settings"), THIN, ids=[name for name, _ in THIN])
def test_every_weight_learns(name: str, settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = sy.create(name, width=0.25, num_classes=5, resolution=64, **settings)
    x = torch.randn(2, 3, 65, 64).to(memory_format=torch.channels_last)
    loss = network(x).square().sum() + sum(m.sum() for m in network.feature_maps(x))
    loss.backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("name", ["mobilenet_v2", "mnasnet1_0"])
def test_initial_weights_are_the_authors(name: str) -> None:
    """slim: 0.09, cut at two deviations (0.88 of it remains); tensorflow/tpu: sqrt(2 / (R S M))."""
    torch.manual_seed(0)
    network = sy.create(name)
    conv = network.get_submodule("features.18.0" if name == "mobilenet_v2" else "features.8.0")
    fc = network.get_submodule("classifier.1")
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(fc, nn.Linear)
    if name == "mobilenet_v2":
        for module in (conv, fc):
            assert module.weight.std().item() == pytest.approx(0.09 * 0.8796, rel=0.01)
            assert module.weight.abs().max().item() <= 0.18
    else:
        assert conv.weight.std().item() == pytest.approx((2 / 1280) ** 0.5, rel=0.01)
        assert fc.weight.abs().max().item() <= 1000**-0.5
        depthwise = network.get_submodule("features.6.0.block.1.0")
        assert isinstance(depthwise, nn.Conv2d)
        assert depthwise.weight.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.03)
    assert torch.equal(fc.bias, torch.zeros(1000))
