"""The shift on a CPU, compiled by numba: `move` copies bytes, so every data type is exact.

A plane of a contiguous tensor moves as one block, whose few elements that ran over the rim are then set to
zero; a channels-last tensor moves pixel by pixel in runs of channels that go the same way. Threads are those of
PyTorch's own OpenMP, so that no second pool competes with them; where it cannot be reached, there is one.
"""

# The compiled functions are typed by numba, from what they are called with.
# mypy: ignore-errors

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from llvmlite import binding, ir
from numba import carray, cfunc, njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.unsafe.ndarray import to_fixed_tuple
from torch import Tensor

BYTES_PER_THREAD = 1 << 16
"""Less work than this is not worth another thread."""

CACHED = 1 << 14
"""Planes are moved together up to so many bytes: few calls, and their rims are still in the nearest cache."""

FAR = 1 << 22
"""Channels-last maps of more bytes are not in the caches: each row is first copied as it is, since memory is quick
only in order, and then the channels are put where they belong."""

PAGE = 4096
IN_FLIGHT = 256
"""Bytes of stores that a load may have to wait for."""

_INT = types.int64
_ARGUMENTS = 9


def move(x: Tensor, table: Tensor) -> Tensor:
    """Every channel displaced, zeros moving in: (N, C, H, W) -> (N, C, H, W).

    Args:
        x: on the CPU, contiguous or channels-last, of any data type.
        table: (C, 2) contiguous int64: output (h, w) is input (h + dy, w + dx).
    """
    out = torch.empty_like(x)
    batch, channels, height, width = x.shape
    size = x.element_size()
    last = not x.is_contiguous()
    arguments = _pack(
        out.data_ptr(), x.data_ptr(), table.data_ptr(), batch, channels, height, width, size, last
    )
    count = x.nbytes
    if count < 2 * BYTES_PER_THREAD or (threads := torch.get_num_threads()) == 1 or not _parallel:
        _call(arguments)
    else:
        _parallel(_compiled.address, arguments, min(threads, count // BYTES_PER_THREAD), 0)
    return out


_pack = struct.Struct(f"{_ARGUMENTS}q").pack


@intrinsic
def _copy(typing: Any, to: Any, source: Any, count: Any) -> Any:
    """memcpy(to, source, count), where all three are integers."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, source, count = args
        byte = ir.IntType(8).as_pointer()
        cgutils.raw_memcpy(
            builder, builder.inttoptr(to, byte), builder.inttoptr(source, byte), count, 1
        )
        return context.get_dummy_value()

    return types.void(_INT, _INT, _INT), codegen


@intrinsic
def _zero(typing: Any, to: Any, count: Any) -> Any:
    """memset(to, 0, count), where both are integers."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, count = args
        cgutils.memset(builder, builder.inttoptr(to, ir.IntType(8).as_pointer()), count, 0)
        return context.get_dummy_value()

    return types.void(_INT, _INT), codegen


@intrinsic
def _integers(typing: Any, address: Any) -> Any:
    """The address as a pointer to int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(types.CPointer(_INT)))

    return types.CPointer(_INT)(_INT), codegen


@njit
def _zero_few(to, count):
    """Zeros; a fixed number of bytes is a single instruction, any other a call."""
    if count == 4:
        _zero(to, 4)
    elif count == 8:
        _zero(to, 8)
    elif count == 2:
        _zero(to, 2)
    else:
        _zero(to, count)


@njit
def _chased(to, source):
    """Whether loads that ascend would meet the page offsets of the stores just before them.

    Processors compare the lower 12 bits of addresses first and wait for the store, though it is to another page.
    Large tensors all begin at the same offset, so a small step to the right or down runs into this.
    """
    return 0 < (to - source) % PAGE < IN_FLIGHT


@njit
def _stream(to, source, count):
    """A copy in blocks of 64 bytes, upwards or downwards; memcpy has no choice."""
    blocks = count // 64
    if count < 64:
        _copy(to, source, count)
        return
    last = count - 64
    if _chased(to, source):
        _copy(to + last, source + last, 64)
        for i in range(blocks):
            _copy(to + (blocks - 1 - i) * 64, source + (blocks - 1 - i) * 64, 64)
    else:
        for i in range(blocks):
            _copy(to + i * 64, source + i * 64, 64)
        _copy(to + last, source + last, 64)


@njit
def _planes(to, source, planes, height, width, size, dy, dx):
    """Neighbouring planes of a contiguous tensor that go the same way."""
    row, plane = width * size, height * width * size
    if abs(dy) >= height or abs(dx) >= width:
        _zero(to, planes * plane)
        return
    offset = dy * row + dx * size
    _stream(to + max(0, -offset), source + max(0, offset), planes * plane - abs(offset))
    if dy != 0:  # what came in from the plane above or below
        first = height - dy if dy > 0 else 0
        for i in range(planes):
            _zero(to + i * plane + first * row, abs(dy) * row)
    if dx != 0:  # what came in from the row above or below
        first = width - dx if dx > 0 else 0
        for i in range(planes * height):
            _zero_few(to + i * row + first * size, abs(dx) * size)


@njit
def _spread(to, source, count, step, times, block):
    """``times`` copies of ``count`` bytes each, ``step`` apart, in blocks of a fixed size; the last overlaps."""
    for _ in range(times):
        for i in range((count - 1) // block):
            _copy(to + i * block, source + i * block, block)
        _copy(to + count - block, source + count - block, block)
        to += step
        source += step


@njit
def _copies(to, source, count, step, times):
    """`_spread` with the largest block that fits."""
    if count == step:
        _stream(to, source, count * times)
    elif count >= 32:
        _spread(to, source, count, step, times, 32)
    elif count >= 16:
        _spread(to, source, count, step, times, 16)
    elif count >= 8:
        _spread(to, source, count, step, times, 8)
    elif count >= 4:
        _spread(to, source, count, step, times, 4)
    else:
        _spread(to, source, count, step, times, 1)


@njit
def _pixels(to, source, begin, end, width, inside, pixel, count, dy, dx):
    """Pixels begin to end of a row, ``count`` bytes of each: neighbouring channels that go the same way."""
    low = max(begin, min(end, -dx)) if inside else end
    high = max(low, min(end, width - dx))
    for x in range(begin, low):
        _zero(to + x * pixel, count)
    start = source + (dy * width + dx + low) * pixel
    _copies(to + low * pixel, start, count, pixel, high - low)
    for x in range(high, end):
        _zero(to + x * pixel, count)


@njit
def _within(step, size):
    """A step that leads out of the map leads just out of it: nothing overflows."""
    return max(-size, min(size, step))


@njit
def _planar(arguments, table, index, shares):
    """One thread's share of a contiguous tensor: some neighbouring planes."""
    to, source, _, batch, channels, height, width, size, _ = arguments
    plane = height * width * size
    at, end = batch * channels * index // shares, batch * channels * (index + 1) // shares
    while at < end:
        first = at % channels
        dy, dx = _within(table[first, 0], height), _within(table[first, 1], width)
        planes = 1
        most = min(end - at, channels - first, max(1, CACHED // max(1, plane)))
        while planes < most and table[first + planes, 0] == dy and table[first + planes, 1] == dx:
            planes += 1
        _planes(to + at * plane, source + at * plane, planes, height, width, size, dy, dx)
        at += planes


@njit
def _interleaved(arguments, table, index, shares):
    """One thread's share of a channels-last tensor: some neighbouring rows, a few pixels at a time."""
    to, source, _, batch, channels, height, width, size, _ = arguments
    pixel = channels * size
    far = batch * height * width * pixel > FAR
    some = max(1, CACHED // max(1, pixel))
    ends = np.empty(channels, np.int64)  # of the runs of channels that go the same way
    runs = 0
    for i in range(channels):
        if i + 1 == channels or table[i, 0] != table[i + 1, 0] or table[i, 1] != table[i + 1, 1]:
            ends[runs] = i + 1
            runs += 1
    for i in range(batch * height * index // shares, batch * height * (index + 1) // shares):
        row, y = i * width * pixel, i % height
        if far:
            ahead = row + width * pixel if y + 1 < height else row
            _stream(to + row, source + ahead, width * pixel)
        for begin in range(0, width, some):
            first = 0
            for run in range(runs):
                dy, dx = _within(table[first, 0], height), _within(table[first, 1], width)
                at, count = row + first * size, (ends[run] - first) * size
                inside = 0 <= y + dy < height
                end = min(width, begin + some)
                _pixels(to + at, source + at, begin, end, width, inside, pixel, count, dy, dx)
                first = ends[run]


@njit
def _share(pointer, index, shares):
    """One thread's share of the work."""
    values = carray(pointer, (_ARGUMENTS,))
    arguments = to_fixed_tuple(values, _ARGUMENTS)
    table = carray(_integers(values[2]), (values[4], 2))
    if values[8]:
        _interleaved(arguments, table, index, shares)
    else:
        _planar(arguments, table, index, shares)


def _compile(function: Callable[[Any], None]) -> Any:
    """The function as a C callback; kept on disk where numba finds a folder for it."""
    signature = types.void(types.CPointer(_INT))
    try:
        return cfunc(signature, cache=True)(function)
    except RuntimeError:  # no folder to keep it in
        return cfunc(signature)(function)


_openmp = ctypes.CDLL(torch._C.__file__)  # with all the libraries that it is linked to
_NAMES = ("omp_get_thread_num", "omp_get_num_threads")
_parallel: Any = getattr(_openmp, "GOMP_parallel", None)
_thread, _threads = (types.ExternalFunction(name, types.int32()) for name in _NAMES)


def _serial(pointer):
    _share(pointer, 0, 1)


def _threaded(pointer):
    _share(pointer, _INT(_thread()), _INT(_threads()))


if _parallel is None:
    _compiled = _compile(_serial)
else:
    for _name in _NAMES:
        binding.add_symbol(_name, ctypes.cast(getattr(_openmp, _name), ctypes.c_void_p).value)
    _parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    _parallel.restype = None
    _compiled = _compile(_threaded)
_call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(_compiled.address)
