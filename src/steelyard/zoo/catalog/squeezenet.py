"""SqueezeNet: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.errors import UsageError
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class SqueezeNetConfig(ImageConfig):
    """Settings of SqueezeNet; the metaparameters are those of sec. 5.1 of the paper."""

    stem: Literal["7x7", "3x3"] = setting(
        "7x7", "first convolution: 7x7 with 96 channels (1.0), 3x3 with 64 (1.1)"
    )
    pool_after: tuple[int, ...] = setting(
        (3, 7), "Fire modules, counted from 1, that a pooling follows", low=0, high=256
    )
    fires: int = setting(8, "Fire modules", low=1, high=256)
    expand_base: int = setting(
        128, "expanding channels of the first Fire modules", low=2, high=2**16
    )
    expand_step: int = setting(128, "how many more they get each time they grow", low=0, high=2**16)
    frequency: int = setting(2, "Fire modules between two such steps", low=1, high=256)
    squeeze_ratio: float = setting(
        0.125, "squeezing channels for each expanding one", low=0.001, high=4
    )
    share_3x3: float = setting(0.5, "share of 3x3 among the expanding filters", low=0.01, high=0.99)
    bypass: Literal["none", "simple", "complex"] = setting(
        "none",
        "simple: modules that keep the channels add their input; complex: the others a 1x1 of it, too",
    )
    last_padding: int = setting(
        0, "padding of the last 1x1 convolution; 1 in Caffe's model of 1.0", low=0, high=8
    )
    dropout: float = setting(0.5, "probability of dropping a feature", low=0, high=1)

    def __post_init__(self) -> None:
        if max(self.pool_after) > self.fires:
            raise UsageError(
                f"SqueezeNet: pool_after={self.pool_after!r} with {self.fires} Fire modules",
                expected=f"numbers up to {self.fires}; (0,) for no pooling between",
            )
        threes = round(self.share_3x3 * self.expand_base)
        if not 0 < threes < self.expand_base or round(self.squeeze_ratio * self.expand_base) < 1:
            raise UsageError(
                f"SqueezeNet: expand_base={self.expand_base}, share_3x3={self.share_3x3}, "
                f"squeeze_ratio={self.squeeze_ratio} leave a layer of a Fire module without filters",
                expected="at least one filter in each",
            )


_V11: dict[str, object] = {"stem": "3x3", "pool_after": (2, 4)}
_CAFFE: dict[str, object] = {"resolution": 227, "last_padding": 1}
_NOTE = (
    "Poolings round up and the first convolution does not pad, in Caffe as in torchvision. At 224x224, "
    "torchvision's input, it is {} M MACs, at the authors' 227x227 {} M."
)

FAMILIES = (
    Family(
        name="SqueezeNet",
        builder="steelyard.zoo.squeezenet:SqueezeNet",
        config=SqueezeNetConfig,
        paper=Paper(
            "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
            "Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer",
            2016,
            "arXiv",
            "1602.07360",
        ),
        models=(
            Model(
                "squeezenet1_0",
                notes=_NOTE.format(819, 833)
                + " squeezenet1_0_caffe is the authors' file, whose last convolution is padded.",
                same_as={"torchvision": "squeezenet1_0"},
            ),
            Model(
                "squeezenet1_1",
                _V11,
                _NOTE.format(349, 388)
                + " Less computation than 1.0 by a smaller first convolution "
                "and earlier pooling.",
                same_as={"torchvision": "squeezenet1_1"},
            ),
            Model(
                "squeezenet1_0_caffe",
                _CAFFE,
                "The authors' Caffe model of 1.0: 227x227, and a last 1x1 convolution that is padded by 1, so that "
                "it computes 15x15 outputs from 13x13 inputs.",
            ),
            Model(
                "squeezenet1_0_simple_bypass",
                {**_CAFFE, "bypass": "simple"},
                "Fig. 2, middle: Fire modules 3, 5, 7 and 9 add their input. No parameters more.",
            ),
            Model(
                "squeezenet1_0_complex_bypass",
                {**_CAFFE, "bypass": "complex"},
                "Fig. 2, right: as simple bypass, and modules 2, 4, 6 and 8 add a 1x1 convolution of their "
                "input. The 7.7 MB that the paper prints are not those of this figure, which has 6.1 MB of weights.",
            ),
        ),
    ),
)
