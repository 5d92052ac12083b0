"""Fully learnable group convolution: which inputs and which filters make up a group is learnt with the weights.

Wang et al. 2019 (arXiv:1904.00346), sec. 3.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.errors import UsageError


class FLGConv2d(nn.Conv2d):
    """A convolution in which a filter sees the inputs of its own group: (N, C, H, W) -> (N, M, P, Q).

    Every input and every filter belongs to the group with the largest value in its row of S or T. In
    the backward pass of training the choice counts as the softmax of the row (a straight-through
    gradient); in eval mode S and T get no gradient. Groups are of any size. The mask multiplies the
    weights, so that training computes a dense convolution; `to_grouped` gives the form whose MACs are the
    sum over groups of inputs x filters.

    Attributes:
        inputs: S, (C, G).
        filters: T, (M, G).

    Args:
        in_channels: C.
        out_channels: M.
        groups: G, any number.
        kernel_size, stride, padding, bias: as of any convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        groups: int,
        kernel_size: int = 1,
        stride: int = 1,
        padding: int = 0,
        bias: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, bias=bias)
        self.learned_groups = groups
        self.inputs = nn.Parameter(torch.empty(in_channels, groups))
        self.filters = nn.Parameter(torch.empty(out_channels, groups))
        nn.init.normal_(self.inputs)
        nn.init.normal_(self.filters)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, P, Q)."""
        if self.training:
            mask = straight_through(self.filters) @ straight_through(self.inputs).t()
        else:
            of_input, of_filter = self.assignment()
            mask = (of_filter[:, None] == of_input).to(self.weight.dtype)
        weight = self.weight * mask[:, :, None, None]
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation)

    def assignment(self) -> tuple[Tensor, Tensor]:
        """The group of every input (C,) and of every filter (M,)."""
        return self.inputs.argmax(1), self.filters.argmax(1)

    def to_grouped(self) -> UnequalGroupConv2d:
        """The same function without the connections between groups.

        Raises:
            UsageError: the weights are on the meta device, where no group is known; or no group has
                both inputs and filters.
        """
        if self.inputs.is_meta:
            raise UsageError(
                "a layer on the meta device cannot be grouped: its groups are in its weights",
                hint="build the grouped form, e.g. create('mobilenet_v2_flgc8_cifar')",
            )
        of_input, of_filter = self.assignment()
        new = UnequalGroupConv2d(
            of_input.tolist(),
            of_filter.tolist(),
            kernel_size=self.kernel_size[0],
            stride=self.stride[0],
            padding=int(self.padding[0]),
            bias=self.bias is not None,
        ).to(self.weight)
        with torch.no_grad():
            for conv, inputs, filters in zip(new.convs, new.inputs, new.filters, strict=True):
                conv.get_parameter("weight").copy_(self.weight[filters][:, inputs])
            if self.bias is not None and new.bias is not None:
                new.bias.copy_(self.bias)
        return new.train(self.training)

    for_inference = to_grouped

    def extra_repr(self) -> str:
        """Channels, kernel, groups."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"learned_groups={self.learned_groups}"
        )


class UnequalGroupConv2d(nn.Module):
    """Groups of any sizes: gather, one convolution a group, concatenation, filters back in order.

    (N, C, H, W) -> (N, M, P, Q). MACs are P Q R S times the sum of inputs x filters over the groups.
    A filter whose group has no input gives 0; an input whose group has no filter is not read.

    Attributes:
        inputs, filters: the members of every group that has both.
        sources: the inputs that are read, group after group; a buffer.
        order: where each filter's map stands when the groups are concatenated; a buffer.

    Args:
        of_input: the group of each of the C inputs.
        of_filter: the group of each of the M filters.
        kernel_size, stride, padding, bias: as of any convolution.

    Raises:
        UsageError: no group has both inputs and filters.
    """

    sources: Tensor
    order: Tensor

    def __init__(
        self,
        of_input: Sequence[int],
        of_filter: Sequence[int],
        *,
        kernel_size: int = 1,
        stride: int = 1,
        padding: int = 0,
        bias: bool = False,
    ) -> None:
        super().__init__()
        full = sorted({*of_input} & {*of_filter})
        if not full:
            raise UsageError(
                "no group has both inputs and filters",
                expected="the group of each input and of each filter, e.g. [0, 0, 1] and [0, 1]",
            )
        self.inputs = [[i for i, g in enumerate(of_input) if g == group] for group in full]
        self.filters = [[i for i, g in enumerate(of_filter) if g == group] for group in full]
        self.convs = nn.ModuleList(
            nn.Conv2d(len(inputs), len(filters), kernel_size, stride, padding, bias=False)
            for inputs, filters in zip(self.inputs, self.filters, strict=True)
        )
        lone = [i for i, g in enumerate(of_filter) if g not in full]
        written = [*chain(*self.filters), *lone]
        self.lone = len(lone)
        self.register_buffer("sources", torch.tensor([*chain(*self.inputs)]))
        self.register_buffer("order", torch.tensor([written.index(i) for i in range(len(written))]))
        self.bias = nn.Parameter(torch.zeros(len(written))) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, P, Q)."""
        sizes = [len(inputs) for inputs in self.inputs]
        parts = torch.split(x.index_select(1, self.sources), sizes, dim=1)
        y = torch.cat([conv(part) for conv, part in zip(self.convs, parts, strict=True)], dim=1)
        if self.lone:
            y = F.pad(y, (0, 0, 0, 0, 0, self.lone))
        y = y.index_select(1, self.order)
        return y if self.bias is None else y + self.bias[:, None, None]


def to_grouped(model: nn.Module) -> nn.Module:
    """A copy of a network in which learnt groups have become fixed ones; the same outputs.

    Raises:
        UsageError: as `FLGConv2d.to_grouped`.
    """
    return _grouped(copy.deepcopy(model))


def _grouped(module: nn.Module) -> nn.Module:
    if isinstance(module, FLGConv2d):
        return module.to_grouped()
    for name, child in list(module.named_children()):
        setattr(module, name, _grouped(child))
    return module


def straight_through(values: Tensor) -> Tensor:
    """1 at the largest value of each row, else 0; its gradient is that of the row's softmax.

    (C, G) -> (C, G).
    """
    soft = values.softmax(dim=1)
    hard = torch.zeros_like(soft).scatter(1, values.argmax(dim=1, keepdim=True), 1.0)
    return hard + (soft - soft.detach())
