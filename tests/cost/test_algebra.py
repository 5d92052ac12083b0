"""Design algebra: formulas against brute force, torch and the papers' tables."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from steelyard.cost import algebra
from steelyard.errors import UsageError

sizes = st.integers(1, 12)


def weights(*layers: nn.Module) -> int:
    return sum(p.numel() for layer in layers for p in layer.parameters())


def conv(c: int, m: int, kernel: object = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c, m, kernel, groups=groups, bias=False, device="meta")  # type: ignore[arg-type]


def reach(kernels, strides, dilations) -> set[int]:
    """Input positions that output 0 depends on, by walking back through the layers."""
    positions = {0}
    for k, u, d in reversed(list(zip(kernels, strides, dilations, strict=True))):
        positions = {p * u + d * tap for p in positions for tap in range(k)}
    return positions


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3)), max_size=5))
def test_receptive_field_by_set_arithmetic(layers):
    kernels, strides, dilations = ([layer[i] for layer in layers] for i in range(3))
    positions = reach(kernels, strides, dilations)
    assert (
        algebra.receptive_field(kernels, strides, dilations) == max(positions) - min(positions) + 1
    )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_receptive_field_by_gradient(n):
    """The region of the input with a non-zero gradient, for a stack and for the one large layer."""
    size = 2 * n + 1
    stack = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(n)))
    single = nn.Conv2d(1, 1, size, padding=n, bias=False)
    for net in (stack, single):
        for p in net.parameters():
            nn.init.ones_(p)
        image = torch.zeros(1, 1, 15, 15, requires_grad=True)
        net(image)[0, 0, 7, 7].backward()
        hit = image.grad[0, 0].nonzero()
        extent = hit.max(0).values - hit.min(0).values + 1
        assert extent.tolist() == [size, size]
    assert algebra.receptive_field([3] * n) == size == algebra.receptive_field([size])


@given(sizes, st.integers(1, 6))
def test_stack_of_3x3(c, n):
    stack, single = algebra.stacked_3x3(c, n)
    assert (stack, single) == (9 * n * c * c, (2 * n + 1) ** 2 * c * c)
    assert stack <= single and (stack == single) == (n == 1)
    assert stack == weights(*(conv(c, c, 3) for _ in range(n)))
    assert single == weights(conv(c, c, 2 * n + 1))


@given(sizes, sizes, st.integers(1, 7))
def test_asymmetric_factorisation(c, m, r):
    pair, single = algebra.factorised(c, m, r)
    assert pair == weights(conv(c, m, (1, r)), conv(m, m, (r, 1)))
    assert single == weights(conv(c, m, r))
    if c == m:
        assert Fraction(pair, single) == Fraction(2, r)


@given(sizes, sizes, st.sampled_from([1, 3, 5]))
def test_bottleneck(c, width, r):
    inner, single = algebra.bottleneck(c, width, r)
    assert inner == weights(conv(c, width), conv(width, width, r), conv(width, c))
    assert single == weights(conv(c, c, r))


@given(sizes, sizes, st.integers(1, 5), st.integers(1, 5))
def test_depthwise_separable(c, m, r, s):
    pair, single = algebra.depthwise_separable(c, m, (r, s))
    assert pair == weights(conv(c, c, (r, s), groups=c), conv(c, m))
    assert single == weights(conv(c, m, (r, s)))
    assert Fraction(pair, single) == algebra.separable_ratio(m, (r, s))


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6))
def test_grouped_convolution_costs_one_gth(c, m, g):
    assert algebra.grouped_ratio(g * c, g * m, g) == Fraction(1, g)
    assert algebra.conv_cost(g * c, g * m, (3, 3), groups=g) == weights(conv(g * c, g * m, 3, g))


def test_grouped_convolution_is_parallel_paths():
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 9, 3, groups=3, bias=False)
    image = torch.randn(2, 6, 7, 7)
    paths = [
        nn.functional.conv2d(x, w)
        for x, w in zip(image.chunk(3, 1), layer.weight.chunk(3, 0), strict=True)
    ]
    torch.testing.assert_close(torch.cat(paths, 1), layer(image))


# Table 2 of the ResNeXt paper: cardinality and width of a path, template of ResNet-50's first stage
@pytest.mark.parametrize(("paths", "width"), [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)])
def test_resnext_widths_of_the_paper(paths, width):
    assert round(algebra.resnext_width(64, paths)) == width


@given(st.integers(1, 512), st.integers(1, 128))
def test_resnext_width_solves_the_equation(C, G):
    c = algebra.resnext_width(C, G)
    assert c > 0
    assert 9 * G * c * c + 8 * G * C * c == pytest.approx(17 * C * C, rel=1e-9)


@given(st.integers(1, 64), st.integers(1, 32), st.integers(1, 16))
def test_resnext_cost(C, G, c):
    assert algebra.resnext_cost(C, G, c) == 9 * G * c * c + 8 * G * C * c
    width = G * c
    block = conv(4 * C, width), conv(width, width, 3, G), conv(width, 4 * C)
    assert algebra.resnext_cost(C, G, c) == weights(*block)
    assert algebra.resnext_cost(C, 1, C) == 17 * C * C == algebra.bottleneck(4 * C, C)[0]


@given(st.integers(0, 3000), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
@settings(deadline=None)
def test_widest_within_a_budget(budget, c, g, k):
    best = max(
        (
            m
            for m in range(g, budget + 1, g)
            if algebra.conv_cost(c * g, m, (k, k), groups=g) <= budget
        ),
        default=0,
    )
    assert algebra.widest_at_cost(budget, c * g, (k, k), groups=g) == best
    equal = max(n for n in range(60) if n * n * k * k <= budget)
    assert algebra.equal_width_at_cost(budget, (k, k)) == equal


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: algebra.conv_cost(0, 4), "c=0\nexpected: c >= 1"),
        (lambda: algebra.conv_cost(4, 6, groups=4), "4 groups do not divide C=4 and M=6"),
        (lambda: algebra.conv_cost(4, 6, (3, 0)), "kernel[1]=0"),
        (lambda: algebra.receptive_field([3, 3], [1]), "2 kernels, 1 strides, 2 dilations"),
        (lambda: algebra.receptive_field([0]), "kernel=0"),
        (lambda: algebra.stacked_3x3(4, 0), "n=0"),
        (lambda: algebra.separable_ratio(0), "m=0"),
        (lambda: algebra.resnext_width(64, 0), "groups=0"),
        (lambda: algebra.equal_width_at_cost(-1), "budget=-1"),
    ],
)
def test_nonsense_is_refused(call, text):
    with pytest.raises(UsageError) as caught:
        call()
    assert text in str(caught.value)
