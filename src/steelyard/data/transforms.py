"""`Pipeline` and `parse_transforms`: what happens to images before a network sees them, as a list of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.data.boxes import Erase, RandomResizedCrop
from steelyard.data.crops import CenterCrop, Crop, Flip, VerticalFlip
from steelyard.data.draws import Draws
from steelyard.data.jitter import Blur, ColorJitter, Grayscale
from steelyard.data.mix import CutMix, Mixing, Mixup, targets
from steelyard.data.normalize import Normalize
from steelyard.data.randaugment import RandAugment, TrivialAugment
from steelyard.data.resize import Resize
from steelyard.data.transform import Step, Transform, as_text, from_text
from steelyard.data.warp import Affine
from steelyard.errors import ShapeError, UsageError

__all__ = ["TRANSFORMS", "Pipeline", "parse_transforms"]

TRANSFORMS: tuple[type[Step], ...] = (
    Resize,
    CenterCrop,
    RandomResizedCrop,
    Crop,
    Flip,
    VerticalFlip,
    Affine,
    ColorJitter,
    Grayscale,
    Blur,
    RandAugment,
    TrivialAugment,
    Erase,
    Normalize,
    Mixup,
    CutMix,
)
"""What a text may name."""

Indices = Tensor | NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps from 8-bit images to what a network sees, in order. Printed, it says exactly what it does.

    Without `Normalize` the result is pixel / 255. Mixings come last; where there are several, each
    sample takes one of them, all equally likely.

    Raises:
        UsageError: a step stands where it cannot.
    """

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        before = ""
        for step in self.steps:
            if before == "normalize" and not isinstance(step, Erase | Mixing):
                raise UsageError(
                    f"{step.name} stands after normalize",
                    expected="after normalize only erase, mixup and cutmix",
                )
            if before == "mixing" and not isinstance(step, Mixing):
                raise UsageError(
                    f"{step.name} stands after mixup or cutmix", expected="these at the end"
                )
            if isinstance(step, Normalize):
                before = "normalize"
            elif isinstance(step, Mixing):
                before = "mixing"

    @property
    def texts(self) -> tuple[str, ...]:
        """The steps as texts with every setting; `parse_transforms` makes the same of them."""
        return tuple(map(as_text, self.steps))

    @property
    def mixes(self) -> bool:
        """Images are mixed with others of their batch."""
        return any(isinstance(step, Mixing) for step in self.steps)

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
        indices: Indices,
        *,
        seed: int,
        epoch: int,
        train: bool = True,
    ) -> Tensor:
        """What the network sees, before any mixing.

        Each image of the result is a function of the image, its index, the seed and the epoch, to the
        bit: the others of the batch do not matter.

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
        used = self if train else self.evaluation()
        return used.floats(used.bytes(images, indices, seed, epoch), indices, seed, epoch)

    def bytes(
        self, images: Tensor | Sequence[Tensor], indices: Indices, seed: int, epoch: int
    ) -> Tensor:
        """The first half of `__call__`: what is done to 8-bit images, uint8 ``(N, C, H, W)``.

        Raises:
            ShapeError: as there.
        """
        current = _stacked(images)
        for step, draws in self._placed(indices, seed, epoch):
            if isinstance(step, Normalize):
                break
            if isinstance(current, Tensor):
                current = step(current, draws)
            else:
                each = (
                    step(image[None], draws.of(slice(row, row + 1)))[0]
                    for row, image in enumerate(current)
                )
                current = _stacked(list(each))
        if isinstance(current, Tensor):
            return current
        sizes = sorted({tuple(image.shape) for image in current})
        raise ShapeError(
            f"after all transforms images differ in size: {sizes[0]}, {sizes[-1]} ...",
            expected="one size",
            hint="resize:256 and center_crop:224, or random_resized_crop:224",
        )

    def floats(self, images: Tensor, indices: Indices, seed: int, epoch: int) -> Tensor:
        """The second half of `__call__`: ``normalize`` and what follows, float32."""
        current: Tensor | None = None
        for step, draws in self._placed(indices, seed, epoch):
            if current is not None:
                current = step(current, draws)
            elif isinstance(step, Normalize):
                current = step(images, draws)
        return images.float().div_(255) if current is None else current

    def _placed(
        self, indices: Indices, seed: int, epoch: int
    ) -> list[tuple[Transform, Draws]]:  # fmt: skip
        samples = np.asarray(indices, dtype=np.int64)
        return [
            (step, Draws(seed, epoch, samples, place))
            for place, step in enumerate(self.steps)
            if isinstance(step, Transform)
        ]

    def mix(
        self,
        images: Tensor,
        labels: Tensor,
        indices: Indices,
        *,
        partners: NDArray[np.int64],
        classes: int,
        seed: int,
        epoch: int,
    ) -> tuple[Tensor, Tensor]:
        """The batch with each image mixed with another of it.

        Args:
            images: float32, ``(N, C, H, W)``: what `__call__` returned.
            labels: int64, ``(N,)``.
            indices: int64, ``(N,)``.
            partners: int64, ``(N,)``: the row that each is mixed with.
            classes: how many labels there are.
            seed: 0 to 2^64 - 1.
            epoch: 0 to 2^32 - 1.

        Returns:
            Images as they were, and targets, float32 ``(N, classes)``, whose rows sum to 1.
        """
        samples = np.asarray(indices, dtype=np.int64)
        mixings = [(k, step) for k, step in enumerate(self.steps) if isinstance(step, Mixing)]
        own = np.ones(len(images))
        mixed = images
        with_ = torch.from_numpy(partners)
        # its own place, behind those of the steps
        chosen = Draws(seed, epoch, samples, len(self.steps)).uniform(1)[0] * len(mixings)
        for turn, (place, step) in enumerate(mixings):
            after, part = step(
                images, images[with_.to(images.device)], Draws(seed, epoch, samples, place)
            )  # fmt: skip
            takes = np.floor(chosen) == turn
            where = torch.from_numpy(takes).to(images.device)[:, None, None, None]
            mixed = torch.where(where, after, mixed)
            own[takes] = part[takes]
        return mixed, targets(labels, labels[with_.to(labels.device)], own, classes)


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
