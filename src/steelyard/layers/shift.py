"""The shift of ShiftNet: groups of channels move by one displacement each; Wu et al. 2017 (arXiv:1711.08141).

No multiplication and no weight: what a depthwise convolution does whose filters hold a single 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import _shift_ops

Move = tuple[int, int, int]
"""Neighbouring channels that go the same way: how many, dy, dx."""


def shift(x: Tensor, moves: Sequence[Move]) -> Tensor:
    """Displaces channels by whole pixels, zeros moving in: (N, C, H, W) -> (N, C, H, W), same layout.

    Output (h, w) of a channel is its input (h + dy, w + dx). The gradient is exactly the opposite shift.

    Example::

        shift(x, [(8, 0, 1), (8, 0, -1)])  # 16 channels, half of them one pixel left, half right

    Args:
        x: of any data type; contiguous and channels-last maps keep their layout.
        moves: (channels, dy, dx) of each run of neighbouring channels, in order.

    Raises:
        ShapeError: the channels of ``moves`` are not those of ``x``, or ``x`` is no (N, C, H, W).
    """
    try:
        known = _flat(moves)
    except TypeError:  # lists cannot be looked up
        known = _flat(tuple(map(tuple, moves)))
    return _shift_ops.shift(x, known)


@lru_cache(maxsize=512)
def _flat(moves: Sequence[Move]) -> _shift_ops.Moves:
    return _shift_ops.moves_of(tuple(n for move in moves for n in move))


def grouped_moves(channels: int, kernel_size: int, dilation: int = 1) -> tuple[Move, ...]:
    """One group of channels for each position of a square window; the rest stay with the middle one (sec. 3.2).

    >>> grouped_moves(20, 3)[:5]
    ((2, -1, -1), (2, -1, 0), (2, -1, 1), (2, 0, -1), (4, 0, 0))

    Raises:
        UsageError: the window has no middle, or a size is below 1.
    """
    if min(channels, kernel_size, dilation) < 1 or kernel_size % 2 == 0:
        raise UsageError(
            f"a shift of {channels} channels cannot have kernel_size={kernel_size}, dilation={dilation}",
            expected="an odd kernel_size, all at least 1",
        )
    group, rest = divmod(channels, kernel_size**2)
    reach = range(-(kernel_size // 2), kernel_size // 2 + 1)
    sizes = ((group + (0 if dy or dx else rest), dy, dx) for dy in reach for dx in reach)
    return tuple((size, dy * dilation, dx * dilation) for size, dy, dx in sizes if size)


class Shift(nn.Module):
    """Grouped shift (fig. 2, sec. 3.2): (N, C, H, W) -> (N, C, H, W), no parameters, no arithmetic.

    The order of the groups is free, since the convolution in front can permute its outputs.

    Args:
        channels: C.
        kernel_size: side of the window over which the groups spread.
        dilation: distance between its positions.

    Raises:
        UsageError: the window has no middle, or a size is below 1.
    """

    def __init__(self, channels: int, kernel_size: int = 3, dilation: int = 1) -> None:
        super().__init__()
        self.channels, self.kernel_size, self.dilation = channels, kernel_size, dilation
        self.moves = grouped_moves(channels, kernel_size, dilation)
        self._moves = _flat(self.moves)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W).

        Raises:
            ShapeError: another number of channels or of dimensions.
        """
        return _shift_ops.shift(x, self._moves)

    def extra_repr(self) -> str:
        """As `nn.Module` prints it."""
        return f"{self.channels}, kernel_size={self.kernel_size}, dilation={self.dilation}"
