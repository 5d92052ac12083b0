"""`Problem`: a loop nest as the accelerators see it: eight loops, two sliding windows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from steelyard.errors import InputError
from steelyard.hardware.device import DIMENSIONS
from steelyard.workload.loopnest import LoopNest

LARGEST = 2**31
"""A loop longer than this, or counts beyond 2**62, are refused: they would overflow."""


@dataclass(frozen=True, slots=True)
class Window:
    """One spatial axis: output o and tap k need input row ``o * stride + k * dilation - before``.

    Rows outside 0 .. size - 1 are padding, which no memory holds and nobody fetches.
    """

    stride: int = 1
    dilation: int = 1
    before: int = 0
    size: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """``for n, g, m, c, p, q, r, s: O[n,g,m,p,q] += I[n,g,c,row(p,r),column(q,s)] * W[g,m,c,r,s]``.

    Attributes:
        sizes: of N, G, M, C, P, Q, R, S in this order; M and C per group.
        rows, columns: how P and R, Q and S find their input.
    """

    sizes: tuple[int, ...]
    rows: Window = Window()
    columns: Window = Window()

    def __post_init__(self) -> None:
        if len(self.sizes) != len(DIMENSIONS) or min(self.sizes) < 1:
            found = ", ".join(f"{d}={s}" for d, s in zip(DIMENSIONS, self.sizes, strict=False))
            raise InputError(f"nothing to map: {found}", expected="every size at least 1")
        for dim, size in zip(DIMENSIONS, self.sizes, strict=True):
            if size > LARGEST:
                raise InputError(
                    f"{dim} is {size:,}: counts would overflow", expected=f"at most {LARGEST:,}"
                )
        if prod(self.sizes) > 2**62:
            raise InputError(
                f"{prod(self.sizes):.3g} operations: counts would overflow",
                expected=f"at most {2.0**62:.3g}",
            )

    @classmethod
    def of(cls, nest: LoopNest, *, stored_padding: bool = False) -> Problem:
        """The problem of a loop nest.

        Axes beyond two are unfolded: the outer ones of a 3-d convolution become rows of N (their outputs)
        and channels C (their taps), so overlap along them is not reused. A transposed convolution is the
        matrix product N H W x C x (M R S) whose results are added up outside, as GEMM libraries do it.

        Args:
            nest: the loops.
            stored_padding: zeros are stored and moved as if they were data.

        Raises:
            InputError: a size below 1, or too large to count.
        """
        if nest.transposed:
            rows = nest.N * prod(nest.input)
            taps = prod(nest.kernel)
            sizes = (rows, nest.G, nest.M // nest.G * taps, nest.C // nest.G, 1, 1, 1, 1)
            return cls(sizes)
        outer = len(nest.out) - 2
        images = nest.N * prod(nest.out[:outer] if outer > 0 else ())
        deep = prod(nest.kernel[:outer] if outer > 0 else ())
        channels = (nest.M // nest.G, nest.C // nest.G * deep)
        windows = [_window(nest, axis, stored_padding) for axis in (-2, -1)]
        return cls(
            (images, nest.G, *channels, nest.P, nest.Q, nest.R, nest.S), windows[0], windows[1]
        )

    def size(self, dim: str) -> int:
        """Size of one dimension."""
        return self.sizes[DIMENSIONS.index(dim)]

    @property
    def macs(self) -> int:
        """Operations, padding counted."""
        return prod(self.sizes)

    def with_batch(self, n: int) -> Problem:
        """The same with another N."""
        return replace(self, sizes=(n, *self.sizes[1:]))


def _window(nest: LoopNest, axis: int, stored: bool) -> Window:
    if len(nest.out) < -axis:
        return Window()
    before, after = nest.padding[axis]
    size = nest.input[axis]
    if stored:
        size, before = max(1, size + before + after), 0
    return Window(nest.stride[axis], nest.dilation[axis], before, size)
