"""MobileNetV3: settings, paper and names."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from steelyard.zoo.config import MAX_SIZE, setting
from steelyard.zoo.mobile_stages import Activation, MobileConfig, Stage, timm_keys
from steelyard.zoo.registry import Family, Model, Paper


def _stage(
    kernel: int, expansion: float, channels: int, se: bool, name: Activation, stride: int = 1
) -> Stage:
    """A row of table 1 or 2; h-swish is the network's own activation."""
    return Stage(
        channels=channels,
        kernel=kernel,
        stride=stride,
        expansion=expansion,
        se=0.25 if se else 0,
        activation="relu" if name == "relu" else None,
    )


_LARGE = (
    _stage(3, 1, 16, False, "relu"),
    _stage(3, 4, 24, False, "relu", 2),
    _stage(3, 3, 24, False, "relu"),
    _stage(5, 3, 40, True, "relu", 2),
    _stage(5, 3, 40, True, "relu"),
    _stage(5, 3, 40, True, "relu"),
    _stage(3, 6, 80, False, "h_swish", 2),
    _stage(3, 2.5, 80, False, "h_swish"),
    _stage(3, 2.3, 80, False, "h_swish"),
    _stage(3, 2.3, 80, False, "h_swish"),
    _stage(3, 6, 112, True, "h_swish"),
    _stage(3, 6, 112, True, "h_swish"),
    _stage(5, 6, 160, True, "h_swish", 2),
    _stage(5, 6, 160, True, "h_swish"),
    _stage(5, 6, 160, True, "h_swish"),
)
_SMALL = (
    _stage(3, 1, 16, True, "relu", 2),
    _stage(3, 72 / 16, 24, False, "relu", 2),
    _stage(3, 88 / 24, 24, False, "relu"),
    _stage(5, 4, 40, True, "h_swish", 2),
    _stage(5, 6, 40, True, "h_swish"),
    _stage(5, 6, 40, True, "h_swish"),
    _stage(5, 3, 48, True, "h_swish"),
    _stage(5, 3, 48, True, "h_swish"),
    _stage(5, 6, 96, True, "h_swish", 2),
    _stage(5, 6, 96, True, "h_swish"),
    _stage(5, 6, 96, True, "h_swish"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNetV3Config(MobileConfig):
    """Settings of MobileNetV3; the stages are table 1 (Large) of the paper, one block each."""

    stages: tuple[Stage, ...] = setting(
        _LARGE,
        "the stages, steelyard.zoo.mobile_stages.Stage each; se goes by the expanded channels",
    )
    stem_channels: int = setting(16, "channels of the first convolution", low=1, high=MAX_SIZE)
    last_conv: int = setting(
        960, "channels of the convolution before pooling", low=1, high=MAX_SIZE
    )
    head_bias: bool = setting(True, "biases in the layer of head_channels")
    activation: Literal["relu", "relu6", "swish", "h_swish"] = setting(
        "h_swish", "behind normalisations, unless a stage has its own"
    )
    bn_eps: float = setting(1e-3, "added to the variance", low=1e-12, high=1)
    bn_momentum: float = setting(0.01, "share of new statistics", low=0, high=1)


_PAPER = Paper(
    "Searching for MobileNetV3",
    "Howard, Sandler, Chu, Chen, Chen, Tan, Wang, Zhu, Pang, Vasudevan, Le, Adam",
    2019,
    "ICCV 2019",
    "1905.02244",
)
_NOTES = (
    "Squeeze-and-excitation has a quarter of the expanded channels, rounded to multiples of 8, and a "
    "hard gate. Expanded channels follow the block's scaled input, as in the authors' code, not the "
    "printed sizes times the width, which round differently in Small. The authors' weights "
    "(tensorflow/models, slim) need padding='same'."
)
_HEAD = (
    " Head of 1024 as in the final paper and the authors' weights; mobilenet_v3_small_1280 has the paper's "
    "first one."
)
_FIRST = (
    "Head of 1280 as in the first version of the paper and in the table of the authors' release, counted "
    "without biases in that layer; the authors' code has them (head_bias=True, 1280 more parameters)."
)
_TIMM = "timm's normalisation (eps 1e-5); otherwise the paper's network. "
_TF = "As trained in TensorFlow: SAME padding. "
_MINIMAL = "Without squeeze-and-excitation, h-swish and 5x5 filters: the authors' release."
_TIMM_BN: dict[str, object] = {"bn_eps": 1e-5, "bn_momentum": 0.1}


def _minimal(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    return tuple(dataclasses.replace(stage, se=0, kernel=3, activation=None) for stage in stages)


def _family(
    stages: tuple[Stage, ...], own: dict[str, Any], timm: tuple[int, ...], models: tuple[Model, ...]
) -> Family:
    """``timm``: blocks in each of timm's stages."""
    starts = [sum(timm[:i]) for i in range(len(timm))]
    keys = timm_keys(
        [(n, stages[start].se > 0) for n, start in zip(timm, starts, strict=True)],
        nested=False,
        conv_head=False,
    )
    return Family(
        name="MobileNetV3",
        builder="steelyard.zoo.mobilenet_v3:MobileNetV3",
        config=MobileNetV3Config,
        paper=_PAPER,
        keys={"timm": keys},
        models=tuple(
            dataclasses.replace(m, defaults={"stages": stages, **own, **m.defaults}) for m in models
        ),
    )


_S = {"last_conv": 576, "head_channels": 1024}
_LARGE_BLOCKS, _SMALL_BLOCKS = (1, 2, 3, 4, 2, 3), (1, 2, 3, 2, 3)

FAMILIES = (
    _family(
        _LARGE,
        {},
        _LARGE_BLOCKS,
        (
            Model("mobilenet_v3_large", {}, _NOTES, same_as={"torchvision": "mobilenet_v3_large"}),
            *(
                Model(name, {"width": width, **_TIMM_BN}, _TIMM + _NOTES, same_as={"timm": name})
                for name, width in {
                    "mobilenetv3_large_075": 0.75,
                    "mobilenetv3_large_100": 1.0,
                }.items()
            ),
            *(
                Model(
                    name, {"width": width, "padding": "same"}, _TF + _NOTES, same_as={"timm": name}
                )
                for name, width in {
                    "tf_mobilenetv3_large_075": 0.75,
                    "tf_mobilenetv3_large_100": 1.0,
                }.items()
            ),
        ),
    ),
    _family(
        _SMALL,
        _S,
        _SMALL_BLOCKS,
        (
            Model(
                "mobilenet_v3_small",
                {},
                _NOTES + _HEAD,
                same_as={"torchvision": "mobilenet_v3_small"},
            ),
            Model("mobilenet_v3_small_1280", {"head_channels": 1280, "head_bias": False}, _FIRST),
            *(
                Model(name, {**own, **_TIMM_BN}, _TIMM + _NOTES, same_as={"timm": name})
                for name, own in {
                    "mobilenetv3_small_050": {"width": 0.5, "scale_stem": False},
                    "mobilenetv3_small_075": {"width": 0.75},
                    "mobilenetv3_small_100": {},
                }.items()
            ),
            *(
                Model(
                    name, {"width": width, "padding": "same"}, _TF + _NOTES, same_as={"timm": name}
                )
                for name, width in {
                    "tf_mobilenetv3_small_075": 0.75,
                    "tf_mobilenetv3_small_100": 1.0,
                }.items()
            ),
        ),
    ),
    *(
        _family(
            _minimal(stages),
            {**own, "activation": "relu"},
            blocks,
            (Model(name, {"padding": "same"}, _MINIMAL, same_as={"timm": name}),),
        )
        for name, stages, own, blocks in (
            ("tf_mobilenetv3_large_minimal_100", _LARGE, {}, _LARGE_BLOCKS),
            ("tf_mobilenetv3_small_minimal_100", _SMALL, _S, _SMALL_BLOCKS),
        )
    ),
)
