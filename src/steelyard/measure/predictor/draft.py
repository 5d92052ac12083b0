"""`Draft`: a random network while it is made: its steps so far, and the dice that its widths come from."""

from __future__ import annotations

import random
from collections.abc import Callable

from torch import nn

from steelyard.measure.predictor import steps as s

LARGEST_MACS, LARGEST_BYTES = 0.5e9, 90e6
"""A probe ends when it has so many multiply-accumulates, or so many bytes of weights."""

Activation = Callable[[], nn.Module]
ACTIVATIONS: tuple[tuple[Activation, float], ...] = (
    (lambda: nn.ReLU(inplace=True), 10),
    (nn.ReLU, 2.5),
    (lambda: nn.ReLU6(inplace=True), 3),
    (lambda: nn.SiLU(inplace=True), 2),
    (lambda: nn.Hardswish(inplace=True), 2),
    (nn.Sigmoid, 0.3),
)


class Draft:
    """A probe while it is made: its steps, and the map that the last one wrote.

    Attributes:
        dice: where chance comes from.
        steps: modules and what each reads.
        at: number of the newest value.
        channels, size: of the newest value, (N, channels, size, size).
        macs, weight_bytes: so far.
        act: activation of this network.
        norm: whether convolutions are normalised.
    """

    def __init__(self, dice: random.Random, channels: int, size: int) -> None:
        self.dice = dice
        self.steps: list[tuple[nn.Module, tuple[int, ...]]] = []
        self.at, self.channels, self.size = 0, channels, size
        self.macs = self.weight_bytes = 0.0
        kinds, shares = zip(*ACTIVATIONS, strict=True)
        self.act: Activation = dice.choices(kinds, shares)[0]
        self.norm = dice.random() < 0.85

    @property
    def full(self) -> bool:
        """Enough for one probe."""
        return (
            self.macs > LARGEST_MACS or self.weight_bytes > LARGEST_BYTES or len(self.steps) > 110
        )

    def put(self, module: nn.Module, *reads: int) -> int:
        """One more step; it reads the newest value unless told otherwise."""
        self.steps.append((module, reads or (self.at,)))
        self.at = len(self.steps)
        return self.at

    def apply(self, function: Callable[..., object], *reads: int) -> int:
        """One more step: a function."""
        return self.put(s.Apply(function), *reads)  # type: ignore[arg-type]

    def conv(
        self, out: int, kernel: int | tuple[int, int] = 1, stride: int = 1, groups: int = 1,
        *, norm: bool | None = None, act: bool = True, padding: int | None = None, dilation: int = 1,
    ) -> int:  # fmt: skip
        """A convolution that keeps the size but for its stride, its normalisation and its activation."""
        high, wide = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        normed = self.norm if norm is None else norm
        edge = (
            (dilation * (high // 2), dilation * (wide // 2))
            if padding is None
            else (padding, padding)
        )
        self.put(
            bare(nn.Conv2d, self.channels, out, (high, wide), stride, edge, dilation, groups, not normed)
        )  # fmt: skip
        size = (self.size + 2 * edge[0] - dilation * (high - 1) - 1) // stride + 1
        weights = out * (self.channels // groups) * high * wide
        self.macs += weights * size * size
        self.weight_bytes += 4 * weights
        self.channels, self.size = out, size
        if normed:
            self.put(nn.BatchNorm2d(out))
        if act:
            self.put(self.act())
        return self.at

    def depthwise(self, kernel: int, stride: int = 1, *, act: bool = True) -> int:
        """One filter a channel."""
        return self.conv(self.channels, kernel, stride, self.channels, act=act)

    def stride(self) -> int:
        """Two now and then, where the map is large enough."""
        return 2 if self.size > 7 and self.dice.random() < 0.35 else 1


def width(dice: random.Random, size: int) -> int:
    """Channels for a map of so many rows: the smaller, the wider; most often a multiple of 8."""
    typical = 2400 / max(size, 6) ** 0.85
    count = typical * 2 ** dice.uniform(-2.2, 1.3)
    unit = dice.choice((1, 2, 4, 8, 8, 8, 16, 16, 16, 32, 32, 64))
    return int(max(8, min(2048, round(count / unit) * unit)))


def bare(kind: type[nn.Module], *arguments: object) -> nn.Module:
    """A layer whose weights are not initialised."""
    made: nn.Module = nn.utils.skip_init(kind, *arguments)  # type: ignore[no-untyped-call]
    return made
