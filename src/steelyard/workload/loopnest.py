"""`LoopNest`: the loops of a convolution, linear layer or matrix product, and what they cost.

Symbols (Sze et al., "Efficient Processing of Deep Neural Networks", 2020, ch. 2): N batch, M output
channels (filters), C input channels, G groups, H x W input, P x Q output, R x S filter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from steelyard.errors import InputError


@dataclass(frozen=True, slots=True)
class LoopNest:
    """The nest ``for n, g, m/G, c/G, p, q, r, s: out += in * weight``.

    Spatial sizes are tuples with one entry per spatial axis (1 to 3, outermost first), so 1-d, 2-d
    and 3-d convolutions are the same thing. A linear layer is a 1x1 convolution on a 1x1 map whose
    N counts the rows. A batched matrix product of B pairs (I x K) @ (K x J) has N = I, G = B,
    C = B K, M = B J: each pair is one group, and the second operand takes the place of the weights.

    Attributes:
        N: batch size, or rows.
        G: groups; C and M are totals over all groups.
        M: output channels.
        C: input channels.
        out: output size per axis, (P, Q) in 2-d.
        kernel: filter size per axis, (R, S) in 2-d.
        input: input size per axis, (H, W) in 2-d.
        stride, dilation: per axis.
        padding: (before, after) per axis; negative where the input is cropped.
        transposed: the convolution runs backwards (up-convolution): each *input* element meets
            every filter tap, so MACs are N C H W (M/G) R S.
    """

    N: int
    G: int
    M: int
    C: int
    out: tuple[int, ...] = (1,)
    kernel: tuple[int, ...] = (1,)
    input: tuple[int, ...] = (1,)
    stride: tuple[int, ...] = (1,)
    dilation: tuple[int, ...] = (1,)
    padding: tuple[tuple[int, int], ...] = ((0, 0),)
    transposed: bool = False

    def __post_init__(self) -> None:
        rank = len(self.out)
        if not (
            rank
            == len(self.kernel)
            == len(self.input)
            == len(self.stride)
            == len(self.dilation)
            == len(self.padding)
        ):
            raise InputError(f"a loop nest's spatial sizes differ in rank: {self}")
        if self.G < 1 or self.M % self.G or self.C % self.G:
            raise InputError(
                f"{self.G} groups do not divide C={self.C} and M={self.M}",
                expected="G >= 1 that divides both",
            )
        if min(self.N, self.M, self.C, *self.out, *self.kernel, *self.input) < 0:
            raise InputError(f"a loop nest has a negative size: {self}")

    @classmethod
    def linear(cls, rows: int, in_features: int, out_features: int) -> LoopNest:
        """(rows, in_features) @ (in_features, out_features), the second operand being weights."""
        return cls(N=rows, G=1, M=out_features, C=in_features)

    @classmethod
    def matmul(cls, batch: int, rows: int, inner: int, columns: int) -> LoopNest:
        """``batch`` products (rows, inner) @ (inner, columns).

        >>> LoopNest.matmul(batch=12, rows=197, inner=64, columns=197).macs == 12 * 197 * 64 * 197
        True
        """
        if batch == 0:
            return cls(N=0, G=1, M=columns, C=inner)
        return cls(N=rows, G=batch, M=batch * columns, C=batch * inner)

    # the field's names for the last two axes
    @property
    def P(self) -> int:
        """Output height (1 in 1-d)."""
        return self.out[-2] if len(self.out) > 1 else 1

    @property
    def Q(self) -> int:
        """Output width."""
        return self.out[-1]

    @property
    def R(self) -> int:
        """Filter height (1 in 1-d)."""
        return self.kernel[-2] if len(self.kernel) > 1 else 1

    @property
    def S(self) -> int:
        """Filter width."""
        return self.kernel[-1]

    @property
    def H(self) -> int:
        """Input height (1 in 1-d)."""
        return self.input[-2] if len(self.input) > 1 else 1

    @property
    def W(self) -> int:
        """Input width."""
        return self.input[-1]

    @property
    def weights(self) -> int:
        """Weights without bias, M (C/G) R S."""
        return self.M * (self.C // self.G) * prod(self.kernel)

    @property
    def macs(self) -> int:
        """Multiply-accumulates, N M P Q (C/G) R S, padding counted as if it were data.

        For a transposed convolution N C H W (M/G) R S.
        """
        spatial = prod(self.input if self.transposed else self.out)
        return self.N * self.M * (self.C // self.G) * spatial * prod(self.kernel)

    @property
    def input_elements(self) -> int:
        """N C H W."""
        return self.N * self.C * prod(self.input)

    @property
    def output_elements(self) -> int:
        """N M P Q."""
        return self.N * self.M * prod(self.out)

    @property
    def access_elements(self) -> int:
        """Elements moved when each moves once: N C H W + N M P Q + M (C/G) R S."""
        return self.input_elements + self.output_elements + self.weights

    @property
    def is_depthwise(self) -> bool:
        """One input channel per group, more than one group."""
        return self.G > 1 and self.G == self.C and prod(self.kernel) > 1

    @property
    def is_pointwise(self) -> bool:
        """A filter of one tap."""
        return prod(self.kernel) == 1

    def scaled(
        self, *, rows: tuple[int, int] = (1, 1), groups: tuple[int, int] = (1, 1)
    ) -> LoopNest:
        """The nest with N (``rows``) or G, C and M (``groups``) multiplied by a fraction (num, den).

        Raises:
            InputError: the fraction does not give whole sizes.
        """
        n, g = _times(self.N, rows), _times(self.G, groups)
        return replace(self, N=n, G=g, M=_times(self.M, groups), C=_times(self.C, groups))


def _times(value: int, fraction: tuple[int, int]) -> int:
    whole, rest = divmod(value * fraction[0], fraction[1])
    if rest:
        raise InputError(f"{value} x {fraction[0]}/{fraction[1]} is not a whole number")
    return whole
