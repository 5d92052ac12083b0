"""Pipelines: read from texts, printed, the same for a sample in any batch, different for others."""

import numpy as np
import pytest
import torch
from as_pillow import furthest, pictures
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.data.transforms import TRANSFORMS, Pipeline, parse_transforms
from steelyard.errors import ShapeError, SteelyardError, UnknownNameError, UsageError

EVERY = [
    "resize:16", "resize:20x12,method=bicubic", "resize:9,method=nearest", "center_crop:8",
    "random_resized_crop:12", "random_resized_crop:12x10,method=bicubic", "crop:padding=4",
    "crop:10,padding=2,mode=reflect", "crop:12,mode=edge,padding=1", "flip", "vertical_flip:p=0.4",
    "affine:degrees=15,translate=0.1,scale=0.9..1.1,shear=5", "affine:degrees=40,method=nearest",
    "color_jitter:brightness=0.4,contrast=0.4,saturation=0.4,hue=0.1", "color_jitter:contrast=0.8",
    "grayscale:p=0.5", "blur:5", "blur:3,p=0.5", "randaugment", "randaugment:n=3,m=10,of=10,method=bilinear",
    "trivial_augment", "erase", "erase:value=random", "normalize:imagenet",
    "normalize:mean=0.5/0.4/0.3,std=0.2",
]  # fmt: skip


def test_every_transform_is_tried_here() -> None:
    assert {text.partition(":")[0] for text in EVERY} | {"mixup", "cutmix"} == {
        kind.name for kind in TRANSFORMS
    }


@settings(max_examples=6, deadline=None)
@given(st.data())
@pytest.mark.parametrize("text", EVERY)
def test_a_sample_is_the_same_to_the_bit_in_any_batch(text: str, data: st.DataObject) -> None:
    pipeline = parse_transforms([text])
    images = pictures(9, 21, 18, seed=data.draw(st.integers(0, 99)))
    seed, epoch = data.draw(st.integers(0, 2**64 - 1)), data.draw(st.integers(0, 2**32 - 1))
    indices = np.array(data.draw(st.lists(st.integers(0, 2**31), min_size=9, max_size=9)))
    whole = pipeline(images, indices, seed=seed, epoch=epoch)
    rows = data.draw(st.lists(st.integers(0, 8), min_size=1, max_size=9))
    part = pipeline(images[rows], indices[rows], seed=seed, epoch=epoch)
    assert torch.equal(part, whole[rows])
    one_by_one = pipeline(list(images), indices, seed=seed, epoch=epoch)
    assert torch.equal(one_by_one, whole)


@pytest.mark.slow
@pytest.mark.parametrize("text", EVERY)
def test_large_images_are_the_same_with_several_threads(text: str) -> None:
    pipeline = parse_transforms([text])
    images, indices = pictures(4, 401, 299), np.arange(4)
    whole = pipeline(images, indices, seed=1, epoch=2)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            alone = [
                pipeline(images[i : i + 1], indices[i : i + 1], seed=1, epoch=2) for i in range(4)
            ]
            assert torch.equal(torch.cat(alone), whole)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "text", [text for text in EVERY if parse_transforms([text]).steps[0].random]
)
def test_other_samples_epochs_seeds_and_places_draw_other_numbers(text: str) -> None:
    pipeline = parse_transforms([text])
    images = pictures(1, 21, 18).expand(40, -1, -1, -1)

    def run(start: int, epoch: int, seed: int) -> torch.Tensor:
        return pipeline(images, torch.arange(start, start + 40), seed=seed, epoch=epoch)

    first = run(0, 0, 0)
    assert len(torch.unique(first.flatten(1), dim=0)) > 1
    for other in (run(40, 0, 0), run(0, 1, 0), run(0, 0, 1)):
        assert not torch.equal(first, other)
    twice = parse_transforms([text, "flip:p=0"])
    assert torch.equal(twice(images, torch.arange(40), seed=0, epoch=0), first)
    later = parse_transforms(["flip:p=0", text])
    assert not torch.equal(later(images, torch.arange(40), seed=0, epoch=0), first)


def test_crops_are_all_places_equally_often() -> None:
    grid = torch.arange(36, dtype=torch.uint8).view(1, 1, 6, 6).expand(4000, -1, -1, -1)
    out = parse_transforms(["crop:4"])(grid, torch.arange(4000), seed=0, epoch=0)
    corners = (out[:, 0, 0, 0] * 255).round().int()
    places, counts = corners.unique(return_counts=True)
    assert places.tolist() == [6 * y + x for y in range(3) for x in range(3)]
    expected = 4000 / 9
    assert float(((counts - expected) ** 2 / expected).sum()) < 8 + 4 * 4
    for image, corner in zip(out, corners.tolist(), strict=True):
        y, x = divmod(corner, 6)
        assert torch.equal((image * 255).round().to(torch.uint8), grid[0, :, y : y + 4, x : x + 4])


@pytest.mark.parametrize(
    ("mode", "numpys"), [("zero", "constant"), ("reflect", "reflect"), ("edge", "edge")]
)
def test_what_is_around_a_crop(mode: str, numpys: str) -> None:
    images = pictures(1, 9, 7)
    around = np.pad(images[0].numpy(), ((0, 0), (3, 3), (3, 3)), mode=numpys)  # type: ignore[call-overload]
    windows = {around[:, y : y + 9, x : x + 7].tobytes() for y in range(7) for x in range(7)}
    pipeline = parse_transforms([f"crop:padding=3,mode={mode}"])
    out = pipeline.bytes(images.expand(60, -1, -1, -1), torch.arange(60), 0, 0)
    assert {image.numpy().tobytes() for image in out} <= windows


def test_flips() -> None:
    images = pictures(500, 5, 4)
    out = parse_transforms(["flip:p=0.3"]).bytes(images, torch.arange(500), 0, 0)
    mirrored = torch.tensor([torch.equal(a, b.flip(2)) for a, b in zip(out, images, strict=True)])
    same = torch.tensor([torch.equal(a, b) for a, b in zip(out, images, strict=True)])
    assert bool((mirrored ^ same).all())
    assert abs(float(mirrored.double().mean()) - 0.3) < 0.07
    upside_down = parse_transforms(["vertical_flip:p=1"]).bytes(images, torch.arange(500), 0, 0)
    assert torch.equal(upside_down, images.flip(2))


def test_the_middle_is_torchvisions() -> None:
    # CenterCrop: top is int(round((height - crop) / 2)), halves to even
    images = pictures(1, 13, 14)
    out = parse_transforms(["center_crop:8x9"]).bytes(images, torch.arange(1), 0, 0)
    assert torch.equal(out, images[..., 2:10, 2:11])


def test_normalize_is_the_formula() -> None:
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, -1, -1)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    out = parse_transforms(["normalize:imagenet"])(images, torch.arange(1), seed=0, epoch=0)
    for channel in range(3):
        expected = (images[0, channel].double() / 255 - mean[channel]) / std[channel]
        assert float((out[0, channel] - expected).abs().max()) < 5e-7
    plain = parse_transforms([])(images, torch.arange(1), seed=0, epoch=0)
    assert torch.equal(plain, images / 255)


def test_images_of_many_sizes_become_one() -> None:
    images = [pictures(1, 20 + k, 30 - k, seed=k)[0] for k in range(5)]
    pipeline = parse_transforms(["resize:16", "center_crop:16", "flip", "normalize:imagenet"])
    together = pipeline(images, torch.arange(5), seed=1, epoch=1)
    for k, image in enumerate(images):
        alone = pipeline(image[None], torch.tensor([k]), seed=1, epoch=1)
        assert torch.equal(alone[0], together[k])
    with pytest.raises(ShapeError, match="images differ in size") as error:
        parse_transforms(["resize:16"])(images, torch.arange(5), seed=0, epoch=0)
    assert "center_crop" in error.value.hint


def test_evaluation_leaves_out_what_is_random() -> None:
    pipeline = parse_transforms(
        ["crop:padding=4", "flip", "normalize:mean=0.5,std=0.5", "erase", "mixup"]
    )
    assert pipeline.evaluation().texts == ("normalize:mean=0.5,std=0.5",)
    images = pictures(3, 8, 8)
    out = pipeline(images, torch.arange(3), seed=0, epoch=0, train=False)
    assert furthest((out * 0.5 + 0.5).mul(255).round(), images) == 0
    for text in ("random_resized_crop:8", "crop:4"):
        with pytest.raises(UsageError, match="is random and gives images their size"):
            parse_transforms([text]).evaluation()


@pytest.mark.parametrize("text", [*EVERY, "mixup", "cutmix:alpha=0.5,p=0.5"])
def test_texts_say_everything(text: str) -> None:
    pipeline = parse_transforms([text])
    assert parse_transforms(pipeline.texts) == pipeline


def test_a_pipeline_prints_what_it_does() -> None:
    pipeline = parse_transforms(["resize:256", "center_crop:224", "normalize"])
    assert str(pipeline.of_data("imagenet")) == (
        "resize: the shorter side to 256, bilinear with antialias\n"
        "center_crop: the middle 224×224\n"
        "normalize: (pixel / 255 - mean) / std, mean 0.485 0.456 0.406, "
        "std 0.229 0.224 0.225 (imagenet)"
    )
    assert str(parse_transforms([])) == "to floats: pixel / 255"
    for text in EVERY:
        assert str(parse_transforms([text])).startswith(text.partition(":")[0] + ": ")


@pytest.mark.parametrize(
    ("texts", "kind", "words"),
    [
        (["crp:padding=4"], UnknownNameError, ["'crp'", "nearest: crop", "one of resize, center_crop"]),
        (["crop:pading=4"], UsageError, ["crop has no setting 'pading'", "takes size, padding, mode", "padding="]),
        (["crop:padding=four"], UsageError, ["padding=four", "a whole number"]),
        (["crop:padding=-1"], UsageError, ["padding=-1"]),
        (["crop"], UsageError, ["a size, a padding, or both"]),
        (["crop:padding=1,mode=wrap"], UsageError, ["mode=wrap", "zero, reflect, edge"]),
        (["flip:0.5,0.6"], UsageError, ["'0.6' in 'flip:0.5,0.6' has no name"]),
        (["crop:padding=4,padding=4"], UsageError, ["given twice"]),
        (["flip:"], UsageError, ["nothing follows the colon", "flip takes p"]),
        (["flip:p=nan"], UsageError, ["p is a number"]),
        (["resize"], UsageError, ["does not say size", "resize:size=..."]),
        (["random_resized_crop:8,scale=0.5"], UsageError, ["a range such as 0.08..1"]),
        (["normalize:fashion"], UnknownNameError, ["'fashion'", "fashion_mnist"]),
        (["normalize:mean=0.5"], UsageError, ["half of the numbers"]),
        (["normalize:mean=0.5,std=0"], UsageError, ["not above 0"]),
        (["normalize", "flip"], UsageError, ["flip stands after normalize"]),
        (["normalize", "normalize"], UsageError, ["normalize stands after normalize"]),
        (["mixup", "normalize"], UsageError, ["normalize stands after mixup or cutmix"]),
        (["blur:4"], UsageError, ["an odd kernel"]),
        (["color_jitter"], UsageError, ["no strength"]),
        (["color_jitter:hue=0.6"], UsageError, ["hue from 0 to 0.5"]),
        ([""], UsageError, ["is no transform"]),
        ([7], UsageError, ["7 is no transform"]),
        ("flip", UsageError, ["expected: a list of texts"]),
    ],
)  # fmt: skip
def test_wrong_texts(texts: list[str], kind: type[SteelyardError], words: list[str]) -> None:
    with pytest.raises(kind) as error:
        parse_transforms(texts)
    for word in words:
        assert word in str(error.value)


def test_what_does_not_fit_the_images() -> None:
    def run(text: str, channels: int = 3) -> None:
        parse_transforms([text])(pictures(2, 8, 9, channels), torch.arange(2), seed=0, epoch=0)

    with pytest.raises(ShapeError, match="center_crop to 10×10 of an image of 8×9"):
        run("center_crop:10")
    with pytest.raises(ShapeError, match="crop to 20×20 of an image of 8×9 with padding 1"):
        run("crop:20,padding=1")
    with pytest.raises(ShapeError, match="3 channels for images of 1"):
        run("normalize:imagenet", channels=1)
    with pytest.raises(UsageError, match="does not say by which numbers"):
        run("normalize")


def test_a_transform_of_ones_own() -> None:
    from dataclasses import dataclass
    from typing import ClassVar

    from steelyard.data.draws import Draws
    from steelyard.data.transform import Transform

    @dataclass(frozen=True, slots=True)
    class Invert(Transform):
        name: ClassVar[str] = "invert"

        def __call__(self, images: torch.Tensor, draws: Draws) -> torch.Tensor:
            return 255 - images

        def in_words(self) -> str:
            return "inverted"

    images = pictures(2, 4, 4)
    out = Pipeline((Invert(),)).bytes(images, torch.arange(2), 0, 0)
    assert torch.equal(out, 255 - images)
