"""The sparse shift layer: rounding forward, the slope of bilinear interpolation backward."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import steelyard as sy
from steelyard.errors import ShapeError, UsageError
from steelyard.layers.shift import Shift, shift
from steelyard.layers.sparse_shift import (
    FixedShift,
    SparseShift,
    displacement_penalty,
    fix_shifts,
)

REACH = 3


def spread(channels: int) -> SparseShift:
    """A layer whose displacements lie anywhere within `REACH` - 1 pixels."""
    layer = SparseShift(channels)
    with torch.no_grad():
        layer.displacement.uniform_(-REACH + 1, REACH - 1)
    return layer


def interpolated(x: Tensor, displacement: Tensor) -> Tensor:
    """Bilinear interpolation at (h + dy, w + dx), 0 outside: a depthwise convolution with tent filters."""
    at = torch.arange(-REACH, REACH + 1, dtype=x.dtype)
    tents = (1 - (displacement[:, :, None] - at).abs()).clamp(min=0)
    weight = tents[:, 0, :, None] * tents[:, 1, None, :]
    return F.conv2d(x, weight[:, None], padding=REACH, groups=x.shape[1])


def test_forward_is_a_shift_by_rounded_displacements() -> None:
    layer = spread(12)
    x = torch.randn(2, 12, 6, 5)
    moves = [(1, int(dy), int(dx)) for dy, dx in layer.displacement.round().tolist()]
    assert torch.equal(layer(x), shift(x, moves))
    with torch.no_grad():
        assert torch.equal(layer(x), shift(x, moves))
    assert torch.equal(SparseShift(12)(x), Shift(12)(x))


def test_gradient_of_displacements_is_that_of_interpolation() -> None:
    """Sec. 3.3 of the paper, against autograd through an interpolation written as a convolution."""
    torch.manual_seed(0)
    layer = spread(6).double()
    x = torch.randn(2, 6, 7, 5, dtype=torch.float64)
    cotangent = torch.randn_like(x)
    (ours,) = torch.autograd.grad(layer(x), layer.displacement, cotangent)
    theirs_in = layer.displacement.detach().clone().requires_grad_()
    (theirs,) = torch.autograd.grad(interpolated(x, theirs_in), theirs_in, cotangent)
    torch.testing.assert_close(ours, theirs)


def test_gradient_of_the_map_is_the_opposite_shift() -> None:
    layer = spread(6)
    x = torch.randn(2, 6, 7, 5, requires_grad=True)
    cotangent = torch.randn_like(x)
    (ours,) = torch.autograd.grad(layer(x), x, cotangent)
    back = [(1, -int(dy), -int(dx)) for dy, dx in layer.displacement.round().tolist()]
    assert torch.equal(ours, shift(cotangent, back))


def test_a_displacement_is_learnt() -> None:
    at = torch.arange(32.0) - 16
    image = torch.exp(-(at[:, None] ** 2 + at**2) / 30)[None, None]  # slopes lead there
    target = shift(image, [(1, 2, -1)])
    layer = SparseShift(1, kernel_size=1)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        F.mse_loss(layer(image), target).backward()
        optimizer.step()
    assert layer.displacement.round().tolist() == [[2, -1]]
    assert torch.equal(layer(image), target)


def test_the_penalty_leaves_channels_unmoved() -> None:
    layer = SparseShift(18)
    assert layer.moved() == 16
    assert layer.penalty().item() == 2 * 12  # of nine positions six move down or up, six sideways
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(6):
        optimizer.zero_grad()
        layer.penalty().backward()
        optimizer.step()
    assert layer.moved() == 0


def test_penalty_and_fixing_of_a_whole_network() -> None:
    network = nn.Sequential(nn.Conv2d(3, 9, 1), SparseShift(9), nn.Sequential(SparseShift(9)))
    assert displacement_penalty(network).item() == 24
    assert displacement_penalty(nn.Conv2d(1, 1, 1)).item() == 0
    x = torch.randn(1, 3, 5, 5)
    before = network(x)
    assert fix_shifts(network) is network
    assert not any(isinstance(m, SparseShift) for m in network.modules())
    assert torch.equal(network(x), before)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_fixed_form_is_equal_and_holds_no_parameters(layout: torch.memory_format) -> None:
    layer = spread(10).eval()
    fixed = layer.to_fixed()
    x = torch.randn(2, 10, 6, 5).to(memory_format=layout)
    assert torch.equal(fixed(x), layer(x))
    assert list(fixed.parameters()) == []
    copy = FixedShift(torch.zeros(10, 2))
    copy.load_state_dict(fixed.state_dict())
    assert torch.equal(copy(x), layer(x))
    assert sy.capture(fixed, input_shape=(1, 10, 6, 5)).params == 0
    assert sy.capture(layer, input_shape=(1, 10, 6, 5)).params == 20


def test_operator_is_sound_for_tracing() -> None:
    x, displacement = torch.randn(2, 4, 5, 5), torch.rand(4, 2) * 3 - 1.4
    operator = torch.ops.steelyard.sparse_shift.default
    torch.library.opcheck(operator, (x.requires_grad_(), displacement.requires_grad_()))


def test_displacements_that_are_no_pairs_or_elsewhere() -> None:
    x = torch.zeros(1, 3, 4, 4)
    with pytest.raises(ShapeError, match=r"displacements of shape \(3, 3\)"):
        FixedShift(torch.zeros(3, 3))(x)
    with pytest.raises(UsageError, match="displacements on meta meet a map on cpu"):
        FixedShift(torch.zeros(3, 2, device="meta"))(x)


def test_a_displacement_that_is_no_number_leads_nowhere() -> None:
    displacement = torch.tensor([[torch.nan, 0.0], [torch.inf, 0.0], [-torch.inf, 1e30]])
    assert torch.isfinite(FixedShift(displacement)(torch.ones(1, 3, 4, 4))).all()


def test_channels_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="a shift of 9 channels meets"):
        SparseShift(9)(torch.zeros(1, 8, 3, 3))
