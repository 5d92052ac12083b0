"""MobileNetV1: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import MAX_SIZE, ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNetV1Config(ImageConfig):
    """Settings of a chain of depthwise separable convolutions."""

    channels: tuple[int, ...] = setting(
        (64, 128, 128, 256, 256, *[512] * 6, 1024, 1024),
        "outputs of each depthwise separable convolution",
        low=1,
        high=MAX_SIZE,
    )
    strides: tuple[int, ...] = setting(
        (1, 2, 1, 2, 1, 2, *[1] * 5, 2, 1), "stride of each, as many as channels", low=1, high=2
    )
    kernel: int = setting(3, "side of the depthwise filters, odd", low=1, high=99)
    stem_channels: int = setting(32, "channels of the first convolution", low=1, high=MAX_SIZE)
    stem: Literal["imagenet", "cifar"] = setting(
        "imagenet", "cifar: stride 1 in the first convolution and in the first block that has 2"
    )
    se: float = setting(
        0.0,
        "channels inside a squeeze-and-excitation over a block's output; 0: none",
        low=0,
        high=64,
    )
    activation: Literal["relu", "relu6", "swish", "h_swish"] = setting(
        "relu6", "behind every normalisation"
    )
    dropout: float = setting(0.001, "rate before the last layer", low=0, high=1)
    padding: Literal["torch", "same"] = setting(
        "torch", "half the kernel on every side, or TensorFlow's SAME"
    )
    bn_eps: float = setting(1e-5, "added to the variance", low=1e-12, high=1)
    bn_momentum: float = setting(0.1, "share of new statistics", low=0, high=1)


_PAPER = Paper(
    "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    "Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam",
    2017,
    "arXiv",
    "1704.04861",
)
_NOTES = (
    "ReLU6, a dropout of 0.001 and at least 8 channels are the authors' code (tensorflow/models, slim); "
    "the paper says ReLU. That code pads as TensorFlow does (padding='same', bn_eps=0.001), at equal "
    "counts, and has 1001 classes."
)
_SHALLOW = "Table 5: without the five 14x14 blocks of 512 channels."
_SE = (
    "Hu et al. 2017 (arXiv:1709.01507), table 2, do not say where the blocks stand; behind every pointwise "
    "convolution, reduced by 16, they give the stated parameters and, with pooling and scaling counted, "
    "the stated operations."
)
_HU = Paper(
    "Squeeze-and-Excitation Networks", "Hu, Shen, Albanie, Sun, Wu", 2017, "CVPR 2018", "1709.01507"
)
_TIMM_STAGES = (1, 2, 2, 6, 2)


def _timm() -> tuple[tuple[str, str], ...]:
    pairs = [(r"^conv_stem\.", "features.0.0."), (r"^bn1\.", "features.0.1.")]
    count = 0
    for s, blocks in enumerate(_TIMM_STAGES):
        for r in range(blocks):
            count += 1
            where, ours = rf"^blocks\.{s}\.{r}\.", f"features.{count}."
            pairs += [
                (rf"{where}conv_dw\.", f"{ours}depthwise.0."),
                (rf"{where}bn1\.", f"{ours}depthwise.1."),
                (rf"{where}conv_pw\.", f"{ours}pointwise.0."),
                (rf"{where}bn2\.", f"{ours}pointwise.1."),
            ]
    return (*pairs, (r"^classifier\.", "classifier.1."))


FAMILIES = (
    Family(
        name="MobileNetV1",
        builder="steelyard.zoo.mobilenet_v1:MobileNetV1",
        config=MobileNetV1Config,
        paper=_PAPER,
        keys={"timm": _timm()},
        models=(
            Model("mobilenet_v1", {}, _NOTES, same_as={"timm": "mobilenetv1_100"}),
            Model("mobilenetv1_125", {"width": 1.25}, _NOTES, same_as={"timm": "mobilenetv1_125"}),
            Model(
                "mobilenet_v1_shallow",
                {
                    "channels": (64, 128, 128, 256, 256, 512, 1024, 1024),
                    "strides": (1, 2, 1, 2, 1, 2, 2, 1),
                },
                _SHALLOW,
            ),
            Model("se_mobilenet", {"se": 1 / 16}, _SE, _HU),
        ),
    ),
)
