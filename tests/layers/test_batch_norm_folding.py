"""Folded batch normalisation: the same outputs, for every kind of layer, and refused where it cannot be."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from steelyard.errors import UsageError
from steelyard.layers.batch_norm_folding import (
    channels_of,
    fold_batch_norm,
    fold_batch_norm_before,
)
from steelyard.layers.deform_conv import DeformConv2d
from steelyard.layers.flgc import FLGConv2d
from steelyard.layers.same_padding import SameConv2d

BN = {3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d, 2: nn.BatchNorm1d}


def deformable() -> nn.Module:
    layer = DeformConv2d(4, 6, 3, padding=1, modulated=True)
    nn.init.normal_(layer.conv_offset.weight, std=0.1)
    return layer


AFTER: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, padding=1), (2, 4, 9)),
    "conv2d": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1), (2, 4, 9, 9)),
    "conv2d-grouped": (lambda: nn.Conv2d(4, 6, 3, groups=2, dilation=2, bias=False), (2, 4, 9, 9)),
    "conv2d-depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4, padding="same"), (2, 4, 7, 7)),
    "conv3d": (lambda: nn.Conv3d(4, 6, 2, groups=2, padding=1), (2, 4, 4, 4, 4)),
    "transposed1d": (lambda: nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1), (2, 4, 7)),
    "transposed2d": (lambda: nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2), (2, 4, 5, 5)),
    "transposed2d-depthwise": (
        lambda: nn.ConvTranspose2d(4, 4, 3, 2, 1, 1, groups=4, bias=False),
        (2, 4, 5, 5),
    ),
    "transposed3d": (lambda: nn.ConvTranspose3d(4, 6, 2, groups=2), (2, 4, 3, 3, 3)),
    "linear": (lambda: nn.Linear(4, 6), (5, 4)),
    "linear-no-bias": (lambda: nn.Linear(4, 6, bias=False), (5, 4)),
    "same-conv2d": (lambda: SameConv2d(4, 6, 3, 2, groups=2, bias=False), (2, 4, 8, 8)),
    "deform-conv2d": (deformable, (2, 4, 7, 7)),
}
BEFORE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv1d": (lambda: nn.Conv1d(4, 6, 3), (2, 4, 9)),
    "conv2d-grouped": (lambda: nn.Conv2d(4, 6, 3, stride=2, groups=2, bias=False), (2, 4, 9, 9)),
    "conv2d-depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4, dilation=2), (2, 4, 7, 7)),
    "conv2d-1x1": (lambda: nn.Conv2d(4, 6, 1, padding="same"), (2, 4, 7, 7)),
    "conv2d-valid": (lambda: nn.Conv2d(4, 6, 3, padding="valid"), (2, 4, 7, 7)),
    "conv2d-reflect": (
        lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect", bias=False),
        (2, 4, 7, 7),
    ),
    "conv2d-circular": (
        lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"),
        (2, 4, 7, 7),
    ),
    "conv3d": (lambda: nn.Conv3d(4, 6, 2, groups=2), (2, 4, 4, 4, 4)),
    "linear": (lambda: nn.Linear(4, 6), (5, 4)),
    "linear-no-bias": (lambda: nn.Linear(4, 6, bias=False), (5, 4)),
}


def trained(bn: _BatchNorm) -> _BatchNorm:
    """With statistics and weights unlike those it starts with."""
    assert bn.running_mean is not None
    assert bn.running_var is not None
    nn.init.normal_(bn.running_mean)
    nn.init.uniform_(bn.running_var, 0.5, 2)
    if bn.affine:
        nn.init.normal_(bn.weight)
        nn.init.normal_(bn.bias)
    return bn.double().eval()


def out_channels(layer: nn.Module) -> int:
    found = getattr(layer, "out_channels", None) or layer.get_parameter("weight").shape[0]
    return int(found)


@pytest.mark.parametrize("affine", [True, False], ids=["affine", "plain"])
@pytest.mark.parametrize("name", AFTER)
def test_normalisation_after_a_layer_is_folded_exactly(name: str, affine: bool) -> None:
    torch.manual_seed(0)
    build, shape = AFTER[name]
    layer = build().double().eval()
    bn = trained(BN[len(shape)](out_channels(layer), eps=1e-2, affine=affine))
    before = copy.deepcopy((layer.state_dict(), bn.state_dict()))
    folded = fold_batch_norm(layer, bn)
    x = torch.randn(shape, dtype=torch.float64)
    torch.testing.assert_close(folded(x), bn(layer(x)), rtol=0, atol=1e-12)
    assert type(folded) is type(layer)
    for old, now in zip(before, (layer, bn), strict=True):
        assert all(torch.equal(old[key], value) for key, value in now.state_dict().items())


@pytest.mark.parametrize("affine", [True, False], ids=["affine", "plain"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
def test_normalisation_of_a_sum_or_a_concatenation_is_folded_exactly(
    affine: bool, bias: bool
) -> None:
    torch.manual_seed(0)
    a, b = (nn.Conv2d(4, 6, 3, padding=1, bias=bias).double() for _ in range(2))
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    bn = trained(nn.BatchNorm2d(6, affine=affine))
    assert isinstance(bn, nn.BatchNorm2d)
    scaled = fold_batch_norm(b, bn, shift=False)
    assert (scaled.bias is not None) == bias
    torch.testing.assert_close(fold_batch_norm(a, bn)(x) + scaled(x), bn(a(x) + b(x)))
    both = trained(nn.BatchNorm2d(12, affine=affine))
    assert isinstance(both, nn.BatchNorm2d)
    parts = [channels_of(both, part) for part in (slice(6), slice(-6, None))]
    folded = [fold_batch_norm(conv, part)(x) for conv, part in zip((a, b), parts, strict=True)]
    torch.testing.assert_close(torch.cat(folded, 1), both(torch.cat((a(x), b(x)), 1)))


@pytest.mark.parametrize("affine", [True, False], ids=["affine", "plain"])
@pytest.mark.parametrize("name", BEFORE)
def test_normalisation_before_a_layer_is_folded_exactly(name: str, affine: bool) -> None:
    torch.manual_seed(0)
    build, shape = BEFORE[name]
    layer = build().double().eval()
    bn = trained(BN[len(shape)](4, affine=affine))
    folded = fold_batch_norm_before(bn, layer)
    x = torch.randn(shape, dtype=torch.float64)
    torch.testing.assert_close(folded(x), layer(bn(x)), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, padding=1),
        nn.Conv2d(4, 6, 1, padding=1),
        nn.Conv2d(4, 6, 3, padding="same"),
        nn.ConvTranspose2d(4, 6, 2, 2),
    ],
    ids=["padded", "padded-1x1", "same", "transposed"],
)
def test_shifts_that_zeros_would_need_are_refused(layer: nn.Module) -> None:
    with pytest.raises(UsageError, match="inserted after normalisation"):
        fold_batch_norm_before(trained(nn.BatchNorm2d(4)), layer)


def test_zero_padding_folds_where_nothing_is_shifted() -> None:
    layer, bn = nn.Conv2d(4, 6, 3, padding=1).double(), trained(nn.BatchNorm2d(4, affine=False))
    assert bn.running_mean is not None
    nn.init.zeros_(bn.running_mean)
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(fold_batch_norm_before(bn, layer)(x), layer(bn(x)))


def test_dtype_device_mode_and_freezing_stay() -> None:
    layer = nn.Conv2d(4, 6, 3, bias=False).half().requires_grad_(False)
    folded = fold_batch_norm(layer, nn.BatchNorm2d(6))
    assert folded.bias is not None
    assert folded.bias.dtype == folded.weight.dtype == torch.float16
    assert not folded.weight.requires_grad
    assert folded.training
    with torch.device("meta"):
        layer, bn = nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6)
        assert fold_batch_norm(layer, bn).weight.is_meta
        assert fold_batch_norm_before(nn.BatchNorm2d(4), layer).weight.is_meta


def test_what_cannot_be_folded_says_why() -> None:
    conv = nn.Conv2d(4, 6, 3)
    with pytest.raises(UsageError, match="without running statistics"):
        fold_batch_norm(conv, nn.BatchNorm2d(6, track_running_stats=False))
    with pytest.raises(UsageError, match="of 4 channels beside 6 channels of Conv2d"):
        fold_batch_norm(conv, nn.BatchNorm2d(4))
    with pytest.raises(UsageError, match="folded into a PReLU"):
        fold_batch_norm(nn.PReLU(6), nn.BatchNorm2d(6))
    with pytest.raises(UsageError, match="folded into a SameConv2d"):  # it pads, unseen
        fold_batch_norm_before(nn.BatchNorm2d(4), SameConv2d(4, 6, 3))
    with pytest.raises(UsageError, match="folded into a FLGConv2d"):  # computes its weight
        fold_batch_norm(FLGConv2d(4, 6, groups=2), nn.BatchNorm2d(6))
    normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 6, 3))
    with pytest.raises(UsageError, match="not computed"):
        fold_batch_norm(normed, nn.BatchNorm2d(6))
