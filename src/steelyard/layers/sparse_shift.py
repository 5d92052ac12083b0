"""The sparse shift layer: channels learn where to move, and most learn to stay.

Chen et al. 2019, "All You Need is a Few Shifts" (arXiv:1903.05285), sec. 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelyard.layers import _shift_ops
from steelyard.layers.shift import grouped_moves


class SparseShift(nn.Module):
    """A shift by learnt displacements, two for each channel: (N, C, H, W) -> (N, C, H, W).

    Forward, displacements are rounded to whole pixels, so that nothing is interpolated at inference.
    Backward, the gradient goes straight through the rounding: for the map it is the opposite shift, for the
    displacements the slope of bilinear interpolation at their real values (sec. 3.3). Training adds
    ``strength * layer.penalty()`` to the loss, which leaves most channels unmoved (sec. 3.2).

    Args:
        channels: C.
        kernel_size: displacements start as a grouped shift over a window of this size, as in the
            authors' release; 1 starts with all channels unmoved.

    Raises:
        UsageError: the window has no middle, or a size is below 1.

    Attributes:
        displacement: (C, 2), rows (dy, dx) in pixels: output (h, w) is input (h + dy, w + dx).
    """

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.channels, self.kernel_size = channels, kernel_size
        self.displacement = nn.Parameter(torch.empty(channels, 2))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Displacements of a grouped shift."""
        moves = grouped_moves(self.channels, self.kernel_size)
        rows = [(dy, dx) for count, dy, dx in moves for _ in range(count)]
        with torch.no_grad():
            self.displacement.copy_(torch.tensor(rows, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W).

        Raises:
            ShapeError: another number of channels or of dimensions.
        """
        return _shift_ops.sparse_shift(x, self.displacement)

    def penalty(self) -> Tensor:
        """Sum of the displacements' magnitudes, a scalar: the L1 term of the loss (sec. 3.2)."""
        return self.displacement.abs().sum()

    def moved(self) -> int:
        """Channels that do move."""
        return int(self.displacement.round().any(1).sum())

    def to_fixed(self) -> FixedShift:
        """The same shift with nothing left to learn, equal in its outputs."""
        return FixedShift(self.displacement.detach().round().to(torch.int64))

    for_inference = to_fixed

    def extra_repr(self) -> str:
        """As `nn.Module` prints it."""
        return f"{self.channels}, kernel_size={self.kernel_size}"


class FixedShift(nn.Module):
    """A shift by given displacements, held in a buffer: (N, C, H, W) -> (N, C, H, W); no parameters.

    Args:
        displacement: (C, 2) whole numbers, rows (dy, dx): output (h, w) is input (h + dy, w + dx).
    """

    displacement: Tensor

    def __init__(self, displacement: Tensor) -> None:
        super().__init__()
        self.register_buffer("displacement", displacement.to(torch.int64).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W).

        Raises:
            ShapeError: another number of channels or of dimensions.
        """
        return _shift_ops.sparse_shift(x, self.displacement)

    def extra_repr(self) -> str:
        """As `nn.Module` prints it."""
        return f"{self.displacement.shape[0]}"


def displacement_penalty(network: nn.Module) -> Tensor:
    """The sum of `SparseShift.penalty` over all such layers of a network, a scalar; 0 without any."""
    terms = [layer.penalty() for layer in network.modules() if isinstance(layer, SparseShift)]
    return torch.stack(terms).sum() if terms else torch.zeros(())


def fix_shifts(network: nn.Module) -> nn.Module:
    """Puts `SparseShift.to_fixed` in the place of every sparse shift layer, in place; returns the network."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, SparseShift):
                setattr(parent, name, child.to_fixed())
    return network
