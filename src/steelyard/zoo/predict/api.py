"""`predict`: the most probable classes of photographs, by a pretrained network of the zoo."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from steelyard.errors import UsageError
from steelyard.zoo.predict.loading import load_for

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Guess:
    """One class: its number, its name ("class 7" where the names are not known), its probability."""

    index: int
    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a network sees in one photograph, the most probable first; ``remark`` on how it was read."""

    photo: str
    guesses: tuple[Guess, ...]
    remark: str


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a network sees in several photographs."""

    model: str
    weights: str
    predictions: tuple[Prediction, ...]

    def to_dict(self) -> dict[str, object]:
        """The same as plain data for JSON, schema ``steelyard.predictions/1``."""
        return {"schema": "steelyard.predictions/1", **asdict(self)}


def predict(
    model: str,
    photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    weights: str | os.PathLike[str] | None = None,
    top: int = 5,
    quiet: bool = False,
    **config: object,
) -> Predictions:
    """The most probable classes of photographs.

    Example: ``predict("mobilenet_v2", "cat.jpg")``.

    Args:
        model: one of `list_models`.
        photos: a file or several.
        weights: as `create` takes them; None for the first source that is known for the network. With a
            file of your own the image is resized to 8/7 of the network's resolution and normalised with
            ImageNet's mean and deviation.
        top: how many classes of each photograph.
        quiet: no progress of a download.
        config: settings of the network.

    Raises:
        UsageError: no photo, ``top`` below 1, or no weights are known for this network.
        UnknownNameError: no such network or source of weights.
        FileFormatError: a photo or the file of weights cannot be read.
        MissingExtraError: Pillow, or the package with the weights, is not installed.
        BackendError: a download failed.
    """
    files = [photos] if isinstance(photos, (str, os.PathLike)) else list(photos)
    if not files or top < 1:
        raise UsageError("no photo is given" if not files else f"top={top} is not possible")
    loaded = load_for(model, files, weights, config, quiet=quiet)
    return Predictions(
        model,
        loaded.weights,
        tuple(
            Prediction(os.fspath(file), _guesses(loaded.network, x, top), remark)
            for file, x, remark in zip(files, loaded.inputs, loaded.remarks, strict=True)
        ),
    )


def _guesses(network: nn.Module, x: Tensor, top: int) -> tuple[Guess, ...]:
    import torch

    with torch.inference_mode():
        row = network(x.unsqueeze(0))[0].double().softmax(0)
    names = imagenet_classes()
    best = row.topk(min(top, len(row)))
    return tuple(
        Guess(index, names[index] if len(row) == len(names) else f"class {index}", probability)
        for probability, index in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    )


@lru_cache(maxsize=1)
def imagenet_classes() -> tuple[str, ...]:
    """The names of ImageNet's 1000 classes, in the order of the networks' outputs."""
    file = resources.files("steelyard.zoo.predict").joinpath("imagenet_classes.txt")
    lines = file.read_text("utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))
