"""Pictures to transform, and the way to Pillow and back."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def pictures(count: int, height: int, width: int, channels: int = 3, *, seed: int = 0) -> Tensor:
    """Smooth, with some noise, reaching from 0 to 255: uint8, (N, C, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, height // 5 + 2, width // 5 + 2, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    noise = torch.rand(count, channels, height, width, generator=generator)
    return ((1.2 * smooth + 0.2 * noise - 0.2).clamp(0, 1) * 255).round().to(torch.uint8)


def to_pillow(image: Tensor) -> Image.Image:
    array = image.permute(1, 2, 0).numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def from_pillow(image: Image.Image) -> Tensor:
    array = np.array(image)
    return torch.from_numpy(array[..., None] if array.ndim == 2 else array).permute(2, 0, 1)


def furthest(one: Tensor, other: Tensor) -> int:
    """The largest difference of a pixel."""
    return int((one.int() - other.int()).abs().max())
