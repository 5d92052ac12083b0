"""Convolutional neural fabrics: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuralFabricConfig(ImageConfig):
    """Settings of a neural fabric."""

    layers: int = setting(8, "L: layers of the trellis", low=2, high=1024)
    channels: int = setting(64, "C: channels of every map", low=1, high=2**20)
    scales: int | None = setting(
        None, "S: resolutions, each half the one before; None: down to 1x1", low=2, high=21
    )
    connectivity: Literal["dense", "sparse"] = setting(
        "dense", "a channel sees all others, or itself and its two neighbours"
    )
    task: Literal["classify", "segment"] = setting(
        "classify", "scores for the image, or for every pixel"
    )


_COUNT = (
    "The paper counts 27 C^2 (dense) or 81 C (sparse) weights for each of the S L nodes. By the authors' "
    "generator the rims have fewer: 3 S L - 2 L - S convolutions of 9 C^2 or 9 (3C - 2) weights "
    "between maps, one from the image, a 1x1 to the classes. Batch normalisation behind each sum makes the "
    "biases of the released convolutions idle; they are left out."
)
_DATA: dict[str, dict[str, object]] = {
    "mnist": {"in_channels": 1, "num_classes": 10, "resolution": 32},
    "cifar": {"num_classes": 10, "resolution": 32},
    "partlabels": {"num_classes": 3, "resolution": 250, "task": "segment"},
}
_SIZES = {
    ("mnist", "dense"): (8, 64),
    ("mnist", "sparse"): (16, 32),
    ("cifar", "dense"): (8, 128),
    ("cifar", "sparse"): (16, 64),
    ("partlabels", "dense"): (8, 32),
    ("partlabels", "sparse"): (8, 16),
}
_NOTES = {
    "mnist": " Images of 28x28 are padded to 32x32.",
    "cifar": "",
    "partlabels": " Scores of 3 labels for every pixel (hair, skin, background).",
}

FAMILIES = (
    Family(
        name="Neural fabric",
        builder="steelyard.zoo.neural_fabric:NeuralFabric",
        config=NeuralFabricConfig,
        paper=Paper(
            "Convolutional Neural Fabrics", "Saxena, Verbeek", 2016, "NIPS 2016", "1606.02492"
        ),
        models=tuple(
            Model(
                f"cnf_{connectivity}_{data}",
                {
                    **_DATA[data],
                    "layers": layers,
                    "channels": channels,
                    "connectivity": connectivity,
                },
                _COUNT + _NOTES[data],
            )
            for (data, connectivity), (layers, channels) in _SIZES.items()
        ),
    ),
)
