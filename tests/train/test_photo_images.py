"""Photographs as a network takes them: what the data set's own loader makes of the same image, and other sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import steelyard as sy
from steelyard.data.transforms import parse_transforms
from steelyard.errors import FileFormatError, UsageError
from steelyard.train.photo_images import photo_image


def test_an_image_of_the_data_set_is_what_evaluation_shows_the_network(tmp_path) -> None:
    digits = sy.load_data("digits")
    steps = parse_transforms(("resize:16", "normalize")).of_data("digits")
    expected = steps(digits.images[:3], np.arange(3), seed=0, epoch=0, train=False)
    for i in range(3):
        Image.fromarray(digits.image(i)[0].numpy()).save(tmp_path / "digit.png")
        found, remark = photo_image(tmp_path / "digit.png", (1, 16, 16), steps)
        assert torch.equal(found, expected[i : i + 1])
        assert remark == ""


@pytest.mark.parametrize(
    ("size", "texts", "fits"),
    [
        ((100, 60), ("resize:48", "center_crop:40"), True),
        ((40, 40), (), True),
        ((100, 60), (), False),
        ((20, 90), ("center_crop:40",), False),
        ((100, 60), ("resize:40",), False),
        ((100, 60), ("flip",), False),
    ],
)
def test_any_photo_gets_the_size_of_the_network(tmp_path, size, texts, fits) -> None:
    Image.new("RGB", size, (255, 0, 0)).save(tmp_path / "red.png")
    found, remark = photo_image(tmp_path / "red.png", (3, 40, 40), parse_transforms(texts))
    assert tuple(found.shape) == (1, 3, 40, 40)
    assert remark == ("" if fits else "resized and cut to 40x40")
    assert torch.equal(found[0, :, 0, 0], torch.tensor([1.0, 0.0, 0.0]))


def test_mistakes(tmp_path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="images of 4 channels"):
        photo_image(tmp_path / "a.png", (4, 9, 9), parse_transforms(()))
    with pytest.raises(FileFormatError, match="does not exist"):
        photo_image(tmp_path / "b.png", (3, 9, 9), parse_transforms(()))
