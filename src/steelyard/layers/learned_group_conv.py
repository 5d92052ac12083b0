"""Convolutions and linear layers that learn which inputs to drop: the training forms of CondenseNet's layers.

Huang et al. 2017 (arXiv:1711.09224), sec. 3. Filters stand in G groups. In each of C - 1 condensing stages
every group drops the 1/C of all inputs that matters least to it, until it keeps 1/C of them; `condense`
then gives the same function as a gather and a standard grouped convolution (`steelyard.layers.condensed`).
`steelyard.layers.condensation` tells all layers of a network when a stage is due.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.condensed import CondensedConv2d, CondensedLinear, CondensedUnit


class LearnedGroupConv2d(nn.Conv2d):
    """A convolution whose filter f, of group f mod G, sees the inputs that its group has not dropped.

    (N, C, H, W) -> (N, M, P, Q). The filters of a group are interleaved, as in the authors' code; the
    mask multiplies the weights, so that training computes a dense convolution.

    Attributes:
        mask: (G, C), 1 where a group keeps an input; a buffer.

    Args:
        in_channels: C, a multiple of ``condensation``.
        out_channels: M, a multiple of ``groups``.
        groups: G.
        condensation: the condensation factor; None: as many as ``groups``.
        kernel_size, stride, padding, bias: as of any convolution; the paper's is 1x1.

    Raises:
        UsageError: the channels cannot be divided.
    """

    mask: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        groups: int,
        condensation: int | None = None,
        kernel_size: int = 1,
        stride: int = 1,
        padding: int = 0,
        bias: bool = False,
    ) -> None:
        factor = groups if condensation is None else condensation
        if out_channels % groups or in_channels % factor:
            raise UsageError(
                f"{in_channels} inputs and {out_channels} filters do not fit {groups} groups that each "
                f"keep 1/{factor} of the inputs",
                expected=f"inputs a multiple of {factor}, filters a multiple of {groups}",
            )
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, bias=bias)
        self.learned_groups = groups
        self.condensation = factor
        self.register_buffer("mask", torch.ones(groups, in_channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, P, Q)."""
        weight = self._kept().flatten(0, 1)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation)

    def _kept(self) -> Tensor:
        """The weights, 0 where dropped: (M/G, G, C, R, S)."""
        weight = self.weight.view(-1, self.learned_groups, *self.weight.shape[1:])
        return weight * self.mask[:, :, None, None]

    @property
    def stage(self) -> int:
        """Condensing stages done, 0 to ``condensation - 1``."""
        return _stage(self.mask, self.condensation)

    def advance(self, progress: float) -> None:
        """Does the condensing stages that are due when the share ``progress`` of training is over."""
        for _ in range(self.stage, due_stages(progress, self.condensation)):
            _prune(self._kept().abs().sum((0, 3, 4)), self.mask, self.condensation)

    def group_lasso(self) -> Tensor:
        """Sum over groups and inputs of the L2 norm of their weights (sec. 3.2); a scalar.

        Added to the loss it makes the filters of a group agree on the inputs to drop.
        """
        out: Tensor = torch.linalg.vector_norm(self._kept(), dim=(0, 3, 4)).sum()
        return out

    def condense(self) -> CondensedConv2d:
        """The same function as gather, grouped convolution and channel shuffle; exact at every stage.

        Raises:
            UsageError: the weights are on the meta device, where no group is known.
        """
        index = _index(self.mask)
        new = CondensedConv2d(
            self.in_channels,
            self.out_channels,
            groups=self.learned_groups,
            inputs_per_group=index.shape[1],
            kernel_size=self.kernel_size[0],
            stride=self.stride[0],
            padding=int(self.padding[0]),
            bias=self.bias is not None,
        ).to(self.weight)
        with torch.no_grad():
            weight = self.weight.view(-1, self.learned_groups, *self.weight.shape[1:])
            chosen = torch.take_along_dim(
                weight.transpose(0, 1), index[:, None, :, None, None], dim=2
            )
            new.conv.weight.copy_(chosen.flatten(0, 1))
            new.index.copy_(index.flatten())
            if self.bias is not None and new.conv.bias is not None:
                new.conv.bias.copy_(self.bias.view(-1, self.learned_groups).t().flatten())
        return new.train(self.training)

    for_inference = condense

    def extra_repr(self) -> str:
        """Channels, kernel, groups."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"learned_groups={self.learned_groups}, condensation={self.condensation}"
        )


class LearnedGroupUnit(nn.Module):
    """Batch normalisation, ReLU, learned group convolution: (N, C, H, W) -> (N, M, H, W).

    The 1x1 half of CondenseNet's dense layer (fig. 3). Module names are the authors'.

    Args:
        in_channels, out_channels, groups, condensation: as of `LearnedGroupConv2d`.
        drop_rate: dropout before the convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        groups: int,
        condensation: int | None = None,
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(drop_rate) if drop_rate else nn.Identity()
        self.conv = LearnedGroupConv2d(
            in_channels, out_channels, groups=groups, condensation=condensation
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, H, W)."""
        out: Tensor = self.conv(self.dropout(self.relu(self.norm(x))))
        return out

    def condense(self) -> CondensedUnit:
        """The same function with the gather first; equal in training, too, but for dropout's draws.

        Raises:
            UsageError: as `LearnedGroupConv2d.condense`.
        """
        conv = self.conv.condense()
        new = CondensedUnit(
            self.conv.in_channels,
            self.conv.out_channels,
            groups=self.conv.learned_groups,
            inputs_per_group=len(conv.index) // self.conv.learned_groups,
        ).to(self.conv.weight)
        new.index.copy_(conv.index)
        new.conv = conv.conv
        new.dropout = self.dropout
        new.norm.load_state_dict(
            {k: v[conv.index] if v.ndim else v for k, v in self.norm.state_dict().items()}
        )
        return new.train(self.training)

    for_inference = condense


class LearnedLinear(nn.Linear):
    """A linear layer that drops inputs as a learned group convolution of one group: (N, C) -> (N, M).

    CondenseNet's classifier drops half of its inputs at half of the training (sec. 4.2).

    Attributes:
        mask: (1, C), 1 where an input is kept; a buffer.

    Raises:
        UsageError: C is no multiple of ``condensation``.
    """

    mask: Tensor

    def __init__(self, in_features: int, out_features: int, *, condensation: int = 2) -> None:
        if in_features % condensation:
            raise UsageError(
                f"{in_features} inputs cannot be condensed to 1/{condensation}",
                expected=f"a multiple of {condensation}",
            )
        super().__init__(in_features, out_features)
        self.condensation = condensation
        self.register_buffer("mask", torch.ones(1, in_features))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C) -> (N, M)."""
        return F.linear(x, self.weight * self.mask, self.bias)

    @property
    def stage(self) -> int:
        """Condensing stages done, 0 to ``condensation - 1``."""
        return _stage(self.mask, self.condensation)

    def advance(self, progress: float) -> None:
        """Does the condensing stages that are due when the share ``progress`` of training is over."""
        for _ in range(self.stage, due_stages(progress, self.condensation)):
            norms = (self.weight * self.mask).abs().sum(0, keepdim=True)
            _prune(norms, self.mask, self.condensation)

    def condense(self) -> CondensedLinear:
        """The same function as a gather and a smaller linear layer; exact at every stage.

        Raises:
            UsageError: the weights are on the meta device, where no choice is known.
        """
        index = _index(self.mask)[0]
        new = CondensedLinear(self.in_features, len(index), self.out_features).to(self.weight)
        with torch.no_grad():
            new.index.copy_(index)
            new.linear.weight.copy_(self.weight[:, index])
            new.linear.bias.copy_(self.bias)
        return new.train(self.training)

    for_inference = condense


def due_stages(progress: float, condensation: int) -> int:
    """Stages that are over when the share ``progress`` of training is: C - 1 equal ones in its first half.

    >>> [due_stages(p, 4) for p in (0.0, 0.16, 1 / 6, 1 / 3, 0.5, 1.0)]
    [0, 0, 1, 2, 3, 3]

    Raises:
        UsageError: ``progress`` is not from 0 to 1.
    """
    if not 0 <= progress <= 1:
        raise UsageError(f"progress {progress!r} is not possible", expected="0 to 1")
    rounding = 1e-9
    return min(condensation - 1, math.floor(2 * progress * (condensation - 1) + rounding))


def _stage(mask: Tensor, condensation: int) -> int:
    inputs = mask.shape[1]
    return (inputs - int(mask[0].count_nonzero())) * condensation // inputs


@torch.no_grad()
def _prune(norms: Tensor, mask: Tensor, condensation: int) -> None:
    """Every group drops the 1/C of all inputs with the least L1 norms (G, C) among those it has left."""
    left = norms.masked_fill(mask == 0, math.inf)
    least = left.topk(mask.shape[1] // condensation, dim=1, largest=False).indices
    mask.scatter_(1, least, 0.0)


def _index(mask: Tensor) -> Tensor:
    """The inputs that each group keeps, ascending: (G, kept)."""
    if mask.is_meta:
        raise UsageError(
            "a layer on the meta device cannot be condensed: which inputs it keeps is in its weights",
            hint="build the condensed form, e.g. create('condensenet74_c4_g4', condensed=True)",
        )
    return mask.nonzero()[:, 1].view(len(mask), -1)
