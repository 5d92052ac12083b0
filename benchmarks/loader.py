"""Images per CPU-second: steelyard's loader beside torch's DataLoader with transforms of single samples.

The peer is written as in PyTorch's official examples: a map-style data set whose ``__getitem__`` makes a
Pillow image, torchvision's transforms of it, ``DataLoader(shuffle=True)``.

Run: ``python benchmarks/loader.py [--rounds 5] [--images 10000] [--photos 128]``. Writes results/loader.md.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

import steelyard as sy
from common import machine, markdown, publish
from steelyard.data import ArrayDataset
from steelyard.data.loader import Loader
from steelyard.data.transforms import parse_transforms

BATCH = 128
SMALL = ["crop:padding=4", "flip", "normalize:mean=0.286,std=0.353"]
LARGE = ["random_resized_crop:224", "flip", "normalize:imagenet"]

Epoch = Callable[[], int]
"""Runs an epoch and says how many images it had."""


def cpu_s() -> float:
    """CPU time of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


class Pictures:
    """As torchvision's FashionMNIST: arrays in memory, a Pillow image for each sample."""

    def __init__(self, data: ArrayDataset, transform: Callable[[Image.Image], torch.Tensor]):
        self.images, self.labels, self.transform = data.images[:, 0], data.labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        photo = Image.fromarray(self.images[index].numpy())
        return self.transform(photo), int(self.labels[index])


def ours(data: sy.Dataset, texts: list[str], workers: int) -> Epoch:
    loader = Loader(
        data, batch=BATCH, transforms=parse_transforms(texts), shuffle=True, workers=workers
    )
    number = iter(range(1_000_000))
    return lambda: sum(len(batch) for batch in loader.epoch(next(number)))


def theirs(data: object, workers: int) -> Epoch:
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=workers)  # type: ignore[arg-type]
    return lambda: sum(len(labels) for _, labels in loader)


def fashion(images: int) -> dict[str, tuple[Epoch, Epoch]]:
    from torchvision import transforms as T

    full = sy.load_data("fashion_mnist", "train")
    assert isinstance(full, ArrayDataset)
    some = ArrayDataset(
        full.name, full.split, full.classes, full.images[:images], full.labels[:images], ""
    )
    steps = [
        T.RandomCrop(28, padding=4), T.RandomHorizontalFlip(), T.ToTensor(),
        T.Normalize((0.286,), (0.353,)),
    ]  # fmt: skip
    peer = Pictures(some, T.Compose(steps))
    return {"Fashion-MNIST: crop, flip, normalise": (ours(full, SMALL, 0), theirs(peer, 0))}


def folder(place: Path, photos: int) -> dict[str, tuple[Epoch, Epoch]]:
    from torchvision import datasets
    from torchvision import transforms as T

    write_photographs(place, photos)
    data = sy.load_data(f"folder:{place}", "train")
    steps = [
        T.RandomResizedCrop(224), T.RandomHorizontalFlip(), T.ToTensor(),
        T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]  # fmt: skip
    peer = datasets.ImageFolder(place / "train", T.Compose(steps))
    return {
        f"JPEGs of 500x375: box to 224x224, flip, normalise, workers {workers}": (
            ours(data, LARGE, workers),
            theirs(peer, workers),
        )
        for workers in (0, 2)
    }


def write_photographs(place: Path, count: int) -> None:
    """JPEGs of the size of ImageNet's, cut out of the two photographs that scikit-learn has."""
    from sklearn.datasets import load_sample_images

    draw = np.random.default_rng(0)
    photographs = [Image.fromarray(image) for image in load_sample_images().images]
    for kind in ("china", "flower"):
        (place / "train" / kind).mkdir(parents=True)
        (place / "val" / kind).mkdir(parents=True)
    for number in range(count):
        which = number % 2
        photo = photographs[which]
        x, y = draw.integers(0, photo.width - 500 + 1), draw.integers(0, photo.height - 375 + 1)
        cut = photo.crop((x, y, x + 500, y + 375))
        cut.save(place / "train" / ("china", "flower")[which] / f"{number}.jpg", quality=92)
        if number < 2:
            cut.save(place / "val" / ("china", "flower")[which] / f"{number}.jpg", quality=92)


def rate(epoch: Epoch) -> float:
    start = cpu_s()
    return epoch() / (cpu_s() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=10_000, help="of Fashion-MNIST, for the peer")
    parser.add_argument("--photos", type=int, default=128)
    chosen = parser.parse_args()
    import torchvision_stub  # noqa: F401  (makes torchvision importable)

    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        cases = fashion(chosen.images) | folder(Path(scratch), chosen.photos)
        for name, (one, other) in cases.items():
            one(), other()
            pairs = [(rate(one), rate(other)) for _ in range(chosen.rounds)]
            mine, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratios = sorted(a / b for a, b in pairs)
            rows.append(
                [name, f"{mine:,.0f}", f"{peer:,.0f}", f"{statistics.median(ratios):.1f}",
                 f"{ratios[0]:.1f}-{ratios[-1]:.1f}"]
            )  # fmt: skip
    header = ["data and transforms", "steelyard", "DataLoader", "ratio", "in rounds"]
    publish(
        "loader.md",
        "# Images per CPU-second\n\n"
        f"Batches of {BATCH}, shuffled; CPU time of all processes, epochs of both in turn, medians of "
        f"{chosen.rounds} rounds. The peer: torch's DataLoader with torchvision's transforms of Pillow "
        "images, as in PyTorch's official examples.\n\n"
        + markdown(header, rows)
        + f"\n\n{machine()}, load {os.getloadavg()[0]:.1f}\n",
    )


if __name__ == "__main__":
    main()
