"""`load_for`: a pretrained network of the zoo, and photographs prepared for it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from steelyard._photo import open_photo
from steelyard.errors import UsageError
from steelyard.zoo.preprocessing import Preprocessing, prepared
from steelyard.zoo.registry import create, default_input_shape, default_registry, info
from steelyard.zoo.weights.api import fetch, is_file, load_weights, with_needed
from steelyard.zoo.weights.sources import Source, find_source, sources_of

if TYPE_CHECKING:
    from torch import Tensor, nn

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A network in eval mode and what it is to see.

    Attributes:
        network: the module.
        weights: where its weights come from; "" for random ones.
        inputs: (C, H, W) of each photograph.
        remarks: on how each was read, "" for nothing to say.
    """

    network: nn.Module
    weights: str
    inputs: tuple[Tensor, ...]
    remarks: tuple[str, ...]


def load_for(
    model: str,
    photos: Sequence[str | os.PathLike[str]],
    weights: str | os.PathLike[str] | None,
    config: Mapping[str, object],
    *,
    quiet: bool = False,
    untrained: bool = False,
) -> Loaded:
    """The network with its weights, and the photographs as it wants them.

    Args:
        model: one of `list_models`.
        photos: files.
        weights: as `predict` takes them.
        config: settings of the network.
        quiet: no progress of a download.
        untrained: leave the weights as they are initialised.

    Raises:
        UsageError: no photo, or no weights are known for this network.
        UnknownNameError: no such network or source of weights.
        FileFormatError: a photo or the file of weights cannot be read.
        MissingExtraError: Pillow, or the package with the weights, is not installed.
        BackendError: a download failed.
    """
    if not photos:
        raise UsageError("no photo is given")
    chosen, source = ("", None) if untrained else _weights(model, weights)
    steps = _steps(model, source, config)
    inputs: list[Tensor] = []
    remarks: list[str] = []
    for file in photos:
        image, remark = open_photo(file)
        inputs.append(prepared(image, steps))
        remarks.append(remark)
    if source is not None:
        fetch(source, quiet=quiet)
    settings: dict[str, Any] = dict(config)
    network = create(model, **settings).eval() if untrained else _trained(model, chosen, config)
    return Loaded(network, os.fspath(chosen), tuple(inputs), tuple(remarks))


def trained_network(
    model: str,
    weights: str | os.PathLike[str] | None,
    config: Mapping[str, object],
    *,
    quiet: bool = False,
) -> tuple[nn.Module, str, Preprocessing]:
    """A network in eval mode, where its weights come from, and what they expect of an image.

    Args:
        model: one of `list_models`.
        weights: as `predict` takes them.
        config: settings of the network.
        quiet: no progress of a download.

    Raises:
        UsageError: no weights are known for this network.
        UnknownNameError: no such network or source of weights.
        FileFormatError: the file of weights cannot be read.
        MissingExtraError: the package with the weights is not installed.
        BackendError: a download failed.
    """
    chosen, source = _weights(model, weights)
    steps = _steps(model, source, config)
    if source is not None:
        fetch(source, quiet=quiet)
    return _trained(model, chosen, config), os.fspath(chosen), steps


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
