"""RandAugment's operations and strengths: those of the papers' tables, computed as Pillow does."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from as_pillow import from_pillow, pictures, to_pillow
from PIL import Image, ImageEnhance, ImageOps

from steelyard.data.draws import Draws
from steelyard.data.randaugment import OPERATIONS, RandAugment, TrivialAugment
from steelyard.data.transforms import parse_transforms
from steelyard.errors import UsageError

# Cubuk et al., RandAugment (2020), section 3: the list of operations
PAPER = """
identity autoContrast equalize rotate solarize color posterize contrast brightness sharpness
shear-x shear-y translate-x translate-y
"""


def test_the_operations_are_the_papers() -> None:
    words = [name.replace("_", "").lower() for name in OPERATIONS]
    assert words == [name.replace("-", "").lower() for name in PAPER.split()]


def affine(*back: float) -> Callable[[Image.Image], Image.Image]:
    def moved(photo: Image.Image) -> Image.Image:
        return photo.transform(photo.size, Image.Transform.AFFINE, back, Image.Resampling.NEAREST)

    return moved


def enhanced(kind: str, factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda photo: getattr(ImageEnhance, kind)(photo).enhance(factor)


def pillow(name: str, sign: int, part: float, ranges: dict[str, float]) -> object:
    """An operation at a part of its full strength, as the definition of AutoAugment has it in Pillow."""
    width, height = 40, 32
    shear = sign * part * ranges["shear"]
    x, y = (int(sign * part * (ranges["pixels"] or 150 / 331 * side)) for side in (width, height))
    factor = 1 + sign * part * ranges["enhance"]
    bits = 8 - round(part * ranges["bits"])
    return {
        "identity": lambda photo: photo,
        "auto_contrast": ImageOps.autocontrast,
        "equalize": ImageOps.equalize,
        "rotate": lambda photo: photo.rotate(sign * part * ranges["rotate"]),
        "solarize": lambda photo: ImageOps.solarize(photo, 255 - 255 * part),
        "posterize": lambda photo: ImageOps.posterize(photo, bits),
        "color": enhanced("Color", factor),
        "contrast": enhanced("Contrast", factor),
        "brightness": enhanced("Brightness", factor),
        "sharpness": enhanced("Sharpness", factor),
        "shear_x": affine(1, shear, 0, 0, 1, 0),
        "shear_y": affine(1, 0, 0, shear, 1, 0),
        "translate_x": affine(1, 0, x, 0, 1, 0),
        "translate_y": affine(1, 0, 0, 0, 1, y),
    }[name]


# AutoAugment (Cubuk et al. 2019), table 6, which RandAugment keeps; TrivialAugment (2021), table 1, "wide"
RANGES = {
    "rand": {"shear": 0.3, "pixels": 0, "rotate": 30, "enhance": 0.9, "bits": 4},
    "trivial": {"shear": 0.99, "pixels": 32, "rotate": 135, "enhance": 0.99, "bits": 6},
}


def same(mine: torch.Tensor, theirs: torch.Tensor) -> bool:
    """But for a few pixels that lie on a border between two (see test_warp)."""
    return float((mine != theirs).float().mean()) <= 0.004


@pytest.mark.parametrize("kind", ["rand", pytest.param("trivial", marks=pytest.mark.slow)])
def test_each_image_is_one_operation_of_pillow(kind: str) -> None:
    count = 150
    images = pictures(count, 32, 40)
    draws = Draws(3, 4, np.arange(count), 0)
    if kind == "rand":
        out, parts = RandAugment(n=1, m=21)(images, draws), [0.7]
    else:
        out, parts = TrivialAugment()(images, draws), [step / 30 for step in range(31)]
    seen: set[tuple[str, int]] = set()
    for image, mine in zip(images, out, strict=True):
        photo = to_pillow(image)
        found = [
            (name, sign)
            for name in OPERATIONS
            for sign in (-1, 1)
            for part in parts
            if same(mine, from_pillow(pillow(name, sign, part, RANGES[kind])(photo)))  # type: ignore[operator]
        ]
        assert found
        seen.update(found)
    assert {name for name, _ in seen} == set(OPERATIONS)
    assert {sign for name, sign in seen if name == "rotate"} == {-1, 1}


def test_operations_are_equally_likely() -> None:
    count = 3000
    images = (pictures(1, 20, 20) // 2 + 30).expand(count, -1, -1, -1)
    out = RandAugment(n=1, m=30)(images, Draws(1, 1, np.arange(count), 0))
    _, sizes = torch.unique(out.flatten(1), dim=0, return_counts=True)
    # 9 operations have two signs, 5 have none
    expected = np.array([count / 28] * 18 + [count / 14] * 5)
    assert len(sizes) == len(expected)
    squares = (np.sort(sizes.numpy()) - expected) ** 2 / expected
    assert squares.sum() < 22 + 4 * math.sqrt(44)


def test_n_operations_are_one_after_another() -> None:
    """Each is drawn by numbers of its own: as many changed as the odds of n operations say."""
    count = 2000
    images = pictures(1, 12, 12).expand(count, -1, -1, -1)
    out = RandAugment(n=3, m=30)(images, Draws(1, 1, np.arange(count), 0))
    assert len(torch.unique(out.flatten(1), dim=0)) > 1000


def test_no_strength_changes_nothing_but_what_has_none() -> None:
    images = pictures(200, 20, 20) // 2 + 30
    out = RandAugment(n=1, m=0)(images, Draws(1, 1, np.arange(200), 0))
    changed = (out != images).flatten(1).any(1)
    # stretched or flattened: 2 of 14
    assert 14 < int(changed.sum()) < 45


@pytest.mark.parametrize(
    "text", ["n=0", "m=31", "m=-1", "of=0", "m=11,of=10", "method=cubic", "fill=300"]
)
def test_what_randaugment_refuses(text: str) -> None:
    with pytest.raises(UsageError, match="randaugment with"):
        parse_transforms([f"randaugment:{text}"])
