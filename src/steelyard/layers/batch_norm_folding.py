"""`fold_batch_norm`, `fold_batch_norm_before`: batch normalisation made part of the layer beside it.

At inference a batch normalisation is y = scale x + shift per channel, with scale = gamma / sqrt(var + eps)
and shift = beta - scale mean (Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 2). Linear layers absorb
that into weight and bias.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from steelyard.errors import UsageError

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)

Layer = TypeVar("Layer", bound=nn.Module)


def fold_batch_norm(layer: Layer, bn: _BatchNorm, *, shift: bool = True) -> Layer:
    """The one layer that computes ``bn(layer(x))`` of eval mode; neither argument is changed.

    Exact for every stride, padding, dilation and group count, since the normalisation acts on finished
    outputs. The result is of the same kind, has a bias, and keeps dtype, device and mode.

    A normalisation of a sum goes into every summand, with its shift in one of them only; one of a
    concatenation goes into every part (`channels_of`).

    Args:
        layer: a (transposed) convolution or an ``nn.Linear`` whose outputs are (N, M). A class derived
            from one of them says by ``linear_in_weight = True`` that its outputs are, per filter,
            linear in ``weight`` and ``bias``.
        bn: batch normalisation of its M output channels, with running statistics.
        shift: False to apply the scale only; then no bias is added.

    Raises:
        UsageError: another kind of layer, a weight that is computed from others (weight or spectral
            normalisation), no running statistics, or channels that do not fit.
    """
    folded = _copy_of(layer, linear=getattr(type(layer), "linear_in_weight", False))
    weight, bias = folded.get_parameter("weight"), dict(folded.named_parameters()).get("bias")
    scale, constant = _affine(bn, _out_channels(folded), type(layer).__name__, weight.dtype)
    wide = weight.detach().to(scale.dtype)
    groups = _groups(folded)
    if isinstance(folded, TRANSPOSED):
        factor = scale.view(groups, 1, -1, 1)
        wide = wide.view(groups, -1, weight.shape[1], weight[0, 0].numel()) * factor
    else:
        wide = wide.view(len(weight), -1) * scale.view(-1, 1)
    if not shift:
        constant = torch.zeros_like(constant)
    if bias is not None:
        constant = constant + scale * bias.detach()
    _set(folded, wide.view_as(weight), constant if shift or bias is not None else None)
    return folded


def fold_batch_norm_before(bn: _BatchNorm, layer: Layer) -> Layer:
    """The one layer that computes ``layer(bn(x))`` of eval mode; neither argument is changed.

    Weights take the scale of their input channel, the bias what a filter makes of the shifts. A window
    that reaches into zero padding gets no shift there, so with zero padding no bias is right at
    both rim and centre: such layers are refused, unless every shift is 0. Other padding modes
    repeat normalised values and fold exactly. Transposed convolutions sum a varying number of taps
    per output and are refused likewise.

    Args:
        bn: batch normalisation of the layer's C input channels, with running statistics.
        layer: a convolution or an ``nn.Linear`` whose inputs are (N, C).

    Raises:
        UsageError: as `fold_batch_norm`, or the layer pads with zeros or is transposed.
    """
    folded = _copy_of(layer)
    weight, bias = folded.get_parameter("weight"), dict(folded.named_parameters()).get("bias")
    scale, shift = _affine(bn, _in_channels(folded), type(layer).__name__, weight.dtype)
    if isinstance(folded, TRANSPOSED) or (_pads_with_zeros(folded) and _any(shift)):
        raise UsageError(
            f"batch normalisation cannot be folded into the {type(layer).__name__} behind it: "
            "its zeros are inserted after normalisation",
            expected="an unpadded convolution, a padding mode other than zeros, or a linear layer",
            hint="fold_batch_norm(layer, bn) where the normalisation follows the layer",
        )
    groups = _groups(folded)
    taps = weight.detach().to(scale.dtype).view(groups, -1, weight.shape[1], weight[0, 0].numel())
    constant = torch.einsum("gmcr,gc->gm", taps, shift.view(groups, -1)).flatten()
    taps = taps * scale.view(groups, 1, -1, 1)
    if bias is not None:
        constant = constant + bias.detach()
    _set(folded, taps.view_as(weight), constant)
    return folded


def channels_of(bn: nn.BatchNorm2d, channels: slice) -> nn.BatchNorm2d:
    """The normalisation of some of the channels, with copies of what it knows of them."""
    state = {
        name: value[channels] if value.ndim else value for name, value in bn.state_dict().items()
    }
    count = len(range(*channels.indices(bn.num_features)))
    part = nn.BatchNorm2d(count, bn.eps, bn.momentum, bn.affine, bn.track_running_stats)
    part.load_state_dict(state, assign=True)
    return copy.deepcopy(part).train(bn.training)


def _copy_of(layer: Layer, *, linear: bool = False) -> Layer:
    """A deep copy of a layer whose weight is a parameter of its own."""
    known = (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)
    fits = type(layer) in known or (linear and isinstance(layer, known))
    if not fits or "weight" not in dict(layer.named_parameters(recurse=False)):
        raise UsageError(
            f"batch normalisation cannot be folded into a {type(layer).__name__}",
            expected="a Conv, ConvTranspose or Linear whose weight is a parameter, not computed",
        )
    return copy.deepcopy(layer)


def _affine(bn: _BatchNorm, channels: int, layer: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Scale and shift per channel, in float32 or wider."""
    mean, var = bn.running_mean, bn.running_var
    if mean is None or var is None:
        raise UsageError(
            "batch normalisation without running statistics cannot be folded",
            expected="track_running_stats=True, and a trained network",
        )
    if bn.num_features != channels:
        raise UsageError(
            f"batch normalisation of {bn.num_features} channels beside {channels} channels of {layer}",
            expected="the same number",
        )
    wide = torch.promote_types(torch.promote_types(dtype, mean.dtype), torch.float32)
    scale = torch.rsqrt(var.to(wide) + bn.eps)
    if bn.affine:
        scale = scale * bn.weight.detach()
    shift = -mean.to(wide) * scale
    if bn.affine:
        shift = shift + bn.bias.detach()
    return scale, shift


def _out_channels(layer: nn.Module) -> int:
    name = "out_features" if isinstance(layer, nn.Linear) else "out_channels"
    return int(getattr(layer, name))


def _in_channels(layer: nn.Module) -> int:
    name = "in_features" if isinstance(layer, nn.Linear) else "in_channels"
    return int(getattr(layer, name))


def _groups(layer: nn.Module) -> int:
    return 1 if isinstance(layer, nn.Linear) else int(getattr(layer, "groups"))  # noqa: B009


def _pads_with_zeros(layer: nn.Module) -> bool:
    if not isinstance(layer, CONVOLUTIONS) or layer.padding_mode != "zeros":
        return False
    if layer.padding == "same":
        return any(size > 1 for size in layer.kernel_size)
    return layer.padding != "valid" and any(layer.padding)


def _any(shift: Tensor) -> bool:
    return shift.is_meta or bool(shift.any())


def _set(layer: nn.Module, weight: Tensor, bias: Tensor | None) -> None:
    """Puts both in as parameters of the old weight's dtype."""
    old = layer.get_parameter("weight")
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None:
            value = nn.Parameter(value.to(old.dtype), old.requires_grad)
        layer.register_parameter(name, value)
