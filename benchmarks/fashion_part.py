"""The first images of Fashion-MNIST as data sets of their own, for benchmarks that train many networks: `register`."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from steelyard.data.dataset import ArrayDataset, content_fingerprint
from steelyard.data.registry import data_info, list_data, load_data, register_data
from steelyard.data.source import DataSource

SIZES = {"fashion_8k": 8_000, "fashion_mnist_part": 10_000, "fashion_16k": 16_000}
"""Training images by name; their order is random, and all test images are used."""


@cache
def _part(name: str, split: str) -> ArrayDataset:
    whole = load_data("fashion_mnist", split)
    if not isinstance(whole, ArrayDataset):
        raise TypeError("Fashion-MNIST should lie in memory")
    if split == "test":
        return whole
    images, labels = whole.images[: SIZES[name]], whole.labels[: SIZES[name]]
    mark = content_fingerprint(whole.classes, images.numpy(), labels.numpy())
    return replace(whole, images=images, labels=labels, fingerprint=mark)


def register() -> None:
    """Makes them known to `steelyard.load_data`."""
    whole = data_info("fashion_mnist")
    for name, size in SIZES.items():
        if name not in list_data():
            register_data(
                DataSource(
                    name, f"the first {size:,} training images of Fashion-MNIST",
                    lambda source, place, split: _part(source.name, split), "nothing", whole.classes, {}, False,
                    whole.shape, whole.mean, whole.std, whole.statistics, whole.published, whole.licence,
                )
            )  # fmt: skip
