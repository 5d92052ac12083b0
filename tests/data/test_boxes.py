"""Random boxes: their areas, ratios and places are those of the definition; what is done with them, Pillow's."""

import numpy as np
import pytest
import torch
from as_pillow import from_pillow, furthest, pictures, to_pillow
from PIL import Image

from steelyard.data.boxes import Erase, RandomResizedCrop
from steelyard.data.draws import Draws
from steelyard.data.transforms import parse_transforms
from steelyard.errors import UsageError


def draws(count: int) -> Draws:
    return Draws(5, 1, np.arange(count), 0)


def test_a_random_resized_crop_is_a_box_of_the_image_resized() -> None:
    """The box is found by trying all that the definition allows on a tiny image."""
    images = pictures(6, 7, 9)
    got = RandomResizedCrop((4,), method="nearest")(images, draws(6))
    for image, mine in zip(images, got, strict=True):
        photo = to_pillow(image)
        boxes = [
            (left, top, left + w, top + h)
            for h in range(1, 8)
            for w in range(1, 10)
            for top in range(8 - h)
            for left in range(10 - w)
        ]
        assert any(
            torch.equal(from_pillow(photo.crop(box).resize((4, 4), Image.Resampling.NEAREST)), mine)
            for box in boxes
        )


def test_areas_ratios_and_places_of_random_resized_crops() -> None:
    """16 pixels of a ramp show where the box was: their distance is a sixteenth of it."""
    side, count = 200, 4000
    ramp = torch.arange(side, dtype=torch.uint8)
    images = torch.stack([ramp[None].expand(side, -1), ramp[:, None].expand(-1, side)])
    images = images[None].expand(count, -1, -1, -1)
    out = RandomResizedCrop((16,), scale=(0.1, 0.3), ratio=(0.5, 2.0), method="nearest")(
        images, draws(count)
    )
    width = 16 / 15 * (out[:, 0, 0, -1].double() - out[:, 0, 0, 0].double()).numpy()
    height = 16 / 15 * (out[:, 1, -1, 0].double() - out[:, 1, 0, 0].double()).numpy()
    area, ratio = width * height / side**2, width / height
    # places are whole pixels: a hundredth of a box's side or so
    assert 0.094 < area.min() < 0.108
    assert 0.288 < area.max() < 0.312
    assert abs(area.mean() - 0.2) < 0.003
    assert abs(np.quantile(area, 0.25) - 0.15) < 0.006
    logs = np.log(ratio) / np.log(2)
    assert abs(logs.mean()) < 0.04
    assert abs(np.quantile(logs, 0.75) - 0.5) < 0.05
    left = out[:, 0, 0, 0].double().numpy() - width / 32
    place = left / (side - width)
    assert abs(place.mean() - 0.5) < 0.02
    assert abs(np.quantile(place, 0.25) - 0.25) < 0.03


def test_where_no_box_fits_the_middle_is_taken() -> None:
    images = pictures(3, 100, 10)
    got = RandomResizedCrop((8,), scale=(1.0, 1.0))(images, draws(3))
    # the widest that width / height >= 3/4 allows: 10 wide, round(10 / 0.75) high
    for image, mine in zip(images, got, strict=True):
        box = to_pillow(image).crop((0, 43, 10, 56))
        assert furthest(mine, from_pillow(box.resize((8, 8), Image.Resampling.BILINEAR))) <= 1


def test_erased_boxes() -> None:
    side, count = 120, 4000
    images = torch.full((count, 1, side, side), 200, dtype=torch.uint8)
    out = Erase(p=0.75, scale=(0.05, 0.2), ratio=(0.4, 2.5))(images, draws(count))
    gone = (out == 0)[:, 0]
    assert bool(((out == 0) | (out == 200)).all())
    area = gone.double().mean((1, 2)).numpy()
    hit = area > 0
    assert abs(hit.mean() - 0.75) < 0.025
    rows, columns = gone.any(2).sum(1).numpy()[hit], gone.any(1).sum(1).numpy()[hit]
    # every one is a full rectangle
    assert np.allclose(area[hit], rows * columns / side**2)
    assert 0.048 < area[hit].min() < 0.06
    assert 0.19 < area[hit].max() < 0.205
    assert abs(area[hit].mean() - 0.125) < 0.003
    logs = np.log(rows / columns) / np.log(2.5)
    assert abs(logs.mean()) < 0.04
    assert abs(np.quantile(logs, 0.75) - 0.5) < 0.05


def test_erased_to_a_value_or_to_noise() -> None:
    images = torch.full((200, 3, 32, 32), 100, dtype=torch.uint8)
    out = Erase(p=1.0, value="7")(images, draws(200))
    assert set(out.unique().tolist()) == {7, 100}
    noise = Erase(p=1.0, value="random")(images, draws(200))
    where = noise != 100
    values = noise[where].double()
    assert abs(float(values.mean()) - 127.5) < 1.5
    assert float(values.min()) == 0
    assert float(values.max()) == 255
    # channels and samples have noise of their own
    both = where[:, 0] & where[:, 1]
    pairs = torch.stack([noise[:, 0][both], noise[:, 1][both]]).double()
    assert abs(float(torch.corrcoef(pairs)[0, 1])) < 0.02


def test_erase_after_normalize_sets_the_mean() -> None:
    pipeline = parse_transforms(["normalize:mean=0.5,std=0.25", "erase:p=1"])
    out = pipeline(pictures(20, 16, 16), torch.arange(20), seed=0, epoch=0)
    assert float(out.abs().min()) == 0.0
    with pytest.raises(UsageError, match="after normalize"):
        parse_transforms(["normalize:mean=0.5,std=0.25", "erase:p=1,value=random"])(
            pictures(2, 8, 8), torch.arange(2), seed=0, epoch=0
        )


@pytest.mark.parametrize(
    "text",
    [
        "erase:p=1.5", "erase:scale=0.3..0.1", "erase:ratio=0..1", "erase:value=red",
        "random_resized_crop:8,scale=0..1", "random_resized_crop:8,ratio=2..1",
    ],
)  # fmt: skip
def test_what_boxes_refuse(text: str) -> None:
    with pytest.raises(UsageError, match=text.partition(":")[0]):
        parse_transforms([text])
