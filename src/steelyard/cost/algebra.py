"""Design at equal cost: what a convolution may be replaced with, and what that saves.

All functions count weights, or multiply-accumulates per output position (for stride 1 and "same" padding
the two are the same number; multiply by N P Q for a layer's macs). C input and M output channels, R x S
filter, G groups. Nothing here reads a workload: these are the formulas to design one with.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isqrt, prod, sqrt

from steelyard.errors import UsageError


def _positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise UsageError(f"{name}={size}", expected=f"{name} >= 1")


def conv_cost(c: int, m: int, kernel: Sequence[int] = (1, 1), *, groups: int = 1) -> int:
    """Weights of a convolution, M (C/G) R S; also its macs per output position.

    Args:
        c, m: input and output channels.
        kernel: size per axis.
        groups: G.

    Raises:
        UsageError: a size below 1, or groups that do not divide both C and M.
    """
    _positive(c=c, m=m, groups=groups, **{f"kernel[{i}]": k for i, k in enumerate(kernel)})
    if c % groups or m % groups:
        raise UsageError(f"{groups} groups do not divide C={c} and M={m}")
    return m * (c // groups) * prod(kernel)


def receptive_field(
    kernels: Sequence[int], strides: Sequence[int] = (), dilations: Sequence[int] = ()
) -> int:
    """Input positions, along one axis, that one output of a stack of convolutions depends on.

    1 + sum over layers of (k - 1) x dilation x (product of the strides before it). With dilations or
    strides the positions need not be contiguous; this is their extent.

    >>> receptive_field([3, 3]), receptive_field([3, 3, 3])
    (5, 7)

    Raises:
        UsageError: lists of different lengths, or a value below 1.
    """
    strides = strides or [1] * len(kernels)
    dilations = dilations or [1] * len(kernels)
    if not len(kernels) == len(strides) == len(dilations):
        raise UsageError(
            f"{len(kernels)} kernels, {len(strides)} strides, {len(dilations)} dilations",
            expected="as many of each",
        )
    extent, step = 1, 1
    for k, u, d in zip(kernels, strides, dilations, strict=True):
        _positive(kernel=k, stride=u, dilation=d)
        extent += (k - 1) * d * step
        step *= u
    return extent


def stacked_3x3(c: int, n: int) -> tuple[int, int]:
    """n layers of 3x3 against one (2n+1) x (2n+1), C channels throughout: 9 n C^2, (2n+1)^2 C^2.

    The receptive fields are equal (Simonyan and Zisserman, VGG, 2014, sec. 2.3).

    Returns:
        weights of the stack, weights of the single layer.

    >>> stacked_3x3(64, 2)[0] / stacked_3x3(64, 2)[1]  # 18 C^2 against 25 C^2
    0.72
    """
    _positive(n=n)
    return n * conv_cost(c, c, (3, 3)), conv_cost(c, c, (2 * n + 1, 2 * n + 1))


def factorised(c: int, m: int, r: int) -> tuple[int, int]:
    """1 x R then R x 1, M channels between them, against R x R.

    M (C + M) R against M C R^2: at C = M a share of 2/R (Szegedy et al., Inception v3, 2015, sec. 3.2).

    Returns:
        weights of the pair, weights of the single layer.

    >>> pair, single = factorised(64, 64, 3)
    >>> 1 - pair / single  # "33% cheaper"
    0.33333333333333337
    """
    return conv_cost(c, m, (1, r)) + conv_cost(m, m, (r, 1)), conv_cost(c, m, (r, r))


def bottleneck(c: int, width: int, r: int = 3) -> tuple[int, int]:
    """1x1 to ``width``, R x R, 1x1 back to C, against one R x R on C channels.

    2 C w + R^2 w^2 against R^2 C^2 (He et al., ResNet, 2015, fig. 5).

    Returns:
        weights of the bottleneck, weights of the single layer.

    >>> bottleneck(256, 64)[0]  # 17 x 64^2
    69632
    """
    inner = conv_cost(c, width) + conv_cost(width, width, (r, r)) + conv_cost(width, c)
    return inner, conv_cost(c, c, (r, r))


def depthwise_separable(c: int, m: int, kernel: Sequence[int] = (3, 3)) -> tuple[int, int]:
    """Depthwise R x S then 1x1 to M, against R x S to M: C R S + C M against C M R S.

    The share is 1/M + 1/(RS) (Howard et al., MobileNet, 2017, sec. 3.1); see `separable_ratio`.

    Returns:
        weights of the pair, weights of the single layer.
    """
    return conv_cost(c, c, kernel, groups=c) + conv_cost(c, m), conv_cost(c, m, kernel)


def separable_ratio(m: int, kernel: Sequence[int] = (3, 3)) -> Fraction:
    """Cost of a depthwise separable convolution as a share of the full one: 1/M + 1/(RS).

    >>> separable_ratio(512)
    Fraction(521, 4608)
    """
    _positive(m=m, **{f"kernel[{i}]": k for i, k in enumerate(kernel)})
    return Fraction(1, m) + Fraction(1, prod(kernel))


def grouped_ratio(c: int, m: int, groups: int) -> Fraction:
    """Cost of a grouped convolution as a share of the dense one: 1/G.

    A convolution of G groups is G parallel convolutions of C/G to M/G channels on slices of the input,
    their results concatenated.

    Raises:
        UsageError: groups that do not divide C and M.
    """
    return Fraction(conv_cost(c, m, groups=groups), conv_cost(c, m))


def resnext_width(bottleneck_width: int, groups: int) -> float:
    """Width c of each of G paths of a ResNeXt block that costs as much as a ResNet bottleneck.

    The bottleneck takes 4C channels to C, through 3x3, and back: 4C C + 9 C^2 + C 4C = 17 C^2 weights,
    C being the *bottleneck's* width (64 where 256 channels come in). G paths, each 4C -> c -> c -> 4C,
    take G (4C c + 9 c^2 + c 4C) = 9 G c^2 + 8 G C c. Equal cost, 9 G c^2 + 8 G C c - 17 C^2 = 0, has
    the one positive root

        c = C (sqrt(16 + 153/G) - 4) / 9.

    Rounded, that is Table 2 of Xie et al., "Aggregated Residual Transformations", 2017 (there the paths
    are counted by C and their width is d; C = 64 below is fixed): 64, 40, 24, 14, 4 for G = 1, 2, 4, 8, 32.

    >>> [round(resnext_width(64, g)) for g in (1, 2, 4, 8, 32)]
    [64, 40, 24, 14, 4]
    """
    _positive(bottleneck_width=bottleneck_width, groups=groups)
    return bottleneck_width * (sqrt(16 + 153 / groups) - 4) / 9


def resnext_cost(bottleneck_width: int, groups: int, path_width: int) -> int:
    """Weights of G paths of 1x1, 3x3, 1x1: 9 G c^2 + 8 G C c, C the width of the ResNet bottleneck.

    >>> resnext_cost(64, 1, 64), resnext_cost(64, 32, 4)  # "~70k" in Table 1's template
    (69632, 70144)
    """
    width = groups * path_width
    outer = 4 * bottleneck_width
    return (
        conv_cost(outer, width)
        + conv_cost(width, width, (3, 3), groups=groups)
        + conv_cost(width, outer)
    )


def widest_at_cost(budget: int, c: int, kernel: Sequence[int] = (1, 1), *, groups: int = 1) -> int:
    """The most output channels M for which a convolution stays within a budget of weights.

    Args:
        budget: weights, or macs per output position.

    Returns:
        M, a multiple of ``groups``; 0 if not even ``groups`` channels fit.
    """
    each = conv_cost(c, groups, kernel, groups=groups)
    return budget // each * groups


def equal_width_at_cost(budget: int, kernel: Sequence[int] = (1, 1)) -> int:
    """The greatest C for which a convolution of C to C channels stays within a budget of weights.

    With C = M memory access is least for the macs spent (guideline G1).

    >>> equal_width_at_cost(90 * 180)
    127
    """
    _positive(**{f"kernel[{i}]": k for i, k in enumerate(kernel)})
    if budget < 0:
        raise UsageError(f"budget={budget}", expected="budget >= 0")
    return isqrt(budget // prod(kernel))
