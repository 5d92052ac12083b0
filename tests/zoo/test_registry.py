"""Names, settings, messages of the registry; nothing of it needs torch but `create`."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import nn

from representatives import each_network
from steelyard import zoo
from steelyard.errors import UnknownNameError, UsageError
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import (
    Family,
    Model,
    Paper,
    Registry,
    create,
    default_input_shape,
    default_registry,
    info,
    list_models,
    register_family,
)

PAPER = Paper("A paper", "A. Author", 2026, "nowhere")


@dataclass(frozen=True)
class TinyConfig(ImageConfig):
    depth: int = setting(1, "convolutions", low=1, high=9)
    tail: float | None = setting(None, "none or a number")


def tiny(config: TinyConfig) -> nn.Module:
    channels = [config.in_channels] + [4] * config.depth
    return nn.Sequential(*(nn.Conv2d(a, b, 3) for a, b in pairwise(channels)))


def family(name: str = "tiny_net", **changes: object) -> Family:
    base = Family("Tiny", tiny, TinyConfig, PAPER, (Model(name, {"resolution": 8}),))
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def test_the_networks_of_the_issue_are_there() -> None:
    assert set(list_models()) >= {
        "lenet5", "lenet5_dense", "lenet_caffe", "alexnet", "alexnet_one_tower", "alexnet_owt",
        "overfeat_fast", "overfeat_accurate", "googlenet",
        "vgg11", "vgg13", "vgg16", "vgg19", "vgg16_bn",
        "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
        "resnet50_v1", "resnet101_v1", "resnet152_v1",
        "resnet20_cifar", "resnet32_cifar", "resnet44_cifar", "resnet56_cifar", "resnet110_cifar",
    }  # fmt: skip


def test_patterns_and_natural_order() -> None:
    assert list_models("vgg??") == ["vgg11", "vgg13", "vgg16", "vgg19"]
    assert list_models("resnet*_v1") == ["resnet50_v1", "resnet101_v1", "resnet152_v1"]
    assert list_models("no such*") == []


def test_listing_and_info_load_no_torch() -> None:
    code = (
        "import sys, steelyard as sy; from steelyard.zoo.registry import default_input_shape\n"
        "[sy.info(name) for name in sy.list_models()]; default_input_shape('vgg16', width=2)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_package_offers_them() -> None:
    assert (zoo.create, zoo.info, zoo.list_models) == (create, info, list_models)


def test_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        create("resnet5O")
    assert str(caught.value).startswith(
        "no network is named 'resnet5O'\nexpected: one of the known"
    )
    assert caught.value.nearest[0] == "resnet50"
    assert "steelyard models" in str(caught.value)
    for function in (info, default_input_shape):
        with pytest.raises(UnknownNameError, match="no network is named 'vgg-16'"):
            function("vgg-16")


def test_names_that_other_libraries_use_and_tags_of_weights_lead_here() -> None:
    # timm's mobilenetv2_100 is torchvision's mobilenet_v2, whose weights both load
    for name, hint in {
        "mobilenetv2_100": "mobilenet_v2, which timm calls mobilenetv2_100",
        "mobilenetv2_100.ra_in1k": "mobilenet_v2, which timm calls mobilenetv2_100",
        "resnet50.a1_in1k": "resnet50, without .a1_in1k",
    }.items():
        with pytest.raises(UnknownNameError) as caught:
            create(name)
        assert caught.value.hint == hint


def test_unknown_setting_names_the_nearest_and_all() -> None:
    with pytest.raises(UsageError) as caught:
        create("resnet50", num_clases=10)
    message = str(caught.value)
    assert message.startswith("resnet50 has no setting 'num_clases'")
    assert "expected: one of num_classes, in_channels, resolution, width, blocks" in message
    assert message.endswith("try: num_classes=...")


def test_a_setting_called_name_is_an_unknown_setting() -> None:
    for function in (create, default_input_shape):
        with pytest.raises(UsageError, match="resnet50 has no setting 'name'"):
            function("resnet50", name=3)


@pytest.mark.parametrize(
    ("name", "settings", "said", "expected"),
    [
        ("resnet50", {"num_classes": 0}, "num_classes=0", "int, at least 1, at most 1048576"),
        ("resnet50", {"num_classes": True}, "num_classes=True", "int, at least 1"),
        ("resnet50", {"num_classes": 10.0}, "num_classes=10.0", "int, at least 1"),
        ("resnet50", {"num_classes": 10**30}, "num_classes=1000", "at most 1048576"),
        ("resnet50", {"width": "half"}, "width='half'", "float, at least 0.01, at most 64"),
        ("resnet50", {"width": float("nan")}, "width=nan", "float, at least 0.01"),
        ("resnet50", {"width": float("inf")}, "width=inf", "float, at least 0.01, at most 64"),
        ("resnet50", {"width": None}, "width=None", "float, at least 0.01"),
        ("resnet50", {"shortcut": "D"}, "shortcut='D'", "'A', 'B' or 'C'"),
        ("resnet50", {"blocks": (3, 0)}, "blocks=(3, 0)", "one or more int"),
        ("resnet50", {"blocks": ()}, "blocks=()", "one or more int"),
        ("resnet50", {"blocks": 3}, "blocks=3", "one or more int"),
        ("mobilenet_v2", {"stages": 3}, "stages=3", "one or more Stage"),
        ("vgg16", {"batch_norm": 1}, "batch_norm=1", "bool"),
        ("vgg16", {"dropout": 1.5}, "dropout=1.5", "float, at least 0, at most 1"),
        ("googlenet", {"pool_rounding": "up"}, "pool_rounding='up'", "'ceil' or 'floor'"),
    ],
)
def test_impossible_values(
    name: str, settings: dict[str, object], said: str, expected: str
) -> None:
    for function in (create, default_input_shape):
        with pytest.raises(UsageError) as caught:
            function(name, **settings)
        assert f"{name}: {said}" in str(caught.value)
        assert "is not possible" in str(caught.value)
        assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("resnet50", {"blocks": (1,) * 9}, "gives 9 stages\nexpected: 1 to 8"),
        ("vgg16", {"convolutions": (1, 1)}, "gives 2 stages\nexpected: five numbers"),
        ("lenet5", {"width": 2.0}, "exist for width=1, not 2.0"),
        (
            "lenet5",
            {"resolution": 12},
            "resolution=12 leaves no feature map\nexpected: at least 16",
        ),
        ("lenet5", {"in_channels": 0}, "in_channels=0 is not possible"),
        ("lenet_caffe", {"resolution": 8}, "resolution=8 leaves no feature map"),
        (
            "alexnet",
            {"resolution": 60},
            "resolution=60 leaves no feature map\nexpected: at least 67",
        ),
        ("alexnet", {"groups": 7}, "groups=7 does not divide 96, 256 and 384"),
        ("overfeat_fast", {"resolution": 64}, "resolution=64 leaves no feature map"),
        ("googlenet", {"aux_heads": True, "resolution": 64}, "auxiliary heads maps of 4"),
    ],
)
def test_settings_that_do_not_fit_together(
    name: str, settings: dict[str, object], message: str
) -> None:
    with torch.device("meta"), pytest.raises(UsageError) as caught:
        create(name, **settings)
    assert message in str(caught.value)


def test_smallest_resolutions_named_in_the_messages_work() -> None:
    for name, resolution in (("lenet5", 16), ("lenet_caffe", 13), ("alexnet", 67)):
        with torch.device("meta"):
            network = create(name, resolution=resolution).eval()
            shape = default_input_shape(name, resolution=resolution)
            assert network(torch.empty(shape)).shape[0] == 1
        with torch.device("meta"), pytest.raises(UsageError, match="leaves no feature map"):
            create(name, resolution=resolution - 1)


def test_default_input_shape_follows_the_settings() -> None:
    assert default_input_shape("lenet5") == (1, 1, 32, 32)
    assert default_input_shape("lenet_caffe") == (1, 1, 28, 28)
    assert default_input_shape("alexnet") == (1, 3, 227, 227)
    assert default_input_shape("overfeat_accurate", in_channels=4) == (1, 4, 221, 221)
    assert default_input_shape("resnet20_cifar") == (1, 3, 32, 32)


@pytest.mark.parametrize("name", each_network())
def test_info_is_complete_and_json(name: str) -> None:
    known = info(name)
    assert known.name == name
    assert known.family
    assert known.notes
    assert known.paper.title
    assert 1989 <= known.paper.year <= 2026
    assert known.input_shape == default_input_shape(name)
    assert all(s.doc and s.type for s in known.settings)
    plain = known.to_dict()
    assert plain["schema"] == "steelyard.model-info/1"
    json.dumps(plain)


@pytest.mark.parametrize("name", each_network())
def test_defaults_shown_by_info_are_the_ones_used(name: str) -> None:
    shown = {s.name: s.default for s in info(name).settings}
    with torch.device("meta"):
        assert str(create(name)) == str(create(name, **shown))


def test_registered_networks_stand_beside_ours() -> None:
    register_family(family())
    try:
        assert "tiny_net" in list_models("tiny*")
        assert default_input_shape("tiny_net") == (1, 3, 8, 8)
        assert create("tiny_net", depth=2)(torch.zeros(1, 3, 8, 8)).shape == (1, 4, 4, 4)
        assert [s.type for s in info("tiny_net").settings][-1] == "float or None"
        with pytest.raises(UsageError, match="depth=10 is not possible"):
            create("tiny_net", depth=10)
        assert create("tiny_net", tail=None) is not None
    finally:
        default_registry.cache_clear()
    assert "tiny_net" not in list_models()


def test_refused_registrations() -> None:
    registry = Registry()
    registry.add(family())
    with pytest.raises(UsageError, match=r"'tiny_net' is registered already \(family Tiny\)"):
        registry.add(family())
    for bad in ("Tiny", "tiny-net", "tiny:net", "9tiny", "", "tiny.net", "a\x1b"):
        with pytest.raises(UsageError, match="cannot be the name of a network"):
            registry.add(family(bad))
    with pytest.raises(UsageError, match="are no frozen dataclass"):
        registry.add(family("other", config=dict))
    with pytest.raises(UsageError, match="has no setting 'breadth'"):
        registry.add(family(models=(Model("other", {"breadth": 1}),)))
    assert registry.names() == ["tiny_net"]


def test_a_builder_that_fails_is_a_usage_error_with_its_reason() -> None:
    def fails(config: TinyConfig) -> nn.Module:
        raise RuntimeError("no room")

    register_family(family(builder=fails))
    try:
        with pytest.raises(UsageError, match="tiny_net cannot be built with depth=2: no room"):
            create("tiny_net", depth=2)
    finally:
        default_registry.cache_clear()
