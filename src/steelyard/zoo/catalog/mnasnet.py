"""MnasNet: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import setting
from steelyard.zoo.mobile_stages import MobileConfig, Stage, timm_keys
from steelyard.zoo.registry import Family, Model, Paper

_B1 = (
    Stage(channels=16, expansion=1, skip=False),
    Stage(channels=24, repeats=3, stride=2, expansion=3),
    Stage(channels=40, repeats=3, kernel=5, stride=2, expansion=3),
    Stage(channels=80, repeats=3, kernel=5, stride=2),
    Stage(channels=96, repeats=2),
    Stage(channels=192, repeats=4, kernel=5, stride=2),
    Stage(channels=320, skip=False),
)
_A1 = (
    Stage(channels=16, expansion=1, skip=False),
    Stage(channels=24, repeats=2, stride=2),
    Stage(channels=40, repeats=3, kernel=5, stride=2, expansion=3, se=0.25),
    Stage(channels=80, repeats=4, stride=2),
    Stage(channels=112, repeats=2, se=0.25),
    Stage(channels=160, repeats=3, kernel=5, stride=2, se=0.25),
    Stage(channels=320),
)
_SMALL = (
    Stage(channels=8, expansion=1),
    Stage(channels=16, stride=2, expansion=3),
    Stage(channels=16, repeats=2, stride=2),
    Stage(channels=32, repeats=4, kernel=5, stride=2, se=0.25),
    Stage(channels=32, repeats=3, se=0.25),
    Stage(channels=88, repeats=3, kernel=5, stride=2, se=0.25),
    Stage(channels=144),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MnasNetConfig(MobileConfig):
    """Settings of MnasNet; the stages are B1's."""

    stages: tuple[Stage, ...] = setting(_B1, "the stages, steelyard.zoo.mobile_stages.Stage each")
    activation: Literal["relu", "relu6", "swish", "h_swish"] = setting(
        "relu", "behind normalisations, unless a stage has its own"
    )
    bn_momentum: float = setting(3e-4, "share of new statistics", low=0, high=1)


_PAPER = Paper(
    "MnasNet: Platform-Aware Neural Architecture Search for Mobile",
    "Tan, Chen, Pang, Vasudevan, Sandler, Howard, Le",
    2018,
    "CVPR 2019",
    "1807.11626",
)
_NOTES_B1 = (
    "MnasNet-B1: searched without squeeze-and-excitation. A2 and A3 of the paper's table 1 are not here: "
    "neither paper nor code gives their layers."
)
_NOTES_A1 = (
    "MnasNet-A1 (fig. 7): squeeze-and-excitation with a quarter of the block's input channels. The "
    "authors' weights need padding='same' and bn_eps=0.001."
)
_NOTES_SMALL = (
    "The authors' code (tensorflow/tpu, mnasnet-small); the paper names it in table 1 only."
)
_TORCHVISION = (
    (r"^layers\.0\.", "features.0.0."),
    (r"^layers\.1\.", "features.0.1."),
    (r"^layers\.3\.", "features.1.0.block.0.0."),
    (r"^layers\.4\.", "features.1.0.block.0.1."),
    (r"^layers\.6\.", "features.1.0.block.1.0."),
    (r"^layers\.7\.", "features.1.0.block.1.1."),
    (r"^layers\.14\.", "features.8.0."),
    (r"^layers\.15\.", "features.8.1."),
    *(
        (rf"^layers\.{s}\.(\d+)\.layers\.{3 * i + j}\.", rf"features.{s - 6}.\1.block.{i}.{j}.")
        for s in range(8, 14)
        for i in range(3)
        for j in range(2)
    ),
)
_WIDTHS = {"0_5": 0.5, "0_75": 0.75, "1_0": 1.0, "1_3": 1.3}
_IN_TIMM = {"0_5": "mnasnet_050", "0_75": "mnasnet_075", "1_0": "mnasnet_100"}


def _family(stages: tuple[Stage, ...], models: tuple[Model, ...]) -> Family:
    timm = timm_keys([(stage.repeats, stage.se > 0) for stage in stages], nested=True)
    return Family(
        name="MnasNet",
        builder="steelyard.zoo.mnasnet:MnasNet",
        config=MnasNetConfig,
        paper=_PAPER,
        keys={"torchvision": _TORCHVISION, "timm": timm},
        models=models,
    )


FAMILIES = (
    _family(
        _B1,
        (
            *(
                Model(
                    f"mnasnet{width}",
                    {"width": _WIDTHS[width]},
                    _NOTES_B1,
                    same_as={"torchvision": f"mnasnet{width}"}
                    | ({"timm": _IN_TIMM[width]} if width in _IN_TIMM else {}),
                )
                for width in _WIDTHS
            ),
            Model("mnasnet_140", {"width": 1.4}, _NOTES_B1, same_as={"timm": "mnasnet_140"}),
        ),
    ),
    _family(
        _A1,
        tuple(
            Model(name, {"stages": _A1, "width": width}, _NOTES_A1, same_as={"timm": name})
            for name, width in {
                "semnasnet_050": 0.5,
                "semnasnet_075": 0.75,
                "semnasnet_100": 1.0,
                "semnasnet_140": 1.4,
            }.items()
        ),
    ),
    _family(
        _SMALL,
        (
            Model(
                "mnasnet_small",
                {"stages": _SMALL, "stem_channels": 8},
                _NOTES_SMALL,
                same_as={"timm": "mnasnet_small"},
            ),
        ),
    ),
)
