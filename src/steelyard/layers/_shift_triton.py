"""The shift on a CUDA device, compiled by Triton: one read and one write of every element."""

# The compiled functions are typed by Triton, from what they are called with.
# mypy: ignore-errors

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024
"""Elements of one program."""

_AS_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def move(x: Tensor, table: Tensor) -> Tensor:
    """Every channel displaced, zeros moving in: (N, C, H, W) -> (N, C, H, W).

    Args:
        x: contiguous or channels-last, of any data type of at most 8 bytes.
        table: (C, 2) contiguous int64 on the same device: output (h, w) is input (h + dy, w + dx).
    """
    out = torch.empty_like(x)
    integers = _AS_INTEGERS[x.element_size()]  # bits are moved: exact for every data type
    _, channels, height, width = x.shape
    if x.numel():
        with torch.cuda.device_of(x):
            _move[(triton.cdiv(x.numel(), BLOCK),)](
                x.view(integers), out.view(integers), table, x.numel(), channels, height, width,
                LAST=not x.is_contiguous(), BLOCK=BLOCK,
            )  # fmt: skip
    return out


@triton.jit
def _move(
    x, out, table, total, channels, height, width, LAST: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    valid = at < total
    if LAST:
        channel, pixel = at % channels, at // channels
        step = channels
    else:
        channel, pixel = at // (height * width) % channels, at % (height * width)
        step = 1
    w, h = pixel % width, pixel // width % height
    dy = tl.load(table + 2 * channel)
    dx = tl.load(table + 2 * channel + 1)
    inside = valid & (h + dy >= 0) & (h + dy < height) & (w + dx >= 0) & (w + dx < width)
    value = tl.load(x + at + (dy * width + dx) * step, mask=inside, other=0)
    tl.store(out + at, value, mask=valid)
