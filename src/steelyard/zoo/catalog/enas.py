"""ENAS: settings, paper and names of the networks of its micro and its macro search space."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from steelyard.layers.genotype import Genotype
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class ENASMicroConfig(ImageConfig):
    """Settings of a network of ENAS' micro search space."""

    num_classes: int = setting(10, "classes, the size of the last layer", low=1, high=2**20)
    resolution: int = setting(32, "height and width of the image", low=1, high=2**20)
    cell: str | Genotype = setting(  # noqa: RUF009  (a frozen default)
        "enas_micro", "the two cells: a name of steelyard.zoo.genotypes, or a Genotype"
    )
    cells: int = setting(
        15, "N: normal cells; reduction cells come after one and two thirds", low=3, high=768
    )
    filters: int = setting(36, "F: channels of the first cells' states", low=2, high=2**16)
    dropout: float = setting(0.2, "share of the pooled features that training drops", low=0, high=1)
    drop_path: float = setting(
        0.4, "share of samples that lose an edge of the last cell in training", low=0, high=1
    )
    aux_head: bool = setting(
        False, "auxiliary classifier in training, behind the cell after the second reduction"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ENASMacroConfig(ImageConfig):
    """Settings of a network of ENAS' macro search space."""

    num_classes: int = setting(10, "classes, the size of the last layer", low=1, high=2**20)
    resolution: int = setting(32, "height and width of the image", low=1, high=2**20)
    arc: str = setting(
        "enas_macro",
        "name of an architecture, or for every layer its operation (0 and 1: 3x3, 2 and 3: 5x5) and a "
        "0 or 1 for each layer before, with '.' between numbers",
    )
    filters: int = setting(
        96, "channels of the first layers; doubled after one and two thirds", low=2, high=2**16
    )
    separable: bool = setting(
        False, "operations 1 and 3 are separable as in the paper, not ordinary as in the code"
    )
    dropout: float = setting(0.5, "share of the pooled features that training drops", low=0, high=1)


ARCS = MappingProxyType(
    {
        # melodyguan/enas scripts/cifar10_macro_final.sh
        "enas_macro": (
            "0 "
            "3 0 "
            "0 1 0 "
            "2 0 0 1 "
            "2 0 0 0 0 "
            "3 1 1 0 1 0 "
            "2 0 0 0 0 0 1 "
            "2 0 1 1 0 1 1 1 "
            "1 0 1 1 1 0 1 0 1 "
            "0 0 0 0 0 0 0 0 0 0 "
            "2 0 0 0 0 0 1 0 0 0 0 "
            "0 1 0 0 1 1 0 0 0 0 1 1 "
            "2 0 1 0 0 0 0 0 1 0 1 1 0 "
            "1 0 0 1 0 0 0 1 1 1 0 1 0 1 "
            "0 1 1 0 1 0 1 0 0 0 0 0 1 0 0 "
            "2 0 0 1 0 0 0 0 0 0 0 1 0 1 0 1 "
            "2 0 1 0 0 0 1 0 0 1 1 1 1 0 0 1 0 "
            "2 0 0 0 0 1 0 1 0 1 0 0 1 0 1 0 0 1 "
            "3 0 1 1 0 1 0 0 0 0 0 1 0 1 0 1 0 0 0 "
            "3 0 1 1 0 0 0 0 0 0 0 0 0 1 1 0 0 0 0 1 "
            "0 1 0 0 1 0 1 1 0 0 0 1 0 0 0 0 0 1 1 0 0 "
            "3 0 1 0 1 1 0 0 1 0 1 1 0 1 1 0 1 0 0 1 0 0 "
            "0 1 0 1 0 1 0 0 0 0 0 0 0 0 1 0 1 0 0 1 0 0 0 "
            "0 1 1 0 0 0 1 1 1 0 1 0 0 0 1 0 1 0 0 1 1 0 0 0"
        ),
    }
)
"""Published architectures of the macro search space."""

_PAPER = Paper(
    "Efficient Neural Architecture Search via Parameter Sharing",
    "Pham, Guan, Zoph, Le, Dean",
    2018,
    "ICML 2018",
    "1802.03268",
)

FAMILIES = (
    Family(
        name="ENAS micro",
        builder="steelyard.zoo.enas:ENASMicro",
        config=ENASMicroConfig,
        paper=_PAPER,
        models=(
            Model(
                "enas_micro_cifar",
                {},
                "The architecture of melodyguan/enas scripts/cifar10_micro_final.sh, built as its "
                "micro_child.py does: the newer input of a cell is projected twice, no bias in the "
                "classifier. It has 3.9 M parameters; the paper's network has 4.6 M.",
            ),
        ),
    ),
    Family(
        name="ENAS macro",
        builder="steelyard.zoo.enas_macro:ENASMacro",
        config=ENASMacroConfig,
        paper=_PAPER,
        models=(
            Model(
                "enas_macro_cifar",
                {},
                "The architecture of melodyguan/enas scripts/cifar10_macro_final.sh, built as its "
                "general_child.py builds a fixed one: 1x1 and an ordinary convolution for all four "
                "operations (separable=True: separable ones where the paper has them). Factorised "
                "reductions that no later layer reads are left out.",
            ),
        ),
    ),
)
