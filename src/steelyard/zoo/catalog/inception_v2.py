"""BN-Inception, also called Inception v2: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class InceptionV2Config(ImageConfig):
    """Settings of BN-Inception."""

    stem: Literal["dense", "separable"] = setting(
        "dense", "first convolution: an ordinary 7x7, or eight 7x7 filters per channel and a 1x1"
    )
    pool_4cd: int = setting(
        128, "channels of the pooling branch in modules 4c and 4d", low=1, high=2**16
    )
    conv_bias: bool = setting(
        True, "biases before normalisation, which makes them superfluous, as in the Caffe model"
    )
    eps: float = setting(1e-3, "what batch normalisation adds to the variance", low=0, high=1)
    dropout: float = setting(0.0, "probability of dropping a feature", low=0, high=1)


_PAPER = Paper(
    "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift",
    "Ioffe, Szegedy",
    2015,
    "ICML 2015",
    "1502.03167",
)

FAMILIES = (
    Family(
        name="BN-Inception",
        builder="steelyard.zoo.inception_v2:InceptionV2",
        config=InceptionV2Config,
        paper=_PAPER,
        models=(
            Model(
                "bninception",
                notes="The network as its Caffe and PyTorch copies have it and as the SENet paper counts it: an ordinary "
                "7x7 first, pooling branches of 128 channels in 4c and 4d, biases before normalisation. Not the "
                "Inception-v2 of arXiv:1512.00567, whose modules' widths that paper does not print. Initial weights "
                "are those of the authors' TensorFlow models.",
            ),
            Model(
                "inception_v2",
                {"stem": "separable", "pool_4cd": 96, "conv_bias": False},
                "Fig. 5 of the paper to the letter, as TensorFlow's slim library has it under this name: a first "
                "convolution that is separable with multiplier 8, and pooling branches of 96 channels in 4c and 4d. "
                "Slim's normalisation has no gain, which is 8,880 parameters less.",
            ),
        ),
    ),
)
