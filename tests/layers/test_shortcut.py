"""Shortcut options A, B and C of He et al. 2015, sec. 4.1."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from steelyard.layers.shortcut import Option, PadShortcut, shortcut


@pytest.mark.parametrize(
    ("option", "changes", "kind"),
    [
        ("A", False, type(None)),
        ("B", False, type(None)),
        ("C", False, nn.Sequential),
        ("A", True, PadShortcut),
        ("B", True, nn.Sequential),
        ("C", True, nn.Sequential),
    ],
)
def test_which_shortcut(option: Option, changes: bool, kind: type) -> None:
    path = shortcut(option, 8, 16 if changes else 8, 2 if changes else 1)
    assert isinstance(path, kind)
    if path is not None:
        assert path(torch.randn(1, 8, 7, 7)).shape == ((1, 16, 4, 4) if changes else (1, 8, 7, 7))


def test_option_a_keeps_the_pixels_and_adds_zeros() -> None:
    image = torch.randn(2, 3, 5, 5)
    out = PadShortcut(3, 7, 2)(image)
    torch.testing.assert_close(out[:, :3], image[:, :, [0, 2, 4]][:, :, :, [0, 2, 4]])
    assert torch.count_nonzero(out[:, 3:]) == 0
    assert list(PadShortcut(3, 7, 2).parameters()) == []


def test_option_a_computes_the_same_in_both_layouts() -> None:
    """Forward and backward; the transpose of keeping pixels is putting them back among zeros."""
    image, layer = torch.randn(2, 3, 5, 6), PadShortcut(3, 7, 2)
    cotangent = torch.randn(2, 7, 3, 3)
    expected = torch.zeros_like(image)
    expected[:, :, ::2, ::2] = cotangent[:, :3]
    for layout in (torch.contiguous_format, torch.channels_last):
        x = image.to(memory_format=layout).requires_grad_()
        out = layer(x)
        assert out.is_contiguous(memory_format=layout)
        assert torch.equal(out, layer.eval()(x))
        layer.train()
        (grad,) = torch.autograd.grad(out, x, cotangent.to(memory_format=layout))
        assert torch.equal(grad, expected)
        assert grad.is_contiguous(memory_format=layout)


def test_option_a_cannot_drop_channels_and_projects() -> None:
    assert isinstance(shortcut("A", 16, 8, 1), nn.Sequential)


def test_a_projection_of_its_own_size_and_without_normalisation() -> None:
    path = shortcut("B", 4, 8, 2, kernel=3, norm=False)
    assert isinstance(path, nn.Conv2d)
    assert path.kernel_size == (3, 3)
    assert path(torch.randn(1, 4, 7, 7)).shape == (1, 8, 4, 4)
