"""Which channels of a partial-reuse block pass and which are made anew."""

from __future__ import annotations

import pytest
import torch

from steelyard.errors import UsageError
from steelyard.layers.conv_shift_conv import PreActConvShiftConv
from steelyard.layers.fe_block import PartialReuse


def test_half_of_the_channels_pass_a_quarter_is_made_once_the_rest_again() -> None:
    """Sec. 4.1 of Chen et al. 2019, with three units: C/2, C/4, C/8 and C/8."""
    torch.manual_seed(0)
    block = PartialReuse(16, 3, 2).eval()
    assert [m.conv1.in_channels for m in block.children()] == [2, 4, 8]
    x = torch.randn(1, 16, 5, 5)
    out = block(x)
    assert torch.equal(out[:, :8], x[:, :8])
    last = block.resibssl_1(x[:, 14:])
    last = block.resibssl_2(torch.cat((x[:, 12:14], last), 1))
    last = block.resibssl_3(torch.cat((x[:, 8:12], last), 1))
    assert torch.equal(out[:, 8:], last)


def test_channels_that_cannot_be_halved() -> None:
    with pytest.raises(UsageError, match="12 channels cannot be halved 3 times"):
        PartialReuse(12, 3, 6)


@pytest.mark.parametrize(("channels", "stride"), [(8, 1), (4, 2), (3, 2)])
def test_units_whose_channels_do_not_fit(channels: int, stride: int) -> None:
    with pytest.raises(UsageError, match="as many channels at stride 1, more at stride 2"):
        PreActConvShiftConv(4, channels, stride, 1, 3)
