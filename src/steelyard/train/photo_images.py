"""`photo_image`: a photograph as a trained network takes it: its channels, its size, its preprocessing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from steelyard._photo import open_photo
from steelyard.data.transforms import Pipeline, parse_transforms
from steelyard.errors import ShapeError, UsageError

__all__ = ["photo_image"]


def photo_image(
    file: str | os.PathLike[str], shape: Sequence[int], transforms: Pipeline
) -> tuple[Tensor, str]:
    """(1, C, H, W) of a photograph, and a remark on how it was read ("" for nothing to say).

    A network of one channel gets it in grey. Where the transforms do not lead to the network's size, the photograph's
    shorter side is resized to it and the middle cut out first.

    Args:
        file: the photograph.
        shape: (C, H, W) of the network's images.
        transforms: what images go through before the network sees them.

    Raises:
        UsageError: a network of other than 1 or 3 channels.
        FileFormatError: the photo cannot be read.
        MissingExtraError: Pillow is not installed.
    """
    channels, height, width = shape
    if channels not in (1, 3):
        raise UsageError(
            f"the network takes images of {channels} channels", expected="1 (grey) or 3 (RGB)"
        )
    image, remark = open_photo(file)
    pixels = np.array(image.convert("L") if channels == 1 else image)
    raw = torch.from_numpy(pixels.reshape(image.height, image.width, channels)).permute(2, 0, 1)
    steps = transforms.evaluation()
    try:
        ready = _applied(raw, steps)
    except ShapeError:  # a cut out of an image that is too small
        ready = raw[None]
    if tuple(ready.shape[-2:]) != (height, width):
        side = f"resize:{max(height, width)}"
        fitting = parse_transforms((side, f"center_crop:{height}x{width}")).steps
        ready = _applied(raw, replace(steps, steps=(*fitting, *steps.steps)))
        cut = f"resized and cut to {height}x{width}"
        remark = f"{remark}; {cut}" if remark else cut
    return ready, remark


def _applied(image: Tensor, steps: Pipeline) -> Tensor:
    return steps(image[None], np.zeros(1, dtype=np.int64), seed=0, epoch=0, train=False)
