"""The inception module: widths of table 1, four branches side by side."""

from __future__ import annotations

import torch

from steelyard.layers.inception import Inception, InceptionWidths


def test_branches_are_concatenated_in_the_order_of_the_table() -> None:
    widths = InceptionWidths(2, 3, 4, 1, 5, 6)
    module = Inception(3, widths)
    image = torch.randn(1, 3, 9, 9)
    out = module(image)
    assert out.shape == (1, widths.out, 9, 9) == (1, 17, 9, 9)
    parts = out.split([2, 4, 5, 6], dim=1)
    branches = (module.branch1, module.branch3, module.branch5, module.branch_pool)
    for part, branch in zip(parts, branches, strict=True):
        torch.testing.assert_close(part, branch(image))


def test_weights_of_inception_3a() -> None:
    """Table 1 of arXiv:1409.4842 prints 159K parameters for inception (3a)."""
    module = Inception(192, InceptionWidths(64, 96, 128, 16, 32, 32))
    weights = sum(p.numel() for p in module.parameters() if p.ndim == 4)
    # 163,328; the printed 159K is 163,328 / 1024
    assert round(weights / 1024) in (159, 160)


def test_reach_of_the_branches() -> None:
    """A single pixel touches 1x1, 3x3, 5x5 and 3x3 outputs."""
    module = Inception(1, InceptionWidths(1, 1, 1, 1, 1, 1))
    for parameter in module.parameters():
        torch.nn.init.constant_(parameter, 1.0 if parameter.ndim == 4 else 0.0)
    image = torch.zeros(1, 1, 11, 11)
    image[0, 0, 5, 5] = 1
    touched = module(image)[0].ne(0).sum((1, 2)).tolist()
    assert touched == [1, 9, 25, 9]
