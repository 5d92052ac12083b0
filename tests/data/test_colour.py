"""Colours as Pillow changes them, to the bit where Pillow has the operation."""

import colorsys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from as_pillow import from_pillow, furthest, pictures, to_pillow
from PIL import ImageEnhance, ImageOps

from steelyard.data import colour

FACTORS = torch.tensor([0.0, 0.1, 0.37, 0.5, 1.0, 1.3, 1.9, 3.0])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("ours", "pillow"),
    [
        (colour.brightness, ImageEnhance.Brightness),
        (colour.contrast, ImageEnhance.Contrast),
        (colour.saturation, ImageEnhance.Color),
        (colour.sharpness, ImageEnhance.Sharpness),
    ],
    ids=["brightness", "contrast", "saturation", "sharpness"],
)
def test_enhanced_as_pillow_does(
    ours: Callable[..., torch.Tensor], pillow: Callable[..., ImageEnhance._Enhance], channels: int
) -> None:
    images = pictures(len(FACTORS), 21, 34, channels)
    got = ours(images, FACTORS)
    assert got.dtype == torch.uint8
    for image, factor, mine in zip(images, FACTORS.tolist(), got, strict=True):
        assert torch.equal(mine, from_pillow(pillow(to_pillow(image)).enhance(factor))), factor


@pytest.mark.parametrize("channels", [1, 3])
def test_stretched_flattened_and_cut_as_pillow_does(channels: int) -> None:
    images = pictures(6, 19, 23, channels)
    images[1] = images[1] // 3 + 40
    images[2] = 77
    images[3] = torch.arange(19 * 23).view(19, 23) % 256
    auto, flat = colour.autocontrast(images), colour.equalize(images)
    for number, image in enumerate(images):
        photo = to_pillow(image)
        assert torch.equal(auto[number], from_pillow(ImageOps.autocontrast(photo)))
        assert torch.equal(flat[number], from_pillow(ImageOps.equalize(photo)))
    for bits in range(1, 9):
        got = colour.posterize(images, torch.full((6,), bits))
        assert torch.equal(got[0], from_pillow(ImageOps.posterize(to_pillow(images[0]), bits)))
    for threshold in (0, 1, 100, 255, 256):
        got = colour.solarize(images, torch.full((6,), threshold))
        assert torch.equal(got[0], from_pillow(ImageOps.solarize(to_pillow(images[0]), threshold)))


def test_grey_as_pillow_does() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    images = torch.stack([levels, levels.flip(0), levels.roll(91)])[None, :, :, None]
    expected = to_pillow(images[0]).convert("L")
    assert torch.equal(colour.grey(images)[0], from_pillow(expected))


@pytest.mark.parametrize("turn", [-0.5, -0.2, 0.0, 0.1, 0.5])
def test_hue_as_the_standard_library_turns_it(turn: float) -> None:
    images = pictures(1, 9, 9)
    got = colour.hue(images, torch.tensor([turn]))[0]
    for row in range(9):
        for column in range(9):
            h, s, v = colorsys.rgb_to_hsv(*(images[0, :, row, column] / 255).tolist())
            expected = torch.tensor(colorsys.hsv_to_rgb((h + turn) % 1, s, v)) * 255
            assert float((got[:, row, column] - expected).abs().max()) < 0.51


def test_blur_as_a_sum_over_the_window() -> None:
    images = pictures(2, 12, 15)
    sigmas = torch.tensor([0.5, 1.7])
    got = colour.blur(images, sigmas, 5)
    for image, sigma, mine in zip(images, sigmas.tolist(), got, strict=True):
        weights = np.exp(-(np.arange(-2, 3) ** 2) / (2 * sigma**2))
        weights /= weights.sum()
        around = np.pad(image.double().numpy(), ((0, 0), (2, 2), (2, 2)), mode="reflect")
        expected = sum(
            weights[i] * weights[j] * around[:, i : i + 12, j : j + 15]
            for i in range(5)
            for j in range(5)
        )
        assert np.abs(mine.numpy() - expected).max() < 0.51


def test_grey_images_have_no_hue_or_saturation() -> None:
    images = pictures(2, 8, 8, 1)
    assert colour.hue(images, torch.tensor([0.2, 0.3])) is images
    assert colour.saturation(images, torch.tensor([0.2, 0.3])) is images


def test_images_too_small_to_sharpen_stay() -> None:
    images = pictures(1, 2, 9)
    assert furthest(colour.sharpness(images, torch.tensor([2.0])), images) == 0
