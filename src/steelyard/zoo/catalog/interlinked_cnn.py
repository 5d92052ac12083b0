"""Interlinked CNN: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class InterlinkedConfig(ImageConfig):
    """Settings of an interlinked CNN."""

    rows: int = setting(4, "resolutions, each half the one before", low=2, high=16)
    channels: int = setting(8, "channels of the finest row; row i has i times as many", low=1)
    interlinks: int = setting(3, "interlinking layers", low=0, high=1024)
    kernel: int = setting(5, "side of the filters, odd", low=1, high=255)
    score_kernel: int = setting(9, "side of the last filters, odd", low=1, high=255)
    norm: bool = setting(False, "batch normalisation before every tanh, as later copies have it")


_NOTES = (
    "Rows of 8, 16, 24 and 32 maps, 5x5 filters, three interlinking layers, 2L + 8 maps and 9x9 filters "
    "before the L labels: as two independent copies have it (aod321/icnn-face and a second one; they "
    "differ in the convolutions of an interlinking layer, one here, and in the last layers). The paper "
    "prints no counts. Returns a map of scores, to be normalised by softmax. Initialised as tanh networks "
    "are (Glorot and Bengio 2010)."
)

FAMILIES = (
    Family(
        name="iCNN",
        builder="steelyard.zoo.interlinked_cnn:InterlinkedCNN",
        config=InterlinkedConfig,
        paper=Paper(
            "Interlinked Convolutional Neural Networks for Face Parsing",
            "Zhou, Hu, Zhang",
            2015,
            "ISNN 2015",
            "1806.02479",
        ),
        models=(
            Model(
                "icnn_stage1",
                {"num_classes": 9, "resolution": 64},
                _NOTES + " Stage 1: 9 labels on the whole face.",
            ),
            Model(
                "icnn_stage2",
                {"num_classes": 2, "resolution": 64},
                _NOTES + " Stage 2: one network each for eyebrows, eyes and nose.",
            ),
            Model(
                "icnn_stage2_mouth",
                {"num_classes": 4, "resolution": 80},
                _NOTES + " Stage 2, mouth: lips, inner mouth and background.",
            ),
        ),
    ),
)
