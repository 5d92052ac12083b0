"""Unpoolings by their definition, and against PyTorch's own max-unpooling."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from steelyard.layers.unpool import MaxUnpool2d, insert_zeros, max_unpool


def test_values_stand_upper_left_among_zeros() -> None:
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    rows = [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]
    assert insert_zeros(x, 2)[0, 0].tolist() == rows


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_every_scale_th_pixel_is_the_input_and_nothing_is_lost(scale: int) -> None:
    x = torch.rand(2, 3, 4, 5)
    y = insert_zeros(x, scale)
    torch.testing.assert_close(y[:, :, ::scale, ::scale], x)
    assert torch.count_nonzero(y) == torch.count_nonzero(x)


def test_a_dilated_filter_is_one_with_zeros_between_its_taps() -> None:
    """Yu and Koltun 2016 (arXiv:1511.07122), sec. 2: ``nn.Conv2d(dilation=...)`` multiplies fewer."""
    x, weight = torch.randn(2, 3, 9, 9).double(), torch.randn(4, 3, 3, 3).double()
    spread = insert_zeros(weight, 2)[:, :, :-1, :-1]
    torch.testing.assert_close(F.conv2d(x, weight, dilation=2), F.conv2d(x, spread))


def test_zero_insertion_is_the_adjoint_of_strided_reading() -> None:
    """<insert(x), y> = <x, y[::2, ::2]>: what makes a transposed convolution of it."""
    x, y = torch.randn(2, 3, 4, 5).double(), torch.randn(2, 3, 8, 10).double()
    torch.testing.assert_close((insert_zeros(x, 2) * y).sum(), (x * y[:, :, ::2, ::2]).sum())


@pytest.mark.parametrize("side", [6, 7])
def test_maxima_return_to_their_places(side: int) -> None:
    x = torch.randn(2, 3, side, side)
    values, at = F.max_pool2d(x, 2, return_indices=True)
    y = MaxUnpool2d()(values, at, (side, side))
    assert y.shape == x.shape
    torch.testing.assert_close(y, F.max_unpool2d(values, at, [2, 2], output_size=[side, side]))
    torch.testing.assert_close(y[y != 0], x[y != 0])
    torch.testing.assert_close(F.max_pool2d(y.abs(), 2), values.abs())


def test_a_maximum_that_windows_share_is_put_once() -> None:
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 9.0
    values, at = F.max_pool2d(x, 3, 2, return_indices=True)
    assert (at == 12).all()
    torch.testing.assert_close(max_unpool(values, at, (5, 5)), x)


def test_changed_values_go_to_the_stored_locations() -> None:
    """A deconvolution network changes the values between pooling and unpooling."""
    x = torch.arange(16.0).view(1, 1, 4, 4)
    _, at = F.max_pool2d(x, 2, return_indices=True)
    y = max_unpool(torch.full((1, 1, 2, 2), -1.0), at, (4, 4))
    assert y.flatten().nonzero().flatten().tolist() == [5, 7, 13, 15]
