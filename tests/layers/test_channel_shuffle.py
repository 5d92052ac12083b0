"""The shuffle against a loop over channels, its inverse, memory formats and errors."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.errors import ShapeError
from steelyard.layers.channel_shuffle import ChannelShuffle, channel_shuffle


@given(groups=st.integers(1, 6), each=st.integers(1, 6))
def test_every_channel_goes_where_the_paper_sends_it(groups: int, each: int) -> None:
    """Sec. 3.1: reshape to (g, n), transpose, flatten."""
    x = torch.randn(2, groups * each, 2, 3)
    y = channel_shuffle(x, groups)
    for i in range(groups):
        for j in range(each):
            assert torch.equal(y[:, j * groups + i], x[:, i * each + j])
    assert torch.equal(channel_shuffle(y, each), x)


def test_keeps_channels_last() -> None:
    x = torch.randn(2, 8, 4, 4).to(memory_format=torch.channels_last)
    assert ChannelShuffle(2)(x).is_contiguous(memory_format=torch.channels_last)


def test_channels_that_cannot_be_divided() -> None:
    with pytest.raises(
        ShapeError, match=r"10 channels cannot be shuffled in 4 groups\n.*multiple of 4"
    ):
        channel_shuffle(torch.zeros(1, 10, 2, 2), 4)
