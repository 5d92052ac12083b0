"""DARTS and the networks that keep its layout: settings, papers and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.layers.genotype import Genotype
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class DARTSConfig(ImageConfig):
    """Settings of a network of DARTS' layout."""

    cell: str | Genotype = setting(  # noqa: RUF009  (a frozen default)
        "darts_v2", "the two cells: a name of steelyard.zoo.genotypes, or a Genotype"
    )
    layers: int = setting(
        20, "L: cells; those at one third and two thirds are reduction cells", low=3, high=1024
    )
    filters: int = setting(36, "C: channels of the first cells' states", low=2, high=2**16)
    stem: Literal["imagenet", "cifar"] = setting(
        "cifar", "three 3x3 with stride 2 to C channels; or one 3x3 to 3C channels"
    )
    drop_path: float = setting(
        0.0, "share of samples that lose an edge in training, the same in all cells", low=0, high=1
    )
    aux_head: bool = setting(
        False, "auxiliary classifier in training, on the second reduction cell"
    )


_PAPER = Paper(
    "DARTS: Differentiable Architecture Search",
    "Liu, Simonyan, Yang",
    2018,
    "ICLR 2019",
    "1806.09055",
)
_PDARTS = Paper(
    "Progressive Differentiable Architecture Search: Bridging the Depth Gap between Search and Evaluation",
    "Chen, Xie, Wu, Tian",
    2019,
    "ICCV 2019",
    "1904.12760",
)
_PC_DARTS = Paper(
    "PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search",
    "Xu, Xie, Zhang, Chen, Qi, Tian, Xiong",
    2019,
    "ICLR 2020",
    "1907.05737",
)
_CIFAR = {"num_classes": 10, "resolution": 32}
_IMAGENET = {"stem": "imagenet", "layers": 14, "filters": 48}
_NOTE = (
    "Layout of the authors' code (quark0/darts cnn/model.py), without the auxiliary head unless asked for. "
    "The factorised reduction takes a zero pixel beyond an odd map, where that code fails."
)

FAMILIES = (
    Family(
        name="DARTS",
        builder="steelyard.zoo.darts:DARTS",
        config=DARTSConfig,
        paper=_PAPER,
        models=(
            Model("darts_v1_cifar", {**_CIFAR, "cell": "darts_v1", "drop_path": 0.2}, _NOTE),
            Model("darts_v2_cifar", {**_CIFAR, "drop_path": 0.2}, _NOTE),
            Model("darts_v1_imagenet", {**_IMAGENET, "cell": "darts_v1"}, _NOTE),
            Model("darts_v2_imagenet", _IMAGENET, _NOTE),
            Model(
                "pdarts_cifar", {**_CIFAR, "cell": "pdarts", "drop_path": 0.3}, _NOTE, paper=_PDARTS
            ),
            Model("pdarts_imagenet", {**_IMAGENET, "cell": "pdarts"}, _NOTE, paper=_PDARTS),
            Model(
                "pc_darts_cifar",
                {**_CIFAR, "cell": "pc_darts_cifar", "drop_path": 0.3},
                _NOTE,
                paper=_PC_DARTS,
            ),
            Model(
                "pc_darts_imagenet",
                {**_IMAGENET, "cell": "pc_darts_imagenet"},
                _NOTE,
                paper=_PC_DARTS,
            ),
        ),
    ),
)
