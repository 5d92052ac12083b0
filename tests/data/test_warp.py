"""Images moved, turned and sheared as Pillow does, and moved by whole pixels as slices do."""

import math

import numpy as np
import pytest
import torch
from as_pillow import from_pillow, furthest, pictures, to_pillow
from PIL import Image

from steelyard.data.transforms import parse_transforms
from steelyard.data.warp import about, matrices, warped
from steelyard.errors import UsageError


def pillow(image: torch.Tensor, back: np.ndarray, method: str, fill: int) -> torch.Tensor:
    resample = Image.Resampling.NEAREST if method == "nearest" else Image.Resampling.BILINEAR
    photo = to_pillow(image)
    colour = (fill,) * len(image) if len(image) > 1 else fill
    return from_pillow(
        photo.transform(
            photo.size, Image.Transform.AFFINE, back.flatten().tolist(), resample, fillcolor=colour
        )
    )


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
@pytest.mark.parametrize("size", [(32, 32), (37, 53), (100, 64)])
def test_warped_as_pillow_does(method: str, size: tuple[int, int]) -> None:
    images = pictures(12, *size)
    draw = np.random.default_rng(1)
    back = np.tile(np.eye(2, 3), (12, 1, 1)) + draw.uniform(-0.4, 0.4, (12, 2, 3)) * [1, 1, 20]
    got = warped(images, back, method, 9)
    different = 0
    for image, matrix, mine in zip(images, back, got, strict=True):
        apart = (mine.int() - pillow(image, matrix, method, 9).int()).abs()
        # Pillow computes where a pixel comes from with 16 bits behind the point, and so lands on another
        # pixel now and then; interpolated values are rounded the other way
        different += int((apart > 1).any(0).sum())
    assert different <= 0.002 * 12 * size[0] * size[1]


@pytest.mark.parametrize("degrees", [-30, 5, 90, 135])
def test_turned_about_the_middle_as_pillow_does(degrees: int) -> None:
    images = pictures(1, 33, 47)
    angle = math.radians(degrees)
    rows = [[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0]]
    got = warped(images, about(matrices(rows, 1), 33, 47), "nearest")[0]
    expected = from_pillow(to_pillow(images[0]).rotate(degrees))
    assert float((got != expected).float().mean()) <= 0.002


def test_whole_pixels() -> None:
    images = pictures(1, 9, 11)
    got = warped(images, matrices([[1.0, 0.0, 3.0], [0.0, 1.0, -2.0]], 1), "nearest", 5)
    expected = torch.full_like(images, 5)
    expected[..., 2:, :-3] = images[..., :-2, 3:]
    assert torch.equal(got, expected)
    got = warped(images, matrices([[1.0, 0.0, 3.0], [0.0, 1.0, -2.0]], 1), "bilinear", 5)
    assert furthest(got, expected) == 0


def test_affine_moves_a_point_as_drawn() -> None:
    """With every range a single value but the sign, one dot goes where trigonometry says."""
    images = torch.zeros(64, 1, 41, 41, dtype=torch.uint8)
    images[:, :, 19:22, 29:32] = 255  # around a point 10 to the right of the middle
    out = parse_transforms(["affine:scale=1.5..1.5,method=nearest"])(
        images, torch.arange(64), seed=0, epoch=0
    )
    rows, columns = torch.nonzero(out[0, 0], as_tuple=True)
    assert abs(float(columns.float().mean()) - 35) < 0.5
    assert abs(float(rows.float().mean()) - 20) < 0.5
    turned = parse_transforms(["affine:degrees=90,method=nearest"])(
        images, torch.arange(64), seed=0, epoch=0
    )
    for image in turned:
        y, x = torch.nonzero(image[0]).double().mean(0).tolist()
        assert abs(math.hypot(y - 20, x - 20) - 10) < 0.7
        assert x >= 19.5
    moved = parse_transforms(["affine:translate=0.25"])(images, torch.arange(64), seed=0, epoch=0)
    for image in moved:
        places = torch.nonzero(image[0])
        y, x = places.amin(0).tolist()
        assert abs(y - 19) <= 10
        assert abs(x - 29) <= 10
        # whole pixels: as white as before
        assert float(image.max()) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "degrees=-1",
        "translate=2",
        "scale=0..1",
        "shear=90",
        "fill=256",
        "method=cubic",
        "scale=2..1",
    ],
)
def test_what_affine_refuses(text: str) -> None:
    with pytest.raises(UsageError, match="affine with " + text.partition("=")[0]):
        parse_transforms([f"affine:{text}"])
