"""The shift on a CPU, compiled by numba: `move` copies bytes, so every data type is exact.

Neighbouring planes of a contiguous tensor that go the same way move as one block. What comes in over the rim is
cleared on the way by a mask that repeats with every plane, or with every row where planes are large. Channels-last
tensors move pixel by pixel in such runs of channels. Threads are those of PyTorch's own OpenMP, or only one.

It is one file because numba compiles anew only when the file of the outermost function changes.
"""

# The compiled functions are typed by numba, from what they are called with.
# mypy: ignore-errors

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
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

BLOCK = 32
"""Bytes of one load and store: half a line of the caches, so that every second load that is not aligned meets one."""

SMALL = 1 << 10
"""Masks of whole planes up to so many bytes; of larger ones, masks of a row, and rows of zeros afterwards."""

KEPT = 1 << 16
"""Bytes of masks that are kept for the next image, else each is made again."""

CACHED = 1 << 14
"""Channels-last maps move in pieces of so many bytes, which stay in the nearest cache from run to run."""

FAR = 1 << 22
"""Channels-last maps of more bytes are not in the caches: each row is first copied as it is, in order."""

_INT = types.int64
_POINTER = types.CPointer(_INT)
_BYTE = ir.IntType(8).as_pointer()
_ARGUMENTS = 13


def move(x: Tensor, moves: Tensor | bytes) -> Tensor:
    """Every channel displaced, zeros moving in: (N, C, H, W) -> (N, C, H, W).

    Args:
        x: on the CPU, contiguous or channels-last, of any data type.
        moves: (C, 2) contiguous int64: output (h, w) is input (h + dy, w + dx). Or the bytes of an int64 array of rows
            (channels, dy, dx), C channels in all; then x is contiguous.
    """
    out = _empty_like(x)
    if type(moves) is bytes:
        call, what, _masks = _kept_task(moves, x.shape, x.itemsize, _get_num_threads())
    else:
        table = ctypes.string_at(moves.data_ptr(), moves.nbytes)
        size, threads = x.itemsize, _get_num_threads()
        call, what = _task(table, x.shape, size, threads, not x.is_contiguous(), 2, 0)
    call(_pack_pointers(out.data_ptr(), x.data_ptr()) + what)
    return out


_empty_like, _get_num_threads = (
    torch.empty_like,
    torch.get_num_threads,
)  # looked up once: microseconds count
_pack_pointers = struct.Struct("2q").pack
_pack_task = struct.Struct(f"{_ARGUMENTS - 2}q").pack


def _task(
    table: bytes,
    shape: Sequence[int],
    size: int,
    threads: int,
    interleaved: bool,
    columns: int,
    masks: int,
) -> tuple[Callable[[bytes], None], bytes]:
    """The function to call, and all that it reads behind the two pointers."""
    threads = min(threads, math.prod(shape) * size // BYTES_PER_THREAD)
    numbers = (*shape, size, interleaved, threads, _address, len(table) // 8, columns, masks)
    return _fork if threads > 1 else _call, _pack_task(*numbers) + table


@lru_cache(maxsize=512)
def _kept_task(
    moves: bytes, shape: Sequence[int], size: int, threads: int
) -> tuple[Callable[[bytes], None], bytes, Any]:
    """`_task` for a contiguous map, and its masks, which must live as long as it."""
    _, _, height, width = shape
    runs = _joined.py_func(np.frombuffer(moves, np.int64).reshape(-1, 3), height, width)
    room, table = _room(height, width, size), runs.tobytes()
    if len(runs) * room > KEPT:
        return *_task(table, shape, size, threads, False, 3, 0), None
    masks = np.empty(len(runs) * room + width * size + BLOCK, np.uint8)
    call, what = _task(table, shape, size, threads, False, 3, masks.ctypes.data)
    _make(_pack_pointers(0, 0) + what)
    return call, what, masks


def _room(height, width, size):
    """Bytes of one mask, and what `_masked` reads behind it."""
    plane = height * width * size
    return (plane if plane <= SMALL else width * size) + 2 * BLOCK


def _intrinsic(emit: Callable[..., None]) -> Any:
    """A compiled function of three arguments, made of the instructions that ``emit`` writes."""

    @intrinsic
    def function(typing: Any, a: Any, b: Any, c: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit(builder, *args)
            return context.get_dummy_value()

        return types.void(a, b, c), codegen

    return function


@_intrinsic
def _copy(builder: Any, to: Any, source: Any, count: Any) -> None:
    """memcpy(to, source, count), where all three are integers."""
    to, source = builder.inttoptr(to, _BYTE), builder.inttoptr(source, _BYTE)
    cgutils.raw_memcpy(builder, to, source, count, 1)


@_intrinsic
def _fill(builder: Any, to: Any, value: Any, count: Any) -> None:
    """memset(to, value, count), where all three are integers."""
    value = builder.trunc(value, ir.IntType(8))
    cgutils.memset(builder, builder.inttoptr(to, _BYTE), count, value)


def _mover(size: int, count: int) -> Any:
    """Copies ``count`` neighbouring blocks of ``size`` bytes, of which those stay that the masks hold, if any.

    All loads come before the stores: processors compare the lower 12 bits of addresses first and let a load wait
    for a store just before it, though it is to another page. Large tensors begin at the same ones, so that a small
    step to the right or down makes all loads wait that follow a store.
    """
    block = ir.VectorType(ir.IntType(8), size).as_pointer()

    def at(builder: Any, address: Any, i: int = 0) -> Any:
        return builder.inttoptr(builder.add(address, ir.Constant(address.type, i * size)), block)

    @_intrinsic
    def moved(builder: Any, to: Any, source: Any, masks: Any) -> None:
        values = [builder.load(at(builder, source, i), align=1) for i in range(count)]
        kept = [
            builder.load(at(builder, mask), align=1)
            for mask in cgutils.unpack_tuple(builder, masks)
        ]
        if kept:
            values = [builder.and_(*pair) for pair in zip(values, kept, strict=True)]
        for i, value in enumerate(values):
            builder.store(value, at(builder, to, i), align=1)

    return moved


_mask_room = njit(_room)
_four, _one, _byte = _mover(BLOCK, 4), _mover(BLOCK, 1), _mover(1, 1)


@njit
def _stream(to, source, count):
    """A copy whose stores are aligned; memcpy has no choice of the order."""
    if count < BLOCK:
        _copy(to, source, count)
        return
    at, last = -to % BLOCK, count - BLOCK
    _copy(to, source, BLOCK)
    while at + 4 * BLOCK <= count:
        _four(to + at, source + at, ())
        at += 4 * BLOCK
    while at < last:
        _copy(to + at, source + at, BLOCK)
        at += BLOCK
    _copy(to + last, source + last, BLOCK)


@njit
def _next(at, step, period):
    at += step
    return at - period if at >= period else at


@njit
def _masked(to, source, count, mask, period, phase):
    """`_stream` of what the mask holds; ``phase`` bytes of its first period are over."""
    if count < BLOCK:
        for i in range(count):
            _byte(to + i, source + i, (mask + (phase + i) % period,))
        return
    at, last, step = -to % BLOCK, count - BLOCK, BLOCK % period
    _one(to, source, (mask + phase,))
    a = (phase + at) % period
    while at + 4 * BLOCK <= count:
        b = _next(a, step, period)
        c = _next(b, step, period)
        d = _next(c, step, period)
        _four(to + at, source + at, (mask + a, mask + b, mask + c, mask + d))
        a = _next(d, step, period)
        at += 4 * BLOCK
    while at < last:
        _one(to + at, source + at, (mask + a,))
        a = _next(a, step, period)
        at += BLOCK
    _one(to + last, source + last, (mask + (phase + last) % period,))


@njit
def _make_mask(mask, line, height, width, size, dy, dx):
    """Bytes of a plane that come from within are ones; behind it, it begins again. ``line`` is for one row."""
    row, plane = width * size, height * width * size
    left, right = max(0, -dx), min(width, width - dx)
    _fill(line, 0, row + BLOCK)
    _fill(line + left * size, 255, max(0, right - left) * size)
    _fill(mask, 0, plane + BLOCK)
    for y in range(max(0, -dy), min(height, height - dy)):
        for i in range(0, row, BLOCK):  # what is too much are zeros
            _copy(mask + y * row + i, line + i, BLOCK)
    step = min(plane, BLOCK)
    for i in range(0, BLOCK, step):
        _copy(mask + plane + i, mask + i, step)


@njit
def _block(arguments, first, end, offset, mask, period, phase):
    """Bytes first to end of the result: those of the input that lie ``offset`` behind, and zeros beyond it."""
    to, source, batch, channels, height, width, size = arguments[:7]
    total = batch * channels * height * width * size
    low = min(end, max(first, -offset))
    high = max(low, min(end, total - offset))
    _fill(to + first, 0, low - first)
    if mask:
        phase = (phase + low - first) % period
        _masked(to + low, source + low + offset, high - low, mask, period, phase)
    else:
        _stream(to + low, source + low + offset, high - low)
    _fill(to + high, 0, end - high)


@njit
def _rows(arguments, at, end, dy, dx, mask):
    """Rows at to end, all of planes that go the same way."""
    to, _, _, _, height, width, size = arguments[:7]
    row = width * size
    offset = dy * row + dx * size
    _block(arguments, at * row, end * row, offset, mask, row, 0)
    if dy == 0:
        return
    rim = (
        0 if dy < 0 else height - dy
    )  # the first of the rows of a plane that come from its neighbour
    top = at - at % height
    while top < end:
        low, high = max(at, top + rim), min(end, top + rim + abs(dy))
        _fill(to + low * row, 0, max(0, high - low) * row)
        top += height


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
        _fill(to + x * pixel, 0, count)
    start = source + (dy * width + dx + low) * pixel
    _copies(to + low * pixel, start, count, pixel, high - low)
    for x in range(high, end):
        _fill(to + x * pixel, 0, count)


@njit
def _joined(moves, height, width):
    """Rows (end, dy, dx) of the longest runs of neighbouring channels that go the same way.

    A step that leads out of the map leads just out of it: nothing overflows.
    """
    runs, count, end = np.empty((len(moves), 3), np.int64), 0, 0
    for i in range(len(moves)):
        end += moves[i, 0] if moves.shape[1] == 3 else 1
        dy = max(-height, min(height, moves[i, -2]))
        dx = max(-width, min(width, moves[i, -1]))
        if count == 0 or runs[count - 1, 1] != dy or runs[count - 1, 2] != dx:
            count += 1
        runs[count - 1, 0], runs[count - 1, 1], runs[count - 1, 2] = end, dy, dx
    return runs[:count]


@njit
def _run_mask(mask, line, height, width, size, dy, dx):
    """The mask of a plane where it is small, else of a row."""
    if height * width * size <= SMALL:
        _make_mask(mask, line, height, width, size, dy, dx)
    else:
        _make_mask(mask, line, 1, width, size, 0, dx)


@njit
def _all_masks(arguments, runs):
    """Those of all runs, to be kept from call to call."""
    height, width, size = arguments[4:7]
    base, room = arguments[12], _mask_room(height, width, size)
    for i in range(len(runs)):
        line = base + len(runs) * room
        _run_mask(base + i * room, line, height, width, size, runs[i, 1], runs[i, 2])


@njit
def _planar(arguments, runs, index, shares):
    """One thread's share of a contiguous tensor: some neighbouring rows."""
    _, _, batch, channels, height, width, size = arguments[:7]
    masks, rows = arguments[12], batch * channels * height
    at, end = rows * index // shares, rows * (index + 1) // shares
    if width == 0 or at == end:
        return
    if masks:
        _planes(arguments, runs, at, end, masks, len(runs), len(runs))
    else:
        room = _mask_room(height, width, size)
        slots = len(runs) if len(runs) * room <= KEPT else 1
        memory = np.empty(slots * room + width * size + BLOCK, np.uint8)
        _planes(arguments, runs, at, end, _INT(memory.ctypes.data), slots, 0)
        memory[0] = 0  # numba frees what is not used any more: it must live until here


@njit
def _planes(arguments, runs, at, end, base, slots, made):
    """Rows at to end. ``base`` is memory for ``slots`` masks, of which those of the first ``made`` runs are there."""
    _, _, _, channels, height, width, size = arguments[:7]
    row, plane = width * size, height * width * size
    small, room = plane <= SMALL, _mask_room(height, width, size)
    image, run = at // (channels * height), 0
    while (image * channels + runs[run, 0]) * height <= at:
        run += 1
    while at < end:
        last, dy, dx = runs[run]
        stop = min(end, (image * channels + last) * height)
        mask = base + run % slots * room if dx != 0 or (small and dy != 0) else 0
        if mask and (made < len(runs) or slots == 1):
            _run_mask(mask, base + slots * room, height, width, size, dy, dx)
        if small:
            offset = dy * row + dx * size
            _block(arguments, at * row, stop * row, offset, mask, plane, at % height * row)
        else:
            _rows(arguments, at, stop, dy, dx, mask)
        at, run, made = stop, run + 1, made + 1
        if run == len(runs):
            image, run = image + 1, 0


@njit
def _interleaved(arguments, runs, index, shares):
    """One thread's share of a channels-last tensor: some neighbouring rows, a few pixels at a time."""
    to, source, batch, channels, height, width, size = arguments[:7]
    pixel = channels * size
    far = batch * height * width * pixel > FAR
    some = max(1, CACHED // max(1, pixel))
    for i in range(batch * height * index // shares, batch * height * (index + 1) // shares):
        row, y = i * width * pixel, i % height
        if far:
            ahead = row + width * pixel if y + 1 < height else row
            _stream(to + row, source + ahead, width * pixel)
        for begin in range(0, width, some):
            first = 0
            for last, dy, dx in runs:
                at, count = row + first * size, (last - first) * size
                inside = 0 <= y + dy < height
                end = min(width, begin + some)
                _pixels(to + at, source + at, begin, end, width, inside, pixel, count, dy, dx)
                first = last


@njit
def _read(pointer):
    """The numbers, and what stands behind them: runs of channels, or a row (dy, dx) for each channel."""
    arguments = to_fixed_tuple(carray(pointer, (_ARGUMENTS,)), _ARGUMENTS)
    table = carray(pointer, (_ARGUMENTS + arguments[10],))[_ARGUMENTS:]
    return arguments, table.reshape(-1, arguments[11])


@njit
def _share(pointer, index, shares):
    """One thread's share of the work."""
    arguments, runs = _read(pointer)
    if arguments[11] == 2:
        runs = _joined(runs, arguments[4], arguments[5])
    if arguments[7]:
        _interleaved(arguments, runs, index, shares)
    else:
        _planar(arguments, runs, index, shares)


def _compile(function: Callable[[Any], None]) -> Any:
    """The function as a C callback; kept on disk where numba finds a folder for it."""
    signature = types.void(_POINTER)
    try:
        return cfunc(signature, cache=True)(function)
    except RuntimeError:  # no folder to keep it in
        return cfunc(signature)(function)


_openmp = ctypes.CDLL(torch._C.__file__)  # with all the libraries that it is linked to
_NAMES = ("omp_get_thread_num", "omp_get_num_threads", "GOMP_parallel")
_thread, _threads = (types.ExternalFunction(name, types.int32()) for name in _NAMES[:2])
_parallel = types.ExternalFunction(_NAMES[2], types.void(_INT, _POINTER, *(types.uint32,) * 2))


def _making(pointer):
    _all_masks(*_read(pointer))


def _serial(pointer):
    _share(pointer, 0, 1)


def _threaded(pointer):
    _share(pointer, _INT(_thread()), _INT(_threads()))


def _forking(pointer):
    values = carray(pointer, (_ARGUMENTS,))
    _parallel(values[9], pointer, types.uint32(values[8]), types.uint32(0))


if all(hasattr(_openmp, name) for name in _NAMES):
    for _name in _NAMES:
        binding.add_symbol(_name, ctypes.cast(getattr(_openmp, _name), ctypes.c_void_p).value)
    _worker, _forker = _compile(_threaded), _compile(_forking)
else:
    _worker = _forker = _compile(_serial)
_maker = _compile(_making)
_address = _worker.address
_call, _fork, _make = map(
    ctypes.CFUNCTYPE(None, ctypes.c_void_p), (_address, _forker.address, _maker.address)
)
