"""Deformable convolution against a loop over every tap, and against what it must reduce to."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.deform_conv import DeformConv2d, deform_conv2d

Pair = tuple[int, int]


class Options(NamedTuple):
    """How a convolution is laid out."""

    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int
    offset_groups: int
    masked: bool

    @property
    def places(self) -> tuple[Pair, Pair, Pair]:
        return self.stride, self.padding, self.dilation


OPTIONS = [
    Options((1, 1), (1, 1), (1, 1), groups=1, offset_groups=1, masked=False),
    Options((2, 2), (1, 1), (1, 1), groups=1, offset_groups=2, masked=False),
    Options((1, 1), (2, 2), (2, 2), groups=2, offset_groups=1, masked=True),
    Options((2, 1), (0, 3), (1, 2), groups=2, offset_groups=4, masked=True),
]
each = pytest.mark.parametrize("options", OPTIONS)


def pixel(channel: Tensor, y: int, x: int) -> float:
    """0 outside, as everywhere in the paper's code."""
    inside = 0 <= y < channel.shape[0] and 0 <= x < channel.shape[1]
    return float(channel[y, x]) if inside else 0.0


def between(channel: Tensor, y: float, x: float) -> float:
    """Eq. 3 and 4 of Dai et al.: the four pixels around, each by its distance."""
    top, left = math.floor(y), math.floor(x)
    return sum(
        (1 - abs(y - i)) * (1 - abs(x - j)) * pixel(channel, i, j)
        for i in (top, top + 1)
        for j in (left, left + 1)
    )


def naive(
    x: Tensor, offset: Tensor, weight: Tensor, bias: Tensor, mask: Tensor | None, options: Options
) -> Tensor:
    """Eq. 2 of Dai et al. and eq. 1 of Zhu et al., one tap after another."""
    (us, ps, ds), (n, c, _, _), (m, per_group, r, s) = options.places, x.shape, weight.shape
    p, q = offset.shape[2:]
    out = bias.detach().view(1, m, 1, 1).repeat(n, 1, p, q)
    outputs = itertools.product(range(n), range(m), range(p), range(q))
    for b, f, y, z in outputs:
        for k, i, j in itertools.product(range(per_group), range(r), range(s)):
            source = f // (m // options.groups) * per_group + k
            tap = (source // (c // options.offset_groups) * r + i) * s + j
            dy, dx = (float(v) for v in offset[b, 2 * tap : 2 * tap + 2, y, z])
            row = y * us[0] - ps[0] + i * ds[0] + dy
            column = z * us[1] - ps[1] + j * ds[1] + dx
            factor = 1.0 if mask is None else float(mask[b, tap, y, z])
            out[b, f, y, z] += weight[f, k, i, j] * factor * between(x[b, source], row, column)
    return out


class Values(NamedTuple):
    """Arguments of a deformable convolution."""

    x: Tensor
    offset: Tensor
    weight: Tensor
    bias: Tensor
    mask: Tensor


def drawn(options: Options, reach: float) -> Values:
    """Random arguments, offsets of about ``reach`` pixels."""
    torch.manual_seed(0)
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    weight = torch.randn(4, 4 // options.groups, 3, 2, dtype=torch.float64)
    p, q = F.conv2d(x[:, :1], weight[:1, :1], None, *options.places).shape[2:]
    taps = options.offset_groups * 6
    offset = reach * torch.randn(2, 2 * taps, p, q, dtype=torch.float64)
    bias = torch.randn(4, dtype=torch.float64)
    return Values(x, offset, weight, bias, torch.rand(2, taps, p, q, dtype=torch.float64))


@pytest.mark.parametrize("reach", [0.3, 4.0], ids=["near", "far"])
@each
def test_equals_a_loop_over_every_tap(options: Options, reach: float) -> None:
    values = drawn(options, reach)
    mask = values.mask if options.masked else None
    ours = deform_conv2d(*values[:4], *options.places, mask)
    loop = naive(*values[:4], mask, options)
    torch.testing.assert_close(ours, loop, rtol=0, atol=1e-12)


@pytest.mark.parametrize("step", [-1.0, 1.0, -1.5, 0.5])
def test_pixels_outside_are_zero_and_fade_in(step: float) -> None:
    """A 1x1 filter moved over the rim of a map of ones reads the share of the tap that is inside."""
    ones, weight = torch.ones(1, 1, 3, 3), torch.ones(1, 1, 1, 1)
    offset = torch.zeros(1, 2, 3, 3)
    offset[:, 0] = step
    rows = torch.arange(3) + step
    inside = (rows + 1).clamp(0, 1) * (3 - rows).clamp(0, 1)
    torch.testing.assert_close(deform_conv2d(ones, offset, weight)[0, 0, :, 0], inside)


@each
def test_zero_offsets_are_an_ordinary_convolution(options: Options) -> None:
    x, offset, weight, bias, _ = drawn(options, 0.0)
    ours = deform_conv2d(x, offset, weight, bias, *options.places)
    plain = F.conv2d(x, weight, bias, *options.places, options.groups)
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-12)


def test_offsets_can_undo_and_make_dilation() -> None:
    """Sec. 2.2 of Dai et al.: dilation is a special case of offsets."""
    x, weight = torch.randn(2, 3, 9, 9, dtype=torch.float64), torch.randn(4, 3, 3, 3).double()
    taps = torch.cartesian_prod(torch.arange(-1.0, 2), torch.arange(-1.0, 2)).flatten().double()
    offset = taps.view(1, 18, 1, 1).expand(2, 18, 9, 9)
    dilated = F.conv2d(x, weight, padding=2, dilation=2)
    torch.testing.assert_close(deform_conv2d(x, offset, weight, padding=1), dilated)


def test_gradients_of_every_argument() -> None:
    options = OPTIONS[3]
    values = tuple(v.requires_grad_() for v in drawn(options, 1.0))

    def run(x: Tensor, offset: Tensor, weight: Tensor, bias: Tensor, mask: Tensor) -> Tensor:
        return deform_conv2d(x, offset, weight, bias, *options.places, mask)

    assert torch.autograd.gradcheck(run, values)


def test_module_starts_as_the_ordinary_convolution() -> None:
    """v1: offsets 0. v2 (sec. 3.2): offsets 0, factors 0.5."""
    x = torch.randn(2, 4, 7, 7)
    for modulated, factor in ((False, 1.0), (True, 0.5)):
        layer = DeformConv2d(4, 6, 3, 2, 2, 2, offset_groups=2, modulated=modulated, bias=False)
        plain = F.conv2d(x, layer.weight, stride=2, padding=2, dilation=2)
        torch.testing.assert_close(layer(x), factor * plain, rtol=1e-4, atol=1e-5)
        layer(x).square().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


def test_half_precision_finds_the_pixels() -> None:
    """bfloat16 cannot tell pixel 300 from 301; offsets are resolved more finely than that."""
    x = torch.arange(400.0).remainder(7).bfloat16().view(1, 1, 1, 400)
    weight = torch.ones(1, 1, 1, 1, dtype=torch.bfloat16)
    offset = torch.zeros(1, 2, 1, 400, dtype=torch.bfloat16)
    torch.testing.assert_close(deform_conv2d(x, offset, weight), x, rtol=0, atol=0.01)


def test_any_batch_and_size_through_one_export() -> None:
    layer = DeformConv2d(4, 6, 3, padding=1, modulated=True)
    nn.init.normal_(layer.conv_offset.weight, std=0.1)
    n, h, w = (torch.export.Dim(name, min=2, max=64) for name in ("n", "h", "w"))
    program = torch.export.export(
        layer, (torch.randn(2, 4, 8, 9),), dynamic_shapes={"x": {0: n, 2: h, 3: w}}
    )
    x = torch.randn(3, 4, 11, 6)
    torch.testing.assert_close(program.module()(x), layer(x))


def test_sizes_that_do_not_fit_say_so() -> None:
    x, weight = torch.randn(2, 4, 5, 5), torch.randn(3, 4, 3, 3)
    with pytest.raises(UsageError, match=r"\(2, 18 \* groups, 5, 5\)"):
        deform_conv2d(x, torch.zeros(2, 18, 4, 4), weight, padding=1)
    with pytest.raises(UsageError, match="divisor of 4"):
        deform_conv2d(x, torch.zeros(2, 54, 5, 5), weight, padding=1)
    with pytest.raises(UsageError, match="a mask of shape"):
        deform_conv2d(x, torch.zeros(2, 18, 5, 5), weight, padding=1, mask=torch.zeros(2, 8, 5, 5))
    with pytest.raises(UsageError, match="4 channels cannot be split into 3 offset groups"):
        DeformConv2d(4, 6, 3, offset_groups=3)
