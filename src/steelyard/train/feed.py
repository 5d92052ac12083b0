"""`Feed`: the batches of a recipe, for training and for testing, checked against its network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from steelyard.data.dataset import ArrayDataset, Dataset
from steelyard.data.held_out import held_out
from steelyard.data.loader import Loader
from steelyard.data.registry import load_data
from steelyard.data.transforms import parse_transforms
from steelyard.errors import InputError
from steelyard.train.distributed import Group
from steelyard.train.evaluate import named_logits
from steelyard.train.recipe import Recipe

__all__ = ["Feed", "check_fit", "feed_of"]


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a training's batches come from.

    Attributes:
        train: shuffled and augmented.
        test: in order, as it is: the test images, or those that the recipe keeps from training.
        classes: the names of the labels.
        fingerprints: of both.
    """

    train: Loader
    test: Loader
    classes: tuple[str, ...]
    fingerprints: tuple[str, str]

    @property
    def left_out(self) -> tuple[str, ...]:
        """Why images could not be read, by this process so far; with the files' names."""
        return tuple(one.reason for one in (*self.train.corrupt, *self.test.corrupt))


def feed_of(recipe: Recipe, *, device: torch.device, group: Group, root: Path | None) -> Feed:
    """Reads the data of a recipe; images that lie in memory are moved to ``device``.

    Raises:
        InputError: too few images to keep some from training.
        SteelyardError: as `steelyard.data.registry.load_data` and the transforms.
    """
    part = recipe.data
    train = load_data(part.source, "train", root=root)
    if part.validation:
        train, test = held_out(train, part.validation)
    else:
        test = load_data(part.source, "test", root=root)
    return Feed(
        Loader(
            _moved(train, device),
            batch=part.batch,
            transforms=parse_transforms(part.transforms),
            seed=recipe.seed,
            shuffle=True,
            workers=part.workers,
            rank=group.rank,
            world=group.world,
            channels_last=recipe.channels_last,
            on_corrupt=part.on_corrupt,
            fill=True,
        ),
        Loader(
            _moved(test, device),
            batch=min(256, part.batch),
            transforms=parse_transforms(part.test_transforms),
            workers=part.workers,
            rank=group.rank,
            world=group.world,
            channels_last=recipe.channels_last,
            on_corrupt=part.on_corrupt,
            deal=True,
        ),
        tuple(train.classes),
        (train.fingerprint, test.fingerprint),
    )


def _moved(dataset: Dataset, device: torch.device) -> Dataset:
    if device.type == "cpu" or not isinstance(dataset, ArrayDataset):
        return dataset
    return replace(dataset, images=dataset.images.to(device), labels=dataset.labels.to(device))


def check_fit(recipe: Recipe, network: nn.Module, feed: Feed, device: torch.device) -> None:
    """Shows the network two images before anything is trained.

    Raises:
        InputError: it has another number of classes than the data, or takes other images.
    """
    batch = next(iter(feed.test.epoch(0)))
    if not len(batch):
        return  # of a small test set, which another process has
    was = network.training
    with torch.inference_mode():
        outputs, _ = named_logits(network.eval()(batch.images[:2].to(device)))
    network.train(was)
    for _, logits in outputs:
        if logits.shape[1] != len(feed.classes):
            raise InputError(
                f"{recipe.network.name} has {logits.shape[1]:,} classes, "
                f"{recipe.data.source} has {len(feed.classes):,}",
                expected="as many",
                hint=f"--set network.config.num_classes={len(feed.classes)}",
            )
