"""Resizing as Pillow does it, and sizes as torchvision rounds them."""

import pytest
import torch
from as_pillow import from_pillow, furthest, pictures, to_pillow
from PIL import Image

from steelyard.data.resize import resized
from steelyard.data.transforms import parse_transforms
from steelyard.errors import UsageError

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


FURTHEST = {"bilinear": 1, "bicubic": 3, "nearest": 0}


@pytest.mark.parametrize("method", FILTERS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("size", "to"),
    [
        # such that no new pixel's middle lies on a border, where nearest is a matter of rounding
        ((65, 47), (24, 24)),
        ((47, 65), (18, 50)),
        ((20, 20), (33, 41)),
        ((301, 199), (224, 150)),
        ((9, 9), (9, 4)),
    ],
)
def test_resized_as_pillow_does(
    method: str, channels: int, size: tuple[int, int], to: tuple[int, int]
) -> None:
    images = pictures(2, *size, channels)
    got = resized(images, *to, method)
    assert got.dtype == torch.uint8
    for image, mine in zip(images, got, strict=True):
        expected = from_pillow(to_pillow(image).resize(to[::-1], FILTERS[method]))
        # torch rounds its weights to 16 bits, Pillow to 22
        assert furthest(mine, expected) <= FURTHEST[method]


@pytest.mark.parametrize(
    ("size", "short", "expected"),
    # int(short * long / short side), as torchvision.transforms.v2.functional.resize
    [((500, 375), 256, (341, 256)), ((375, 500), 256, (256, 341)), ((7, 5), 3, (4, 3))],
)
def test_the_shorter_side(size: tuple[int, int], short: int, expected: tuple[int, int]) -> None:
    out = parse_transforms([f"resize:{short}"])(
        pictures(1, *size), torch.tensor([0]), seed=0, epoch=0
    )
    assert tuple(out.shape[2:]) == expected


def test_wrong_sizes_and_methods() -> None:
    for text, message in (
        ("resize:0", "resize to 0"),
        ("resize:1x2x3", "resize to 1x2x3"),
        ("resize:8,method=cubic", "expected: bilinear, bicubic, nearest"),
    ):
        with pytest.raises(UsageError, match=message):
            parse_transforms([text])
