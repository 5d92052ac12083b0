"""Parallel paths: what a grouped convolution is, said with a split, one convolution a group and a concatenation.

Krizhevsky et al. 2012, sec. 3.5; Xie et al. 2016 (arXiv:1611.05431), fig. 3, where (b) and (c) are equal.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelyard.errors import UsageError


class ParallelPaths(nn.Module):
    """Split, a convolution for each part, concatenation: (N, C, H, W) -> (N, M, P, Q).

    As many parameters and multiply-accumulates as the grouped convolution, and more kernel calls.

    Attributes:
        paths: the convolutions, which are all alike.

    Raises:
        UsageError: no convolution, or convolutions of several shapes.
    """

    def __init__(self, *paths: nn.Conv2d) -> None:
        super().__init__()
        kinds = {repr(path) for path in paths}
        if len(kinds) != 1:
            raise UsageError(
                f"{len(paths)} convolutions of {len(kinds)} kinds cannot be parallel paths",
                expected="one or more convolutions with the same arguments",
            )
        self.paths = nn.ModuleList(paths)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, P, Q)."""
        parts = x.chunk(len(self.paths), dim=1)
        return torch.cat([path(part) for path, part in zip(self.paths, parts, strict=True)], dim=1)

    def for_inference(self) -> nn.Conv2d:
        """The grouped convolution that computes the same."""
        return to_grouped(self)


@torch.no_grad()
def to_paths(conv: nn.Conv2d) -> ParallelPaths:
    """The parallel paths that compute the same as a grouped convolution, with copies of its weights."""
    paths = [_like(conv, 1, conv.groups) for _ in range(conv.groups)]
    parts = conv.weight.chunk(conv.groups)
    for path, weight in zip(paths, parts, strict=True):
        path.weight.copy_(weight)
    if conv.bias is not None:
        for path, bias in zip(paths, conv.bias.chunk(conv.groups), strict=True):
            path.get_parameter("bias").copy_(bias)
    return ParallelPaths(*paths).train(conv.training)


@torch.no_grad()
def to_grouped(paths: ParallelPaths) -> nn.Conv2d:
    """The grouped convolution that computes the same as parallel paths, with copies of their weights.

    Paths that are themselves grouped become groups of the one convolution.
    """
    convs = [path for path in paths.paths if isinstance(path, nn.Conv2d)]
    grouped = _like(convs[0], len(convs) * convs[0].groups, 1 / len(convs))
    grouped.weight.copy_(torch.cat([conv.weight for conv in convs]))
    if grouped.bias is not None:
        grouped.bias.copy_(torch.cat([conv.get_parameter("bias") for conv in convs]))
    return grouped.train(paths.training)


def _like(conv: nn.Conv2d, groups: int, divisor: float) -> nn.Conv2d:
    """A convolution with other groups, and channels divided by the divisor."""
    new = nn.Conv2d(
        round(conv.in_channels / divisor),
        round(conv.out_channels / divisor),
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        conv.dilation,  # type: ignore[arg-type]
        groups=groups,
        bias=conv.bias is not None,
        padding_mode=conv.padding_mode,
    )
    return new.to(conv.weight)
