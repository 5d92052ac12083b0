"""MobileNetV2: settings, paper and names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import setting
from steelyard.zoo.mobile_stages import MobileConfig, Stage, timm_keys
from steelyard.zoo.registry import Family, Model, Paper

_STAGES = (
    Stage(channels=16, expansion=1),
    Stage(channels=24, repeats=2, stride=2),
    Stage(channels=32, repeats=3, stride=2),
    Stage(channels=64, repeats=4, stride=2),
    Stage(channels=96, repeats=3),
    Stage(channels=160, repeats=3, stride=2),
    Stage(channels=320),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNetV2Config(MobileConfig):
    """Settings of MobileNetV2; the stages are table 2 of the paper."""

    stages: tuple[Stage, ...] = setting(
        _STAGES, "the stages, steelyard.zoo.mobile_stages.Stage each"
    )
    scale_head: Literal["never", "up", "always"] = setting(
        "up", "whether width also multiplies head_channels; up: only where it is above 1"
    )


_PAPER = Paper(
    "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
    "Sandler, Howard, Zhu, Zhmoginov, Chen",
    2018,
    "CVPR 2018",
    "1801.04381",
)
_NOTES = (
    "Channels are rounded to multiples of 8, never below 90 % of what was asked; the last convolution "
    "has 1280 channels, more above width 1; the first block has no expansion. The authors' weights "
    "(tensorflow/models, slim) need padding='same' and bn_eps=0.001. The paper has no network for small "
    "images; stem='cifar' takes off the first two strides, as is usual for 32x32."
)
_DEEP = "timm's: deeper, but for the first and last stage, and wider, but for stem and head."

_TORCHVISION = (
    (r"^features\.1\.conv\.1\.", "features.1.block.1.0."),
    (r"^features\.1\.conv\.2\.", "features.1.block.1.1."),
    (r"^features\.(\d+)\.conv\.2\.", r"features.\1.block.2.0."),
    (r"^features\.(\d+)\.conv\.3\.", r"features.\1.block.2.1."),
    (r"^features\.(\d+)\.conv\.", r"features.\1.block."),
)


def _timm(depth: float = 1) -> tuple[tuple[str, str], ...]:
    inner = [(math.ceil(stage.repeats * depth), False) for stage in _STAGES[1:-1]]
    return timm_keys([(1, False), *inner, (1, False)], nested=False)


def _family(depth: float, models: tuple[Model, ...]) -> Family:
    return Family(
        name="MobileNetV2",
        builder="steelyard.zoo.mobilenet_v2:MobileNetV2",
        config=MobileNetV2Config,
        paper=_PAPER,
        keys={"torchvision": _TORCHVISION, "timm": _timm(depth)},
        models=models,
    )


FAMILIES = (
    _family(
        1,
        (
            Model(
                "mobilenet_v2",
                {},
                _NOTES,
                same_as={"torchvision": "mobilenet_v2", "timm": "mobilenetv2_100"},
            ),
            *(
                Model(name, {"width": width}, _NOTES, same_as={"timm": name})
                for name, width in {
                    "mobilenetv2_035": 0.35,
                    "mobilenetv2_050": 0.5,
                    "mobilenetv2_075": 0.75,
                    "mobilenetv2_140": 1.4,
                }.items()
            ),
            Model(
                "mobilenet_v2_cifar",
                {"stem": "cifar", "num_classes": 10, "resolution": 32},
                _NOTES,
            ),
        ),
    ),
    *(
        _family(
            depth,
            (
                Model(
                    name,
                    {
                        "width": width,
                        "depth": depth,
                        "deepen_ends": False,
                        "scale_stem": False,
                        "scale_head": "never",
                    },
                    _DEEP,
                    same_as={"timm": name},
                ),
            ),
        )
        for name, width, depth in (("mobilenetv2_110d", 1.1, 1.2), ("mobilenetv2_120d", 1.2, 1.4))
    ),
)
