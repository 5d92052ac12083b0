"""Factorised filters see what the large filter sees, with the weights that the papers' formulas give."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from steelyard.errors import UsageError
from steelyard.layers.factorised import AsymmetricConv, StackedConv


def seen(layer: nn.Module, side: int) -> tuple[int, int, int]:
    """Height, width and number of the input places that the middle output depends on."""
    image = torch.randn(1, 2, side, side, dtype=torch.float64, requires_grad=True)
    out: Tensor = layer.double()(image)
    middle = out[0, :, out.shape[2] // 2, out.shape[3] // 2]
    (grad,) = torch.autograd.grad(middle.sum(), image)
    places = grad[0].abs().sum(0).nonzero()
    height, width = (places.max(0).values - places.min(0).values + 1).tolist()
    return height, width, len(places)


@pytest.mark.parametrize("kernel", [3, 5, 7, 9, 11])
def test_receptive_field_is_that_of_the_large_filter(kernel: int) -> None:
    torch.manual_seed(0)
    for layer in (
        StackedConv(2, 8, kernel, relu=False),
        AsymmetricConv(2, 8, kernel, relu=False),
        nn.Conv2d(2, 8, kernel, padding=kernel // 2),
    ):
        assert seen(layer, 2 * kernel + 1) == (kernel, kernel, kernel**2)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_weights_by_the_papers_formulas(n: int) -> None:
    """VGG, sec. 2.3: 27 C^2 against 49 C^2 for n = 3; Inception v3, sec. 3.2: 2R against R^2."""
    channels, side = 6, 2 * n + 1
    counts = [
        sum(p.numel() for p in layer(channels, channels, side, bias=False).parameters())
        for layer in (StackedConv, AsymmetricConv)
    ]
    assert counts == [9 * n * channels**2, 2 * side * channels**2]


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_outputs_stand_where_those_of_the_large_filter_stand(stride: int) -> None:
    """Linear factors multiplied out to one filter give the same map, also with strides; the rim aside."""
    torch.manual_seed(0)
    image = torch.randn(1, 1, 25, 25, dtype=torch.float64)
    stack = StackedConv(1, 1, 7, stride, relu=False, bias=False).double()
    a, b, c = (p.detach() for p in stack.parameters())
    whole = F.conv2d(F.conv2d(a, b.flip(2, 3), padding=2), c.flip(2, 3), padding=2)
    theirs = F.conv2d(image, whole, stride=stride, padding=3)
    torch.testing.assert_close(stack(image)[..., 2:-2, 2:-2], theirs[..., 2:-2, 2:-2])
    pair = AsymmetricConv(1, 1, 7, stride, relu=False, bias=False).double()
    row, column = (p.detach() for p in pair.parameters())
    theirs = F.conv2d(image, column * row, stride=stride, padding=3)
    torch.testing.assert_close(pair(image), theirs)


def test_refused_sides() -> None:
    with pytest.raises(UsageError, match="a filter of side 4 is no stack of 3x3"):
        StackedConv(1, 1, 4)
    with pytest.raises(UsageError, match="a filter of side 2 cannot be padded evenly"):
        AsymmetricConv(1, 1, 2)
