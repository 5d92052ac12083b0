"""NASNet: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.layers.genotype import Genotype
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class NASNetConfig(ImageConfig):
    """Settings of a network of NASNet's or AmoebaNet's layout."""

    cell: str | Genotype = setting(  # noqa: RUF009  (a frozen default)
        "nasnet_a", "the two cells: a name of steelyard.zoo.genotypes, or a Genotype"
    )
    cells: int = setting(4, "N: normal cells between two reduction cells", low=1, high=256)
    filters: int = setting(44, "F: channels of the first normal cells' states", low=4, high=2**16)
    stem: Literal["imagenet", "cifar", "torchgpipe"] = setting(
        "imagenet",
        "unpadded 3x3 with stride 2 and two reduction cells of F/4 and F/2; 3x3 to 3F channels; or "
        "padded 3x3 with stride 2 to F/4 and two reduction cells of F/2 and F",
    )
    stem_channels: int = setting(
        32, "channels of the ImageNet stem's convolution", low=1, high=4096
    )
    reductions: Literal["cells", "strides"] = setting(
        "cells",
        "reduction cells between the stacks; or a stride in the first cell of a stack (PNASNet)",
    )
    skip_reduction_input: bool = setting(
        False,
        "the cell behind a reduction cell sees the same older input as that one (NASNet large)",
    )
    average_border: Literal["excluded", "zeros"] = setting(
        "excluded",
        "average pooling with stride leaves out what is beyond the border, or counts it as zeros (timm)",
    )
    dropout: float = setting(0.0, "share of the pooled features that training drops", low=0, high=1)
    drop_path: float = setting(
        0.0, "share of samples that lose an edge of the last cell in training", low=0, high=1
    )
    aux_head: bool = setting(
        False, "auxiliary classifier in training, on the last cell before the second reduction"
    )


PAPER = Paper(
    "Learning Transferable Architectures for Scalable Image Recognition",
    "Zoph, Vasudevan, Shlens, Le",
    2017,
    "CVPR 2018",
    "1707.07012",
)
_LAYOUT = (
    "Layout and cells of the authors' code (tensorflow/models research/slim nets/nasnet): padding as "
    "TensorFlow's SAME, first convolution unpadded, separable convolutions applied twice, the first cell "
    "takes its only input twice, once without projection. "
)
_CIFAR = {"stem": "cifar", "num_classes": 10, "resolution": 32, "drop_path": 0.4}

FAMILIES = (
    Family(
        name="NASNet",
        builder="steelyard.zoo.nasnet:NASNet",
        config=NASNetConfig,
        paper=PAPER,
        models=(
            Model(
                "nasnet_mobile",
                {"dropout": 0.5},
                _LAYOUT + "NASNet-A (4 @ 1056): 1056 = 24 F channels at the end.",
            ),
            Model(
                "nasnetalarge",
                {
                    "cells": 6,
                    "filters": 168,
                    "stem_channels": 96,
                    "skip_reduction_input": True,
                    "average_border": "zeros",
                    "resolution": 331,
                    "dropout": 0.5,
                    "drop_path": 0.3,
                },
                _LAYOUT + "NASNet-A (6 @ 4032). average_border='zeros' is what timm computes; the "
                "authors' network, and the released weights, want 'excluded'. It matters at the borders of "
                "the maps that the reduction cells see.",
                same_as={"timm": "nasnetalarge"},
            ),
            Model(
                "nasnet_a_5_1538",
                {"cells": 5, "filters": 64, "resolution": 299, "dropout": 0.5},
                _LAYOUT
                + "NASNet-A (5 @ 1538): 1538 is not 24 times a whole number; F = 64 gives 1536.",
            ),
            Model(
                "nasnet_a_7_1920",
                {"cells": 7, "filters": 80, "resolution": 299, "dropout": 0.5},
                _LAYOUT + "NASNet-A (7 @ 1920). The paper does not say how wide its stem is.",
            ),
            Model("nasnet_cifar", {**_CIFAR, "cells": 6, "filters": 32}, _LAYOUT + "(6 @ 768)."),
            Model(
                "nasnet_cifar_7_2304",
                {**_CIFAR, "cells": 7, "filters": 96},
                _LAYOUT + "(7 @ 2304).",
            ),
        ),
        keys={
            "timm": (
                (r"^conv0\.", "stem.conv0."),
                (r"^(cell_stem_\d|cell_\d+|reduction_cell_\d)\.", r"chain.cells.\1."),
                (r"\.conv_prev_1x1\.", ".previous."),
                (r"\.conv_1x1\.", ".current."),
                (r"\.path_([12])\.conv\.", r".previous.path\1."),
                (r"\.final_path_bn\.", ".previous.bn."),
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
