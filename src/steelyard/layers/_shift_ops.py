"""The operators ``steelyard::shift`` and ``steelyard::sparse_shift``, for every device and for tracing.

Both displace each channel by whole pixels, zeros moving in. `shift` is told where to by numbers, which stand
in an exported graph; `sparse_shift` by a tensor, which may be learnt. On a CPU numba's kernel does it, on CUDA
Triton's; where these libraries are missing PyTorch's own operators do, and in ONNX.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._C import (
    _are_functorch_transforms_active,
    _get_tracing_state,
    _is_torch_function_mode_enabled,
    _len_torch_dispatch_stack,
)
from torch._decomp import register_decomposition
from torch.autograd import profiler
from torch.compiler import is_compiling, is_dynamo_compiling

from steelyard.errors import ShapeError, UsageError

Flat = tuple[int, ...]
"""`Moves.flat`."""

_CPU = torch.device("cpu")

Kernel = Callable[[Tensor, Any], Tensor]
"""(dense map (N, C, H, W), (C, 2) int64 table of dy, dx) -> map of the same layout; that for the CPU also takes
`Moves.packed` for the table."""


class Moves(NamedTuple):
    """Runs of neighbouring channels that go the same way."""

    flat: Flat
    """channels, dy, dx, channels, dy, dx ..."""
    channels: int
    """Of all runs."""
    packed: bytes
    """``flat`` as int64: what the compiled kernel reads."""


@lru_cache(maxsize=4096)
def moves_of(flat: Flat) -> Moves:
    """What `shift` wants to know of runs of channels, dy, dx."""
    return Moves(flat, sum(flat[::3]), struct.pack(f"{len(flat)}q", *flat))


def shift(x: Tensor, moves: Moves) -> Tensor:
    """Output (h, w) of a channel is its input (h + dy, w + dx), or 0 outside: (N, C, H, W) -> the same."""
    flat, channels, packed = moves
    if _needs_no_dispatch(x):
        kernel = _kernel("cpu")
        if kernel is None or not x.is_contiguous():
            return _moved(x, _table(flat, _CPU), flat)
        shape = x.shape
        if len(shape) != 4 or shape[1] != channels:
            raise _misfit(x, channels)
        return kernel(x, packed)
    # transforms of torch.func and TorchScript's exporter cannot see into operators
    traced = not is_compiling() and _get_tracing_state() is not None
    if traced or _are_functorch_transforms_active():
        return _sliced(x, flat)
    out: Tensor = torch.ops.steelyard.shift.default(x, flat)
    return out


def sparse_shift(x: Tensor, displacement: Tensor) -> Tensor:
    """`shift` by (C, 2) displacements rounded to integers, half to even: (N, C, H, W) -> the same.

    The gradient of the displacements is that of bilinear interpolation at their real values.
    """
    if _needs_no_dispatch(x) and not (displacement.requires_grad and torch.is_grad_enabled()):
        return _moved(x, _rounded(x, displacement))
    traced = not is_compiling() and _get_tracing_state() is not None
    if traced and torch.onnx.is_in_onnx_export():
        return _gathered(x, displacement.round().to(torch.int64))
    out: Tensor = torch.ops.steelyard.sparse_shift.default(x, displacement)
    return out


def _needs_no_dispatch(x: Tensor) -> bool:
    """Whether only the values matter, not autograd, a mode or a profiler; the dispatcher costs 9 us."""
    return (
        not is_dynamo_compiling()
        and type(x) is Tensor
        and x.is_cpu
        and not (x.requires_grad and torch.is_grad_enabled())
        and not _is_torch_function_mode_enabled()
        and _len_torch_dispatch_stack() == 0
        and not _are_functorch_transforms_active()
        and _get_tracing_state() is None
        and not profiler._is_profiler_enabled
        and not (x.is_conj() or x.is_neg())
    )


# ---- what runs -----------------------------------------------------------------------------------


def _moved(x: Tensor, table: Tensor, moves: Flat = ()) -> Tensor:
    """By the device's kernel, else by PyTorch's operators, which are faster where ``moves`` is known."""
    if x.dim() != 4 or x.shape[1] != table.shape[0]:
        raise _misfit(x, table.shape[0])
    if not x.is_contiguous():
        x = _dense(x)
    kernel = _kernel("cpu" if x.is_cpu else x.device.type)
    if kernel is not None and x.element_size() <= 8:
        return kernel(x, table)
    near = bool(moves) and max(map(abs, (*moves[1::3], *moves[2::3]))) < min(x.shape[2:])
    out = _sliced(x, moves) if near else _gathered(x, table)
    planar = x.is_contiguous()
    return out.contiguous(memory_format=torch.contiguous_format if planar else torch.channels_last)


def _check(x: Tensor, channels: int) -> None:
    if x.dim() != 4 or x.shape[1] != channels:
        raise _misfit(x, channels)


def _misfit(x: Tensor, channels: int) -> ShapeError:
    return ShapeError(
        f"a shift of {channels} channels meets a tensor of shape {tuple(x.shape)}",
        expected=f"(N, {channels}, H, W)",
    )


def _dense(x: Tensor) -> Tensor:
    """Contiguous or channels-last, as the input is, else contiguous."""
    if x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last):
        return x
    return x.contiguous()


@lru_cache(maxsize=4)
def _kernel(device: str) -> Kernel | None:
    """The compiled kernel for a kind of device, or None."""
    kernel: Kernel | None = None
    try:
        if device == "cpu":
            from steelyard.layers._shift_kernel import move as kernel
        elif device == "cuda":
            from steelyard.layers._shift_triton import move as kernel
    except ImportError:  # numba or triton is not installed
        pass
    return kernel


@lru_cache(maxsize=4096)
def _table(moves: Flat, device: torch.device) -> Tensor:
    """Channel by channel (dy, dx)."""
    runs = zip(moves[::3], moves[1::3], moves[2::3], strict=True)
    rows = [(dy, dx) for channels, dy, dx in runs for _ in range(channels)]
    with torch._C.DisableTorchFunction():  # it is kept: no mode may put it elsewhere
        return torch.tensor(rows, dtype=torch.int64, device=device).reshape(-1, 2)


def _rounded(x: Tensor, displacement: Tensor) -> Tensor:
    _check_displacement(x, displacement)
    if displacement.dtype != torch.int64:
        displacement = displacement.detach().round().to(torch.int64)
    return displacement.contiguous()


def _check_displacement(x: Tensor, displacement: Tensor) -> None:
    if displacement.dim() != 2 or displacement.shape[1] != 2:
        raise ShapeError(
            f"displacements of shape {tuple(displacement.shape)}", expected="(channels, 2)"
        )
    if displacement.device != x.device:
        raise UsageError(
            f"displacements on {displacement.device} meet a map on {x.device}",
            expected="both on one device",
            hint="layer.to(x.device)",
        )


def _gathered(x: Tensor, table: Tensor) -> Tensor:
    """The reference for any displacements, in PyTorch's operators."""
    _, channels, height, width = x.shape
    channel, row, column = (
        torch.arange(n, device=x.device).view(shape)
        for n, shape in ((channels, (-1, 1, 1)), (height, (-1, 1)), (width, (-1,)))
    )
    row, column = row + table[:, 0, None, None], column + table[:, 1, None, None]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    at = (channel * height + row.clamp(0, height - 1)) * width + column.clamp(0, width - 1)
    moved = x.flatten(1).index_select(1, at.flatten()).view(x.shape)
    return torch.where(inside, moved, torch.zeros((), dtype=x.dtype, device=x.device))


def _sliced(x: Tensor, moves: Flat) -> Tensor:
    """The reference for displacements that are numbers: pad once, cut each run out, concatenate."""
    runs = list(zip(moves[::3], moves[1::3], moves[2::3], strict=True))
    _, _, height, width = x.shape
    top, bottom = max(0, *(-dy for _, dy, _ in runs)), max(0, *(dy for _, dy, _ in runs))
    left, right = max(0, *(-dx for _, _, dx in runs)), max(0, *(dx for _, _, dx in runs))
    padded = F.pad(x, (left, right, top, bottom))
    parts, first = [], 0
    for channels, dy, dx in runs:
        part = padded.narrow(1, first, channels)
        parts.append(part.narrow(2, top + dy, height).narrow(3, left + dx, width))
        first += channels
    return torch.cat(parts, 1)


# ---- what the dispatcher knows -------------------------------------------------------------------

_library = torch.library.Library("steelyard", "DEF")  # type: ignore[no-untyped-call]
_library.define("shift(Tensor x, int[] moves) -> Tensor")  # type: ignore[no-untyped-call]
_library.define("sparse_shift(Tensor x, Tensor displacement) -> Tensor")  # type: ignore[no-untyped-call]


def _shift(x: Tensor, moves: list[int]) -> Tensor:
    flat = tuple(moves)
    return _moved(x, _table(flat, x.device), flat)


def _sparse_shift(x: Tensor, displacement: Tensor) -> Tensor:
    return _moved(x, _rounded(x, displacement))


def _fake_shift(x: Tensor, moves: list[int]) -> Tensor:
    _check(x, sum(moves[::3]))
    return torch.empty_like(_dense(x))


def _fake_sparse_shift(x: Tensor, displacement: Tensor) -> Tensor:
    _check_displacement(x, displacement)
    _check(x, displacement.shape[0])
    return torch.empty_like(_dense(x))


def _keep_moves(ctx: Any, inputs: tuple[Tensor, list[int]], output: Tensor) -> None:
    ctx.moves = moves_of(tuple(n if i % 3 == 0 else -n for i, n in enumerate(inputs[1])))


def _shift_back(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    """The gradient goes the opposite way."""
    return shift(grad, ctx.moves), None


def _keep_tensors(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _sparse_shift_back(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Of the map: the opposite way. Of the displacements: the slope of bilinear interpolation between the
    four maps that are shifted by the integers around them (Chen et al. 2019, sec. 3.3)."""
    x, displacement = ctx.saved_tensors
    grad_x = sparse_shift(grad, -_rounded(x, displacement)) if ctx.needs_input_grad[0] else None
    if not ctx.needs_input_grad[1]:
        return grad_x, None
    floor = displacement.detach().floor()
    down, right = (displacement - floor).to(x.dtype).unbind(1)
    corner = floor.to(torch.int64)
    a, b, c, d = (
        (grad * sparse_shift(x, corner + corner.new_tensor(step))).sum((0, 2, 3))
        for step in ((0, 0), (0, 1), (1, 0), (1, 1))
    )
    dy = (1 - right) * (c - a) + right * (d - b)
    dx = (1 - down) * (b - a) + down * (d - c)
    return grad_x, torch.stack((dy, dx), 1).to(displacement.dtype)


_library.impl("shift", _shift, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
_library.impl("sparse_shift", _sparse_shift, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
torch.library.register_fake("steelyard::shift", _fake_shift, lib=_library)
torch.library.register_fake("steelyard::sparse_shift", _fake_sparse_shift, lib=_library)
torch.library.register_autograd(
    "steelyard::shift", _shift_back, setup_context=_keep_moves, lib=_library
)
torch.library.register_autograd(
    "steelyard::sparse_shift", _sparse_shift_back, setup_context=_keep_tensors, lib=_library
)


@register_decomposition(torch.ops.steelyard.shift.default)
def _shift_in_onnx(x: Tensor, moves: list[int]) -> Tensor:
    return _sliced(x, tuple(moves))


@register_decomposition(torch.ops.steelyard.sparse_shift.default)
def _sparse_shift_in_onnx(x: Tensor, displacement: Tensor) -> Tensor:
    return _gathered(x, displacement.round().to(torch.int64))
