"""EfficientNet: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import setting
from steelyard.zoo.mobile_stages import MobileConfig, Stage, timm_keys
from steelyard.zoo.registry import Family, Model, Paper

_B0 = (
    Stage(channels=16, expansion=1, se=0.25),
    Stage(channels=24, repeats=2, stride=2, se=0.25),
    Stage(channels=40, repeats=2, kernel=5, stride=2, se=0.25),
    Stage(channels=80, repeats=3, stride=2, se=0.25),
    Stage(channels=112, repeats=3, kernel=5, se=0.25),
    Stage(channels=192, repeats=4, kernel=5, stride=2, se=0.25),
    Stage(channels=320, se=0.25),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EfficientNetConfig(MobileConfig):
    """Settings of EfficientNet; the stages are B0's, table 1 of the paper."""

    stages: tuple[Stage, ...] = setting(_B0, "the stages, steelyard.zoo.mobile_stages.Stage each")
    scale_head: Literal["never", "up", "always"] = setting(
        "always", "whether width also multiplies head_channels; up: only where it is above 1"
    )
    activation: Literal["relu", "relu6", "swish", "h_swish"] = setting(
        "swish", "behind normalisations, unless a stage has its own"
    )
    drop_path: float = setting(
        0.2, "rate of stochastic depth, grows linearly up to here", low=0, high=1
    )


_PAPER = Paper(
    "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    "Tan, Le",
    2019,
    "ICML 2019",
    "1905.11946",
)
_NOTES = (
    "Width, depth and resolution are the authors' code's; they are near, but not, powers of 1.1, 1.2 and "
    "1.15. Channels are rounded to multiples of 8, blocks up; squeeze-and-excitation has a quarter of "
    "the block's input channels. "
)
_EPS = "Normalisation as torchvision has it (timm: bn_eps=1e-5, bn_momentum=0.1). "
_TF = "As trained in TensorFlow: SAME padding, eps 1e-3. "
_SCALES: dict[str, tuple[float, float, int, float]] = {
    "b0": (1.0, 1.0, 224, 0.2),
    "b1": (1.0, 1.1, 240, 0.2),
    "b2": (1.1, 1.2, 260, 0.3),
    "b3": (1.2, 1.4, 300, 0.3),
    "b4": (1.4, 1.8, 380, 0.4),
    "b5": (1.6, 2.2, 456, 0.4),
    "b6": (1.8, 2.6, 528, 0.5),
    "b7": (2.0, 3.1, 600, 0.5),
    "b8": (2.2, 3.6, 672, 0.5),
    "l2": (4.3, 5.3, 800, 0.5),
}
"""Variant -> width, depth, resolution, dropout."""
_TF_BN: dict[str, object] = {"bn_eps": 1e-3, "bn_momentum": 0.01}


def _model(variant: str) -> Model:
    """torchvision has B0 to B7, the last three with TensorFlow's normalisation; timm all."""
    width, depth, resolution, dropout = _SCALES[variant]
    name = f"efficientnet_{variant}"
    defaults: dict[str, object] = {
        "width": width,
        "depth": depth,
        "resolution": resolution,
        "dropout": dropout,
    }
    if variant in ("b5", "b6", "b7"):
        return Model(name, {**defaults, **_TF_BN}, _NOTES + _EPS, same_as={"torchvision": name})
    same_as = {"timm": name} if variant in ("b8", "l2") else {"torchvision": name, "timm": name}
    return Model(name, defaults, _NOTES, same_as=same_as)


def _tf(model: Model) -> Model:
    name = f"tf_{model.name}"
    defaults = {**model.defaults, **_TF_BN, "padding": "same"}
    return Model(name, defaults, _TF + _NOTES, same_as={"timm": name})


_MODELS = tuple(_model(variant) for variant in _SCALES)

FAMILIES = (
    Family(
        name="EfficientNet",
        builder="steelyard.zoo.efficientnet:EfficientNet",
        config=EfficientNetConfig,
        paper=_PAPER,
        keys={"timm": timm_keys([(stage.repeats, True) for stage in _B0], nested=True)},
        models=(*_MODELS, *(_tf(model) for model in _MODELS)),
    ),
)
