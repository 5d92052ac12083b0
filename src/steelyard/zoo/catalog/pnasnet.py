"""PNASNet: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.layers.genotype import Genotype
from steelyard.zoo.catalog.nasnet import NASNetConfig
from steelyard.zoo.config import setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class PNASNetConfig(NASNetConfig):
    """Settings of a PNASNet: NASNet's, other defaults."""

    cell: str | Genotype = setting(  # noqa: RUF009  (a frozen default)
        "pnasnet_5", "the two cells: a name of steelyard.zoo.genotypes, or a Genotype"
    )
    cells: int = setting(3, "N: cells of a stack", low=1, high=256)
    filters: int = setting(54, "F: channels of the first stack's states", low=4, high=2**16)
    reductions: Literal["cells", "strides"] = setting(
        "strides", "a stride in the first cell of a stack; or reduction cells between the stacks"
    )


_NOTE = (
    "Layout and cell of the authors' code (tensorflow/models research/slim nets/nasnet/pnasnet.py): the "
    "first cells of the second and third stack have the stride."
)

FAMILIES = (
    Family(
        name="PNASNet",
        builder="steelyard.zoo.pnasnet:PNASNet",
        config=PNASNetConfig,
        paper=Paper(
            "Progressive Neural Architecture Search",
            "Liu, Zoph, Neumann, Shlens, Hua, Li, Fei-Fei, Yuille, Huang, Murphy",
            2017,
            "ECCV 2018",
            "1712.00559",
        ),
        models=(
            Model("pnasnet5_mobile", {"dropout": 0.5}, "PNASNet-5 (N=3, F=54). " + _NOTE),
            Model(
                "pnasnet5large",
                {
                    "cells": 4,
                    "filters": 216,
                    "stem_channels": 96,
                    "resolution": 331,
                    "dropout": 0.5,
                    "drop_path": 0.4,
                },
                "PNASNet-5 (N=4, F=216). " + _NOTE,
                same_as={"timm": "pnasnet5large"},
            ),
        ),
        keys={
            "timm": (
                (r"^conv_0\.", "stem.conv0."),
                (r"^(cell_stem_\d|cell_\d+)\.", r"chain.cells.\1."),
                (r"\.conv_prev_1x1\.", ".previous."),
                (r"\.conv_1x1\.", ".current."),
                (r"\.path_([12])\.conv\.", r".path\1."),
                (r"\.final_path_bn\.", ".bn."),
                (r"\.comb_iter_0_right\.conv\.", ".edges.0.1.1."),
                (r"\.comb_iter_0_right\.bn\.", ".edges.0.1.2."),
                (r"\.comb_iter_(\d)_left\.", r".edges.\1.0."),
                (r"\.comb_iter_(\d)_right\.", r".edges.\1.1."),
                (r"\.bn_sep_([12])\.", r".separable_\1.bn."),
                (r"\.separable_1\.", ".0."),
                (r"\.separable_2\.", ".1."),
                (r"\.(depth|point)wise_conv2d\.", r".\1wise."),
                (r"^last_linear\.", "fc."),
            )
        },
    ),
)
