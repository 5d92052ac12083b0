"""The fractal expansion rule: columns of convolutions of different depth, joined by means with drop-path.

Larsson et al. 2016 (arXiv:1605.07648), sec. 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from steelyard.errors import UsageError


class FractalJoin(nn.Module):
    """Element-wise mean of paths, of which training drops some: k x (N, C, H, W) -> (N, C, H, W).

    Local sampling drops each path of each sample with probability ``drop``, but never all of them; what
    is left is averaged. Global sampling leaves each sample one path, told by ``route``.

    Args:
        drop: probability, 0 to 1.
    """

    def __init__(self, drop: float = 0.15) -> None:
        super().__init__()
        self.drop = drop

    def forward(self, paths: Sequence[Tensor], route: Tensor | None = None) -> Tensor:
        """Paths, the deepest first -> their mean.

        Args:
            paths: k tensors (N, C, H, W).
            route: (N,), for each sample the index of the path that it keeps; -1 samples locally, k or
                more keeps all paths (that sample's column does not end in this join). None: -1 for all.
        """
        if not self.training:
            return sum(paths[1:], paths[0]) * (1 / len(paths))
        keep = self._kept(len(paths), paths[0], route)
        share = keep / keep.sum(dim=0)
        terms = [path * share[i].view(-1, 1, 1, 1) for i, path in enumerate(paths)]
        return sum(terms[1:], terms[0])

    def _kept(self, k: int, like: Tensor, route: Tensor | None) -> Tensor:
        """1 where a path is kept, else 0: (k, N)."""
        draws = torch.rand(k, like.shape[0], device=like.device)
        # the largest of k equal draws is each of them with the same probability
        keep = (draws >= self.drop) | (draws == draws.amax(dim=0))
        if route is not None:
            chosen = torch.arange(k, device=like.device)[:, None] == route
            keep = torch.where(route < 0, keep, chosen | (route >= k))
        return keep.to(like.dtype)


class FractalUnit(nn.Module):
    """3x3 convolution, dropout, batch normalisation, ReLU: (N, C, H, W) -> (N, M, H, W)."""

    def __init__(self, in_channels: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, H, W)."""
        out: Tensor = self.relu(self.bn(self.dropout(self.conv(x))))
        return out


class FractalBlock(nn.Module):
    """f_C of eq. 1, pooled: (N, in_channels, H, W) -> (N, channels, ceil(H/2), ceil(W/2)).

    Column 0 has 2^(C-1) convolutions, every next one half as many. After its 2^i-th, 2 2^i-th ...
    convolution column 0 is joined with columns 1 to i. At the end each column is pooled, 2x2, and all are
    joined, as the authors' generator does.

    Args:
        in_channels, channels: of the input, and of every convolution.
        columns: C.
        drop: of `FractalJoin`.
        dropout: before each batch normalisation.
        deepest: column 0 alone, the plain network of which the others are shortcuts.

    Raises:
        UsageError: no column.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        columns: int,
        drop: float = 0.15,
        dropout: float = 0.0,
        *,
        deepest: bool = False,
    ) -> None:
        super().__init__()
        if columns < 1:
            raise UsageError(f"columns={columns}", expected="at least 1")
        self.length: int = 2 ** (columns - 1)
        self.columns = nn.ModuleList(
            nn.ModuleList(
                FractalUnit(in_channels if step == 0 else channels, channels, dropout)
                for step in range(self.length >> column)
            )
            for column in range(1 if deepest else columns)
        )
        self.join = FractalJoin(drop)
        self.pool = nn.MaxPool2d(2, ceil_mode=True)

    def forward(self, x: Tensor, route: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, ceil(H/2), ceil(W/2)); ``route`` as in `FractalJoin`."""
        tips = [x] * len(self.columns)
        for step in range(1, self.length + 1):
            meeting = [i for i in range(len(tips)) if step % 2**i == 0]
            for i in meeting:
                tips[i] = self.columns[i].get_submodule(str((step >> i) - 1))(tips[i])
            if step < self.length and len(meeting) > 1:
                joined = self.join([tips[i] for i in meeting], route)
                tips[: len(meeting)] = [joined] * len(meeting)
        tips = [self.pool(tip) for tip in tips]
        out: Tensor = self.join(tips, route) if len(tips) > 1 else tips[0]
        return out
