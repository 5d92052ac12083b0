"""Map sizes against PyTorch's own pooling and convolution."""

from __future__ import annotations

import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from steelyard.layers.sizes import out_size


@given(st.integers(1, 64), st.integers(1, 11), st.integers(1, 5), st.integers(0, 5), st.booleans())
def test_size_is_pytorchs(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> None:
    assume(padding <= kernel // 2)
    assume(size + 2 * padding >= kernel)
    pool = nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil)
    made = pool(torch.empty(1, 1, size, size, device="meta"))
    assert out_size(size, kernel, stride, padding, ceil=ceil) == made.shape[-1]
    if not ceil:
        conv = nn.Conv2d(1, 1, kernel, stride, padding, device="meta")
        assert (
            out_size(size, kernel, stride, padding)
            == conv(torch.empty(1, 1, size, size, device="meta")).shape[-1]
        )
