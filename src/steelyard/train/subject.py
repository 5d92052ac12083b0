"""`subject_of`: what is to be evaluated, with its weights: a module, a run, or a network by name."""

from __future__ import annotations

import hashlib
import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from steelyard.capture.source import load_module, parse_source
from steelyard.data.dataset import Dataset
from steelyard.data.held_out import VALIDATION, held_out
from steelyard.data.registry import load_data
from steelyard.data.transforms import Pipeline
from steelyard.errors import UsageError
from steelyard.train.evaluation import About
from steelyard.zoo.predict.api import imagenet_classes
from steelyard.zoo.predict.loading import trained_network
from steelyard.zoo.preprocessing import Preprocessing
from steelyard.zoo.registry import create
from steelyard.zoo.weights.api import is_file

if TYPE_CHECKING:
    from steelyard.train.run import Run

__all__ = ["RANDOM", "Subject", "subject_of", "weights_digest"]

RANDOM = "random"
"""Weights as they are initialised, under seed 0."""

_BYTES = 2**22


@dataclass(frozen=True, slots=True)
class Subject:
    """A network with its weights.

    Attributes:
        network: the module.
        name: what it is called.
        weights: where its weights come from; "" where that is not known.
        transforms: what its images go through before it sees them.
        classes: the names of its outputs, in order; none where they are the data's.
        data: the data set that it was trained on; "" where that is not known.
        validation: share of its training images that were kept from training.
    """

    network: nn.Module
    name: str
    weights: str = ""
    transforms: tuple[str, ...] = ("normalize",)
    classes: tuple[str, ...] = ()
    data: str = ""
    validation: float = 0.0

    def dataset(self, data: str | Dataset | None, split: str) -> Dataset:
        """The data that is meant: what is given, or what the network was trained on.

        Args:
            data: a name, or the images themselves.
            split: ``train``, ``test``, or ``validation``: what the network's own training left out.

        Raises:
            UsageError: neither is known, or no images were kept from training.
            SteelyardError: as `steelyard.load_data`.
        """
        if split == VALIDATION:
            if data is not None or not self.validation:
                raise UsageError(
                    f"no images of {data or self.data or 'any data'} were kept from training {self.name}",
                    expected="a run whose recipe sets data.validation, and its own data",
                    hint="steelyard train RECIPE --set data.validation=0.1",
                )
            return held_out(load_data(self.data, "train"), self.validation)[1]
        source = self.data if data is None else data
        if not source:
            raise UsageError(
                "no data to evaluate on",
                expected="data",
                hint="--data fashion_mnist, or data='fashion_mnist'",
            )
        return load_data(source, split) if isinstance(source, str) else source

    def shown(self, dataset: Dataset, transforms: Pipeline, precision: str) -> About:
        """What it is and what it is shown, for the record."""
        return About(
            network=self.name,
            weights=self.weights,
            weights_sha256=weights_digest(self.network),
            data=dataset.name,
            split=dataset.split,
            fingerprint=dataset.fingerprint,
            samples=len(dataset),
            preprocessing="; ".join(str(transforms).splitlines()),
            precision=precision,
        )


def subject_of(
    network: nn.Module | Run | str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    checkpoint: Literal["best", "last"] = "best",
) -> Subject:
    """The network that is meant, with its weights.

    Args:
        network: a module, a run, a run's folder, or a network by name, see `steelyard.capture.source`.
        weights: of a network by name: a source, a file or ``random``; None: the first source that is known.
        checkpoint: of a run.

    Raises:
        UsageError: weights for what has its own, or none are known.
        UnknownNameError, FileFormatError, MissingExtraError, BackendError: as `steelyard.create`.
    """
    if isinstance(network, (str, os.PathLike)):
        if not Path(network).is_dir():
            return _named(os.fspath(network), weights)
        network = _open_run(Path(network))
    if weights is not None:
        raise UsageError(
            f"weights={os.fspath(weights)!r} for a network that has its own",
            expected="weights for a network by name only",
        )
    if isinstance(network, nn.Module):
        return Subject(network, type(network).__name__)
    recipe = network.recipe
    return Subject(
        network.network(which=checkpoint),
        recipe.network.name,
        f"{network.path}, {checkpoint}",
        tuple(recipe.data.test_transforms),
        data=recipe.data.source,
        validation=recipe.data.validation,
    )


def _open_run(folder: Path) -> Run:
    found: Run = importlib.import_module("steelyard.train.run").Run.open(folder)
    return found


def _named(text: str, weights: str | os.PathLike[str] | None) -> Subject:
    source = parse_source(text)
    if source.kind == "callable":
        if weights is not None:
            raise UsageError(
                f"weights for {text}", expected="a callable that returns a trained network"
            )
        return Subject(load_module(source), text, "as the callable returned it")
    if source.kind != "zoo":
        raise UsageError(
            f"{text!r} is a file",
            expected="a run's folder, a network of the zoo or package.module:callable",
        )
    settings: dict[str, Any] = dict(source.settings)
    if weights is not None and os.fspath(weights) == RANDOM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return Subject(create(source.name, **settings), text, "random, seed 0")
    module, chosen, steps = trained_network(source.name, weights, settings)
    # a file of one's own says nothing about images
    own = is_file(chosen)
    names = () if own else imagenet_classes()
    texts = ("normalize",) if own else transform_texts(steps)
    return Subject(module, text, chosen, texts, names)


def transform_texts(steps: Preprocessing) -> tuple[str, ...]:
    """What published weights expect of an image, as `steelyard.data.transforms` writes it."""
    mean, std = (
        "/".join(f"{number:g}" for number in numbers) for numbers in (steps.mean, steps.std)
    )
    return (
        f"resize:{steps.resize},method={steps.interpolation}",
        f"center_crop:{steps.crop}",
        f"normalize:mean={mean},std={std}",
    )


def weights_digest(network: nn.Module) -> str:
    """SHA-256, in hex, of the names, types, shapes and values of all parameters and buffers.

    Raises:
        UsageError: lazy layers that have none yet.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict(keep_vars=True).items()):
        if is_lazy(tensor):
            raise UsageError(
                f"{name} has no values yet", expected="a network that has been run once"
            )
        flat = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {flat.dtype} {tuple(flat.shape)} ".encode())
        raw = (
            flat.reshape(-1).view(torch.uint8)
            if flat.numel()
            else flat.new_empty(0, dtype=torch.uint8)
        )
        for start in range(0, len(raw), _BYTES):
            digest.update(raw[start : start + _BYTES].numpy().data)
    return digest.hexdigest()
