"""`predict`: the most probable classes of photographs, by a pretrained network of the zoo."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from steelyard.errors import UsageError
from steelyard.zoo.predict.photo import open_photo
from steelyard.zoo.preprocessing import Preprocessing, prepared
from steelyard.zoo.registry import create, default_input_shape, default_registry, info
from steelyard.zoo.weights.api import fetch, is_file, load_weights, with_needed
from steelyard.zoo.weights.sources import Source, find_source, sources_of

if TYPE_CHECKING:
    from torch import Tensor, nn

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


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
    chosen, source = _weights(model, weights)
    steps = _steps(model, source, config)
    inputs: list[Tensor] = []
    remarks: list[str] = []
    for file in files:
        image, remark = open_photo(file)
        inputs.append(prepared(image, steps))
        remarks.append(remark)
    if source is not None:
        fetch(source, quiet=quiet)
    network = _trained(model, chosen, config)
    return Predictions(
        model,
        os.fspath(chosen),
        tuple(
            Prediction(os.fspath(file), _guesses(network, x, top), remark)
            for file, x, remark in zip(files, inputs, remarks, strict=True)
        ),
    )


def _weights(
    model: str, weights: str | os.PathLike[str] | None
) -> tuple[str | os.PathLike[str], Source | None]:
    """What `create` takes, and the source unless it is a file."""
    entry = default_registry().find(model)[1]
    if weights is not None and is_file(weights):
        return weights, None
    known = sources_of(entry)
    if weights is None and known:
        return known[0].name, known[0]
    source = find_source(entry, "" if weights is None else os.fspath(weights))
    return source.name, source


def _steps(model: str, source: Source | None, config: Mapping[str, object]) -> Preprocessing:
    """The source's own steps; a resolution that is typed out changes their sizes."""
    if source is None:
        side = default_input_shape(model, **config)[-1]
        return Preprocessing(round(side * 8 / 7), side, "bilinear", IMAGENET_MEAN, IMAGENET_STD)
    steps, typed = source.preprocessing, config.get("resolution")
    if not isinstance(typed, int):
        return steps
    return replace(steps, crop=typed, resize=round(typed * steps.resize / steps.crop))


def _trained(
    model: str, weights: str | os.PathLike[str], config: Mapping[str, object]
) -> nn.Module:
    """As `create` makes it, but never with a classifier that is not the file's."""
    family, entry = default_registry().find(model)
    settings: dict[str, Any] = with_needed(entry, weights, config)
    network = create(model, **settings)
    defaults: dict[str, Any] = {s.name: s.default for s in info(model).settings}
    classes: int = (defaults | settings)["num_classes"]
    load_weights(network, family, entry, weights, classes=classes, new_head=False)
    return network.eval()


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
