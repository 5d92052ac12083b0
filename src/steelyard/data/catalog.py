"""The data sets that steelyard knows: what they are, where they come from, and under which hashes."""

from __future__ import annotations

from types import MappingProxyType

from steelyard.data.source import DataSource

_DIGITS = tuple("0123456789")

DIGITS = DataSource(
    "digits",
    "handwritten digits of 8 x 8 pixels",
    "steelyard.data.digits:read_digits",
    needs="nothing",
    classes=_DIGITS,
    counts=MappingProxyType({"train": 1437, "test": 360}),
    shape=(1, 8, 8),
    mean=(0.3057,),
    std=(0.3762,),
    statistics="computed over the training part",
    published="E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998",
    licence="CC BY 4.0",
)

FASHION_MNIST = DataSource(
    "fashion_mnist",
    "greyscale pictures of clothes, in MNIST's format",
    "steelyard.data.mnist:read_mnist",
    classes=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    counts=MappingProxyType({"train": 60_000, "test": 10_000}),
    shape=(1, 28, 28),
    mean=(0.2860,),
    std=(0.3530,),
    statistics="computed over the training images",
    published="H. Xiao, K. Rasul, R. Vollgraf, arXiv:1708.07747, 2017",
    licence="MIT",
    files=("t10k-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte"),
    elsewhere=("/usr/share/datasets/fashion-mnist",),
)  # fmt: skip

SOURCES = (DIGITS, FASHION_MNIST)
