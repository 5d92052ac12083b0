"""Spaces, images and a recipe that are small enough to be trained in a test."""

from __future__ import annotations

from steelyard.design.sharing import Images, images_of
from steelyard.design.spaces import DartsSpace, MobileSpace, MobileStage
from steelyard.train.recipe import DataPart, NetworkPart, OptimizerPart, Recipe

_SETTINGS = {"num_classes": 10, "in_channels": 1}


def mobile() -> MobileSpace:
    """Everything is elastic."""
    stages = (
        MobileStage(channels=(8, 16), kernel=(3, 5), expansion=(1, 2)),
        MobileStage(
            channels=(16, 24), repeats=(1, 2, 3), kernel=(5, 7, 3), expansion=(2, 3), se=(0, 0.25), stride=2
        ),
    )  # fmt: skip
    settings = {**_SETTINGS, "stem": "cifar", "stem_channels": 8, "head_channels": 16}
    return MobileSpace(
        "tiny", stages, resolution=(8, 6), width=(0.5, 1.0), settings={**settings, "dropout": 0.0}
    )


def darts() -> DartsSpace:
    """Three cells of two steps."""
    operations = ("sep_conv_3x3", "max_pool_3x3", "skip_connect")
    settings = {**_SETTINGS, "resolution": 8}
    return DartsSpace(
        "tiny_cells", "darts_v2_cifar", 2, operations, (3,), (4,), {**settings, "drop_path": 0.0}
    )


def recipe(epochs: int = 2) -> Recipe:
    """Some steps on digits."""
    return Recipe(
        name="tiny",
        epochs=epochs,
        network=NetworkPart("lenet5"),
        data=DataPart(source="digits", batch=512),
        optimizer=OptimizerPart(lr=0.05, weight_decay=1e-3),
    )


def images(share: float = 0.2) -> Images:
    """Digits."""
    return images_of(recipe(), share)
