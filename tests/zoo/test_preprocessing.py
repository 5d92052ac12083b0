"""Resize, crop and scale, by hand."""

from __future__ import annotations

import numpy
import pytest
import torch
from PIL import Image

from steelyard.zoo.preprocessing import Preprocessing, prepared

PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def steps(resize: int, crop: int) -> Preprocessing:
    return Preprocessing(resize, crop, "bilinear", **PLAIN)


def test_nothing_is_done_to_an_image_of_the_right_size() -> None:
    pixels = numpy.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=numpy.uint8)
    x = prepared(Image.fromarray(pixels), steps(32, 32))
    assert x.shape == (3, 32, 32)
    assert x.dtype == torch.float32
    assert x.is_contiguous()
    assert torch.equal(x, torch.tensor(pixels).permute(2, 0, 1) / 255)


def test_the_crop_is_from_the_middle() -> None:
    """40 x 32 pixels, red grows from left to right: columns 14 to 25 and rows 10 to 21 remain."""
    pixels = numpy.zeros((32, 40, 3), dtype=numpy.uint8)
    pixels[..., 0] = numpy.arange(40)
    pixels[..., 1] = numpy.arange(32)[:, None]
    x = prepared(Image.fromarray(pixels), steps(32, 12)) * 255
    assert torch.allclose(x[0, 0], torch.arange(14.0, 26.0))
    assert torch.allclose(x[1, :, 0], torch.arange(10.0, 22.0))


def test_channels_are_normalised_one_by_one() -> None:
    image = Image.new("RGB", (8, 8), (255, 0, 51))
    x = prepared(image, Preprocessing(8, 8, "bicubic", (0.5, 0.1, 0.2), (0.5, 0.2, 0.4)))
    assert x[:, 0, 0].tolist() == pytest.approx([1.0, -0.5, 0.0], abs=1e-6)


def test_shrinking_weighs_all_pixels() -> None:
    """A board of single black and white pixels becomes grey, not black or white."""
    board = numpy.indices((64, 64)).sum(0) % 2 * 255
    image = Image.fromarray(board.astype(numpy.uint8)).convert("RGB")
    x = prepared(image, steps(8, 8))
    assert float((x - 0.5).abs().max()) < 0.02


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (500, 2), (1, 60_000), (60_000, 1), (7, 9)])
def test_any_shape_of_image(size) -> None:
    x = prepared(Image.new("RGB", size, "white"), steps(256, 224))
    assert x.shape == (3, 224, 224)
    assert bool((x == 1).all())


def test_a_long_image_keeps_its_middle() -> None:
    image = Image.new("RGB", (8, 1000), "black")
    image.paste("white", (0, 490, 8, 510))
    x = prepared(image, steps(8, 8))
    assert bool((x == 1).all())
