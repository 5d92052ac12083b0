"""The operations of cell-based search spaces: separable and factorised convolutions, pooling, identity, none.

NASNet (Zoph et al. 2017, arXiv:1707.07012, sec. 3.1), AmoebaNet (Real et al. 2018, arXiv:1802.01548,
tensorflow/tpu models/official/amoeba_net), ENAS (Pham et al. 2018, arXiv:1802.03268) and DARTS (Liu et
al. 2018, arXiv:1806.09055) share the set and differ in details; `OpStyle` holds those.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.layers.factorized_reduction import FactorizedReduction
from steelyard.layers.same_padding import SameConv2d, same_padding


@dataclass(frozen=True, slots=True)
class OpStyle:
    """What the papers' implementations do differently.

    Attributes:
        padding: ``same`` as TensorFlow; ``same_zeros`` the same, but average pooling with a stride counts
            the zeros beyond the border (timm); ``symmetric`` as PyTorch.
        identity: how a skip halves the resolution: ``conv`` ReLU, 1x1 convolution with stride, batch
            normalisation (NASNet, AmoebaNet); ``factorized`` ReLU and factorised reduction (DARTS);
            ``factorized_linear`` without the ReLU (ENAS).
        eps: of every batch normalisation.
    """

    padding: Literal["same", "same_zeros", "symmetric"] = "same"
    identity: Literal["conv", "factorized", "factorized_linear"] = "conv"
    eps: float = 1e-3

    def conv(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        *,
        dilation: int = 1,
        groups: int = 1,
    ) -> nn.Conv2d:
        """A convolution without bias whose output has ceil(size / stride) pixels."""
        if stride != (1, 1) and self.padding != "symmetric":
            return SameConv2d(
                in_channels,
                out_channels,
                kernel,
                stride,
                dilation=dilation,
                groups=groups,
                bias=False,
            )
        half = (kernel[0] // 2 * dilation, kernel[1] // 2 * dilation)
        return nn.Conv2d(
            in_channels, out_channels, kernel, stride, half, dilation, groups, bias=False
        )

    def bn(self, channels: int) -> nn.BatchNorm2d:
        """Batch normalisation."""
        return nn.BatchNorm2d(channels, eps=self.eps)

    def pool(self, kind: Literal["max", "avg"], kernel: int, stride: int) -> nn.Module:
        """Pooling; a mean is that of the pixels inside the map."""
        if self.padding == "symmetric" and kernel % 2:
            if kind == "max":
                return nn.MaxPool2d(kernel, stride, kernel // 2)
            return nn.AvgPool2d(kernel, stride, kernel // 2, count_include_pad=False)
        zeros = kind == "avg" and stride > 1 and self.padding == "same_zeros"
        return CellPool("avg_zeros" if zeros else kind, kernel, stride)


class Projection(nn.Sequential):
    """ReLU, 1x1 convolution, batch normalisation: (N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride))."""

    def __init__(
        self, in_channels: int, out_channels: int, style: OpStyle, *, stride: int = 1
    ) -> None:
        super().__init__()
        self.add_module("relu", nn.ReLU())
        self.add_module("conv", nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))
        self.add_module("bn", style.bn(out_channels))


class SeparableUnit(nn.Sequential):
    """ReLU, depthwise convolution, 1x1 convolution, batch normalisation.

    (N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int,
        style: OpStyle,
        *,
        dilation: int = 1,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        self.add_module("relu", nn.ReLU(inplace=inplace))
        self.add_module(
            "depthwise",
            style.conv(
                in_channels,
                in_channels,
                (kernel, kernel),
                (stride, stride),
                dilation=dilation,
                groups=in_channels,
            ),
        )
        self.add_module("pointwise", nn.Conv2d(in_channels, out_channels, 1, bias=False))
        self.add_module("bn", style.bn(out_channels))


class FactorizedBottleneck(nn.Sequential):
    """1x1 to a part of the channels, one or more convolutions there, 1x1 back.

    (N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride)); ReLU before and batch normalisation behind
    every convolution. AmoebaNet's code: a quarter of the channels, three eighths for 1x3 and 3x1; none
    of the 1x1 where that would be no channel at all.

    Args:
        in_channels, out_channels: C and M.
        kernels: of the inner convolutions, whose vertical and horizontal strides are shared out so that
            each is applied once.
        stride: of the whole.
        style: padding and normalisation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernels: tuple[tuple[int, int], ...],
        stride: int,
        style: OpStyle,
    ) -> None:
        super().__init__()
        eighths = 3 if (1, 3) in kernels else 2
        inner = out_channels * eighths // 8
        if inner:
            self.append(Projection(in_channels, inner, style))
        channels = inner or in_channels
        for kernel in kernels:
            steps = (stride if kernel[0] > 1 else 1, stride if kernel[1] > 1 else 1)
            middle = inner or out_channels
            self.extend(
                [
                    nn.ReLU(inplace=bool(inner) or kernel != kernels[0]),
                    style.conv(channels, middle, kernel, steps),
                    style.bn(middle),
                ]
            )
            channels = middle
        if inner:
            self.append(Projection(inner, out_channels, style))


class CellPool(nn.Module):
    """Pooling over a square window: (N, C, H, W) -> (N, C, ceil(H/stride), ceil(W/stride)).

    The window is placed as TensorFlow's SAME places it: of an odd padding the extra pixel is at the end.

    Args:
        kind: ``max``; ``avg`` of the pixels inside the map, as TensorFlow has it; ``avg_zeros`` of all
            pixels of the window, zeros beyond the border, as timm has it.
        kernel: side of the window; odd, or even for a maximum.
        stride: step of the window.
    """

    def __init__(self, kind: Literal["max", "avg", "avg_zeros"], kernel: int, stride: int) -> None:
        super().__init__()
        self.kind = kind
        self.kernel = kernel
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ceil(H/stride), ceil(W/stride))."""
        k, s = self.kernel, self.stride
        height, width = x.shape[2:]
        # TorchScript's exporter takes padding as numbers only
        if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            height, width = int(height), int(width)
        top, bottom = same_padding(height, k, s)
        left, right = same_padding(width, k, s)
        if self.kind == "avg_zeros":
            return F.avg_pool2d(F.pad(x, (left, right, top, bottom)), k, s)
        # rounding up pads at the end only; neither maximum nor mean sees that
        if self.kind == "max":
            if k % 2 == 0 and s == 1:  # nothing to round up
                x = F.pad(x, (0, 1, 0, 1), value=float("-inf"))
            return F.max_pool2d(x, k, s, (top, left), ceil_mode=s > 1)
        return F.avg_pool2d(x, k, s, (top, left), ceil_mode=s > 1, count_include_pad=False)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.kind}, kernel={self.kernel}, stride={self.stride}"


class Zero(nn.Module):
    """No connection: zeros, (N, C, H, W) -> (N, C, ceil(H/stride), ceil(W/stride))."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ceil(H/stride), ceil(W/stride))."""
        return x[:, :, :: self.stride, :: self.stride] * 0


def cell_op(
    name: str, in_channels: int, out_channels: int, stride: int, style: OpStyle
) -> nn.Module:
    """The operation of that name: (N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride)).

    - ``none``: zeros; ``skip_connect``: the identity, see `OpStyle.identity` for a stride.
    - ``avg_pool_KxK``, ``max_pool_KxK``; a 1x1 convolution behind them where C and M differ.
    - ``conv_1x1``: `Projection`; ``conv_3x3``, ``conv_1x3_3x1``, ``conv_1x7_7x1``: `FactorizedBottleneck`.
    - ``sep_conv_KxK``: separable convolution, applied twice; ``dil_sep_conv_KxK``: the same with
      dilation 2; ``dil_conv_KxK``: with dilation 2, applied once.

    Args:
        name: one of `steelyard.layers.genotype.OPERATIONS`.
        in_channels, out_channels: C and M.
        stride: 1 or 2.
        style: details of the implementation.
    """
    kind = re.sub(r"(_\dx\d)+$", "", name)
    if kind in ("none", "skip_connect"):
        return _connection(kind, in_channels, out_channels, stride, style)
    kernels = tuple((int(a), int(b)) for a, b in re.findall(r"(\d)x(\d)", name))
    kernel = kernels[0][0]
    if kind in ("avg_pool", "max_pool"):
        pool = style.pool("avg" if kind == "avg_pool" else "max", kernel, stride)
        return (
            pool
            if in_channels == out_channels
            else _adapted(pool, in_channels, out_channels, style)
        )
    if kind == "conv":
        if name == "conv_1x1":
            return Projection(in_channels, out_channels, style, stride=stride)
        return FactorizedBottleneck(in_channels, out_channels, kernels, stride, style)
    dilation = 1 if kind == "sep_conv" else 2
    first = SeparableUnit(in_channels, out_channels, kernel, stride, style, dilation=dilation)
    if kind == "dil_conv":
        return first
    again = SeparableUnit(
        out_channels, out_channels, kernel, 1, style, dilation=dilation, inplace=True
    )
    return nn.Sequential(first, again)


def _connection(
    kind: str, in_channels: int, out_channels: int, stride: int, style: OpStyle
) -> nn.Module:
    if kind == "none":
        zero = Zero(stride)
        return (
            zero
            if in_channels == out_channels
            else _adapted(zero, in_channels, out_channels, style)
        )
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if stride == 1 or style.identity == "conv":
        return Projection(in_channels, out_channels, style, stride=stride)
    relu = style.identity == "factorized"
    return FactorizedReduction(in_channels, out_channels, relu=relu, eps=style.eps)


def _adapted(
    module: nn.Module, in_channels: int, out_channels: int, style: OpStyle
) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
    return nn.Sequential(module, conv, style.bn(out_channels))
