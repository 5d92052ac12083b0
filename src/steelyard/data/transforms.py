"""`Pipeline` and `parse_transforms`: what happens to images before a network sees them, as a list of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.data.crops import CenterCrop, Crop, Flip, VerticalFlip
from steelyard.data.draws import Draws
from steelyard.data.normalize import Normalize
from steelyard.data.resize import Resize
from steelyard.data.transform import Transform, as_text, from_text
from steelyard.errors import ShapeError, UsageError

__all__ = ["TRANSFORMS", "Pipeline", "parse_transforms"]

TRANSFORMS: tuple[type[Transform], ...] = (
    Resize,
    CenterCrop,
    Crop,
    Flip,
    VerticalFlip,
    Normalize,
)
"""What a text may name."""

_AFTER_NORMALIZE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps from 8-bit images to what a network sees, in order. Printed, it says exactly what it does.

    Without `Normalize` the result is pixel / 255.

    Raises:
        UsageError: a step for 8-bit images stands after ``normalize``.
    """

    steps: tuple[Transform, ...]

    def __post_init__(self) -> None:
        normalized = False
        for step in self.steps:
            if normalized and step.name not in _AFTER_NORMALIZE:
                raise UsageError(
                    f"{step.name} stands after normalize",
                    expected="normalize after all that works on 8-bit images",
                )
            normalized |= isinstance(step, Normalize)

    @property
    def texts(self) -> tuple[str, ...]:
        """The steps as texts with every setting; `parse_transforms` makes the same of them."""
        return tuple(map(as_text, self.steps))

    def __str__(self) -> str:
        lines = [f"{step.name}: {step.in_words()}" for step in self.steps]
        if not any(isinstance(step, Normalize) for step in self.steps):
            lines.append("to floats: pixel / 255")
        return "\n".join(lines)

    def of_data(self, name: str) -> Pipeline:
        """The same, ``normalize`` with the statistics of the data set ``name`` where it says none.

        Raises:
            UnknownNameError: nothing is registered for that data set.
        """
        return replace(
            self,
            steps=tuple(
                step.of_data(name) if isinstance(step, Normalize) else step for step in self.steps
            ),
        )

    def evaluation(self) -> Pipeline:
        """The same without the random steps.

        Raises:
            UsageError: a random step decides on the size, so that it cannot be left out.
        """
        for step in self.steps:
            if step.random and getattr(step, "size", None):
                raise UsageError(
                    f"{as_text(step)} is random and gives images their size",
                    expected="transforms for evaluation",
                    hint="resize:256 and center_crop:224",
                )
        return replace(self, steps=tuple(step for step in self.steps if not step.random))

    def __call__(
        self,
        images: Tensor | Sequence[Tensor],
        indices: Tensor | NDArray[np.int64],
        *,
        seed: int,
        epoch: int,
        train: bool = True,
    ) -> Tensor:
        """What the network sees.

        Each image of the result is a function of the image, its index, the seed and the epoch: the
        others of the batch do not matter.

        Args:
            images: uint8, ``(N, C, H, W)``, or N of ``(C, H, W)`` with sizes of their own.
            indices: int64, ``(N,)``: the samples' numbers in the data set.
            seed: 0 to 2^64 - 1.
            epoch: 0 to 2^32 - 1.
            train: False leaves out the random steps.

        Returns:
            float32, ``(N, C, H, W)``.

        Raises:
            ShapeError: images differ in size at the end, or a step does not fit their size.
            UsageError: see `evaluation`; ``normalize`` has no numbers (see `of_data`).
        """
        steps = self.steps if train else self.evaluation().steps
        samples = np.asarray(indices, dtype=np.int64)
        current = _stacked(images)
        for place, step in enumerate(steps):
            draws = Draws(seed, epoch, samples, place)
            if isinstance(current, Tensor):
                current = step(current, draws)
            else:
                each = (
                    step(image[None], draws.of(slice(row, row + 1)))[0]
                    for row, image in enumerate(current)
                )
                current = _stacked(list(each))
        if not isinstance(current, Tensor):
            sizes = sorted({tuple(image.shape) for image in current})
            raise ShapeError(
                f"after all transforms images differ in size: {sizes[0]}, {sizes[-1]} ...",
                expected="one size",
                hint="resize:256 and center_crop:224, or random_resized_crop:224",
            )
        return current if current.is_floating_point() else current.float().div_(255)


def _stacked(images: Tensor | Sequence[Tensor]) -> Tensor | Sequence[Tensor]:
    """One tensor if all are of one size."""
    if isinstance(images, Tensor) or len({image.shape for image in images}) != 1:
        return images
    return torch.stack(list(images))


def parse_transforms(texts: Sequence[str]) -> Pipeline:
    """The pipeline that a list of texts describes.

    >>> print(parse_transforms(["crop:padding=4", "flip", "normalize:fashion_mnist"]))
    crop: a part of the image's size at a random place after padding by 4 (zero)
    flip: left and right exchanged with probability 0.5
    normalize: (pixel / 255 - mean) / std, mean 0.286, std 0.353 (fashion_mnist)

    Raises:
        UsageError: a wrong text, setting, value or order.
        UnknownNameError: no such transform; the nearest and all are named.
    """
    if isinstance(texts, str):
        raise UsageError(f"transforms are one text, {texts!r}", expected="a list of texts")
    return Pipeline(tuple(from_text(text, TRANSFORMS) for text in texts))
