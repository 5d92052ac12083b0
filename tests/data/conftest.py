"""Data sets written by hand, as the publishers describe their formats."""

from __future__ import annotations

import gzip
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))  # for the modules that tests here share

FASHION = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture
def fashion() -> Path:
    """The real files of Fashion-MNIST; `make test` installs them where it can."""
    if not (FASHION / "train-images-idx3-ubyte.gz").exists():
        pytest.skip("Debian's dataset-fashion-mnist is not installed")
    return FASHION


def idx(values: numpy.ndarray) -> bytes:
    """A file in IDX format."""
    sides = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, 8, values.ndim]) + sides + values.astype(numpy.uint8).tobytes()


@pytest.fixture
def write_mnist() -> Callable[..., None]:
    """Writes the four files of a data set with 3 classes."""

    def write(folder: Path, *, train: int = 12, test: int = 6, packed: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        draw = numpy.random.default_rng(0)
        for stem, count in (("train", train), ("t10k", test)):
            images = draw.integers(0, 256, (count, 5, 4))
            for name, values in (
                (f"{stem}-images-idx3-ubyte", images),
                (f"{stem}-labels-idx1-ubyte", numpy.arange(count) % 3),
            ):
                content = idx(values)
                if packed:
                    (folder / f"{name}.gz").write_bytes(gzip.compress(content))
                else:
                    (folder / name).write_bytes(content)

    return write


@pytest.fixture
def write_pictures() -> Callable[..., None]:
    """Writes one picture of 6 x 4 pixels for each name; its colour tells them apart."""

    def write(root: Path, names: Sequence[str]) -> None:
        for at, name in enumerate(names):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (6, 4), (at, 100, 200)).save(path)

    return write
