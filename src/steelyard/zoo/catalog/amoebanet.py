"""AmoebaNet: settings, papers and names."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.layers.genotype import Genotype
from steelyard.zoo.catalog.nasnet import NASNetConfig
from steelyard.zoo.config import setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class AmoebaNetConfig(NASNetConfig):
    """Settings of an AmoebaNet: NASNet's, other defaults, one more stem."""

    cell: str | Genotype = setting(  # noqa: RUF009  (a frozen default)
        "amoebanet_a", "the two cells: a name of steelyard.zoo.genotypes, or a Genotype"
    )
    filters: int = setting(50, "F: channels of the first normal cells' states", low=4, high=2**16)


PAPER = Paper(
    "Regularized Evolution for Image Classifier Architecture Search",
    "Real, Aggarwal, Huang, Le",
    2018,
    "AAAI 2019",
    "1802.01548",
)
_GPIPE = Paper(
    "GPipe: Efficient Training of Giant Neural Networks using Pipeline Parallelism",
    "Huang, Cheng, Bapna, Firat, Chen, Chen, Lee, Ngiam, Le, Wu, Chen",
    2018,
    "NeurIPS 2019",
    "1811.06965",
)
_TORCHGPIPE = Paper(
    "torchgpipe: On-the-fly Pipeline Parallelism for Training Giant Models",
    "Kim, Lee, Jeong, Baek, Yoon, Kim, Lim, Kim",
    2020,
    "arXiv",
    "2004.09910",
)
_NOTE = (
    "Cells of tensorflow/tpu models/experimental/amoeba_net/model_specs.py, layout of its "
    "model_builder.py. A factorised reduction has 2 int(F/2) channels, as that code computes them; it "
    "accepts even ones only, which F = 50, 62 and 190 do not give in the stem. The code has 1001 classes."
)
_B = (
    " Operation 'dil_2_separable_5x5_2' is built with the dilation of 2 in its name; that code reads it "
    "without. Parameters and multiply-accumulates are the same."
)
_CIFAR = {"stem": "cifar", "num_classes": 10, "resolution": 32, "cells": 6}


def _imagenet(letter: str, cells: int, filters: int) -> dict[str, object]:
    return {"cell": f"amoebanet_{letter}", "cells": cells, "filters": filters}


def _note(letter: str) -> str:
    return _NOTE + (_B if letter == "b" else "")


FAMILIES = (
    Family(
        name="AmoebaNet",
        builder="steelyard.zoo.amoebanet:AmoebaNet",
        config=AmoebaNetConfig,
        paper=PAPER,
        models=(
            *(
                Model(f"amoebanet_{letter}_mobile", _imagenet(letter, n, f), _note(letter))
                for letter, n, f in (("a", 4, 50), ("b", 3, 62), ("c", 4, 50))
            ),
            *(
                Model(
                    f"amoebanet_{letter}_large",
                    {**_imagenet(letter, 6, f), "resolution": 331},
                    _note(letter),
                )
                for letter, f in (("a", 190), ("b", 190), ("c", 228))
            ),
            Model("amoebanet_a_448", {**_imagenet("a", 6, 448), "resolution": 331}, _note("a")),
            *(
                Model(
                    f"amoebanet_{letter}_cifar",
                    {**_CIFAR, "cell": f"amoebanet_{letter}", "filters": f},
                    _note(letter),
                )
                for letter, f in (("a", 36), ("b", 128))
            ),
            Model(
                "amoebanet_d_large",
                {**_imagenet("d", 6, 256), "resolution": 299},
                "The defaults of tensorflow/tpu models/official/amoeba_net. " + _note("d"),
            ),
            Model(
                "amoebanet_b_gpipe",
                {**_imagenet("b", 6, 512), "resolution": 480},
                "AmoebaNet-B (N=6, F=512), 557 M parameters. " + _note("b"),
                paper=_GPIPE,
            ),
            *(
                Model(
                    f"amoebanet_d_18_{filters}",
                    {**_imagenet("d", 6, filters), "stem": "torchgpipe"},
                    "AmoebaNet-D (18, F) of kakaobrain/torchgpipe: 18 normal cells, wider stem. Here with "
                    "maximum pooling where that code takes means, without its ReLU on the image, with "
                    "one before the classifier, with its padding as TensorFlow's; counts are the same.",
                    paper=_TORCHGPIPE,
                )
                for filters in (208, 416, 544)
            ),
        ),
    ),
)
