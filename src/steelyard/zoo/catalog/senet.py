"""Squeeze-and-excitation networks: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.catalog.inception_v2 import InceptionV2Config
from steelyard.zoo.catalog.resnet import IMAGENET_BLOCKS, StagesConfig
from steelyard.zoo.config import MAX_SIZE, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class SENetConfig(StagesConfig):
    """Settings of an SE-ResNet, SE-ResNeXt or SENet."""

    block: Literal["basic", "bottleneck"] = setting(
        "bottleneck", "two 3x3 convolutions, or 1x1, 3x3, 1x1"
    )
    cardinality: int = setting(
        1, "groups of the 3x3 of a bottleneck, as in ResNeXt", low=1, high=MAX_SIZE
    )
    group_width: int = setting(
        64, "channels of each group in the first stage; doubled per stage", low=1, high=MAX_SIZE
    )
    halved: bool = setting(
        False, "the first 1x1 of a bottleneck has half the channels of the 3x3 (SENet-154)"
    )
    stride_at: Literal["1x1", "3x3"] = setting(
        "1x1", "which convolution of a bottleneck carries the stride"
    )
    projection: Literal[1, 3] = setting(
        1, "kernel size of the shortcuts that carry a stride (SENet-154: 3)"
    )
    stem: Literal["7x7", "3x3"] = setting("7x7", "one 7x7, or three 3x3 (SENet-154)")
    pool: Literal["ceil", "padded"] = setting(
        "ceil", "3x3 pooling of stride 2: Caffe's, over the rim, or padded by 1"
    )
    reduction: int = setting(16, "r: hidden channels are C / r", low=1, high=1024)
    multiple_of: int = setting(
        1, "hidden channels are rounded to a multiple of this", low=1, high=1024
    )
    rectified: bool = setting(
        False, "a ReLU stands before squeeze-and-excitation in basic blocks (timm's legacy ones)"
    )
    dropout: float = setting(0.0, "before the classifier", low=0, high=0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class SEInceptionConfig(InceptionV2Config):
    """Settings of an SE-BN-Inception."""

    reduction: int = setting(16, "r: hidden channels are C / r", low=1, high=1024)


_CAFFE = (
    "The paper's network, as its Caffe release: {}; pooling over the rim; squeeze-and-excitation with biases, before "
    "the addition."
)
_TIMM = "As timm has it: the 3x3 carries the stride, padded pooling; the paper's own network is legacy_{}."
_BASIC = "As timm has it, at least 8 hidden channels; the paper has no network of basic blocks."
_LEGACY_BASIC = (
    "As timm has it, with one ReLU more, before squeeze-and-excitation; the paper has no network of "
    "basic blocks."
)
_PADDED: dict[str, object] = {"stride_at": "3x3", "pool": "padded"}
_SENET154: dict[str, object] = {
    "blocks": (3, 8, 36, 3),
    "cardinality": 64,
    "group_width": 4,
    "halved": True,
    "stride_at": "3x3",
    "projection": 3,
    "stem": "3x3",
    "dropout": 0.2,
}
_KEYS = ((r"\.se_module\.", ".se."), (r"^last_linear\.", "fc."))
_PAPER = Paper(
    "Squeeze-and-Excitation Networks",
    "Hu, Shen, Albanie, Sun, Wu",
    2017,
    "CVPR 2018",
    "1709.01507",
)


def _resnets() -> list[Model]:
    models = []
    for depth in (18, 34, 50, 101, 152):
        block, blocks = IMAGENET_BLOCKS[depth]
        name = f"seresnet{depth}"
        timm: dict[str, object] = {"block": block, "blocks": blocks, **_PADDED}
        if block == "bottleneck":
            caffe: dict[str, object] = {"blocks": blocks}
            notes = _CAFFE.format("the first 1x1 of a bottleneck carries the stride")
            models.append(Model(f"legacy_{name}", caffe, notes, same_as={"timm": f"legacy_{name}"}))
            notes = _TIMM.format(name)
        else:
            timm["multiple_of"] = 8
            notes = _BASIC
        models.append(Model(name, timm, notes, same_as={"timm": name}))
    return models


def _resnexts() -> list[Model]:
    models = []
    for depth, cardinality, group_width in (
        (26, 32, 4),
        (50, 32, 4),
        (101, 32, 4),
        (101, 32, 8),
        (101, 64, 4),
    ):
        shape: dict[str, object] = {
            "blocks": IMAGENET_BLOCKS[depth][1],
            "cardinality": cardinality,
            "group_width": group_width,
            "stride_at": "3x3",
        }
        name = f"seresnext{depth}_{cardinality}x{group_width}d"
        if (cardinality, group_width) == (32, 4):
            notes = _CAFFE.format("the 3x3 carries the stride")
            models.append(Model(f"legacy_{name}", shape, notes, same_as={"timm": f"legacy_{name}"}))
        if depth != 26:
            notes = "Padded pooling, as timm has it."
            models.append(Model(name, shape | _PADDED, notes, same_as={"timm": name}))
    return models


FAMILIES = (
    Family(
        name="SENet",
        builder="steelyard.zoo.senet:senet",
        config=SENetConfig,
        paper=_PAPER,
        models=(*_resnets(), *_resnexts()),
        keys={"timm": ((r"^layer0\.", ""), *_KEYS)},
    ),
    Family(
        name="SENet, basic blocks",
        builder="steelyard.zoo.senet:senet",
        config=SENetConfig,
        paper=_PAPER,
        models=tuple(
            Model(
                f"legacy_seresnet{depth}",
                {"block": "basic", "blocks": IMAGENET_BLOCKS[depth][1], "rectified": True},
                _LEGACY_BASIC,
                same_as={"timm": f"legacy_seresnet{depth}"},
            )
            for depth in (18, 34)
        ),
        keys={"timm": ((r"^layer0\.", ""), (r"\.se_module\.", ".se.1."), *_KEYS)},
    ),
    Family(
        name="SENet-154",
        builder="steelyard.zoo.senet:senet",
        config=SENetConfig,
        paper=_PAPER,
        models=(
            Model(
                "legacy_senet154",
                _SENET154,
                _CAFFE.format(
                    "64 groups of 4, half as many channels before the 3x3, three 3x3 at the start"
                ),
                same_as={"timm": "legacy_senet154"},
            ),
            Model(
                "senet154",
                _SENET154 | {"pool": "padded"},
                "Padded pooling, as timm has it; the paper's own network is legacy_senet154.",
                same_as={"timm": "senet154"},
            ),
        ),
        keys={
            "timm": (
                (r"^layer0\.conv1\.", "conv1.0."),
                (r"^layer0\.bn1\.", "conv1.1."),
                (r"^layer0\.conv2\.", "conv1.3."),
                (r"^layer0\.bn2\.", "conv1.4."),
                (r"^layer0\.conv3\.", "conv1.6."),
                (r"^layer0\.bn3\.", "bn1."),
                *_KEYS,
            )
        },
    ),
    Family(
        name="SE-BN-Inception",
        builder="steelyard.zoo.senet:se_inception",
        config=SEInceptionConfig,
        paper=_PAPER,
        models=(
            Model(
                "se_bninception",
                notes="Squeeze-and-excitation with biases behind each module's concatenation, those that halve the "
                "resolution included.",
            ),
        ),
    ),
)
