"""`RegnetSpace`: networks whose widths follow a quantised line, of residual bottlenecks with groups.

RegNetX of Radosavovic et al. 2020 (arXiv:2003.13678), sec. 3: a network is a depth, an initial width, a slope, a
quantisation and a group width; the bottleneck ratio is 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from math import log
from typing import TYPE_CHECKING, Any, ClassVar

from steelyard.design.spaces.base import Choice, Part, Point, SearchSpace
from steelyard.design.spaces.stages import table
from steelyard.zoo.config import MAX_SIZE, setting

if TYPE_CHECKING:
    from torch import nn

STEM = 32
"""Channels of the first convolution."""


@dataclass(frozen=True, slots=True)
class _Head:
    depth: tuple[int, ...] = setting((13,), "d: blocks in all", low=1, high=256)
    initial: tuple[float, ...] = setting((24.0,), "w_0: width of the first block", low=8, high=4096)
    slope: tuple[float, ...] = setting(
        (36.44,), "w_a: growth from block to block", low=0, high=1024
    )
    quantisation: tuple[float, ...] = setting((2.49,), "w_m", low=1.01, high=16)
    group_width: tuple[int, ...] = setting((8,), "g: channels of a group", low=1, high=1024)
    resolution: tuple[int, ...] = setting((224,), "side of the image", low=1, high=MAX_SIZE)
    stages: int = setting(4, "only networks of so many stages", low=1, high=8)
    num_classes: int = setting(1000, "classes", low=1, high=MAX_SIZE)
    in_channels: int = setting(3, "channels of the image", low=1, high=MAX_SIZE)


@dataclass(frozen=True)
class RegnetSpace(SearchSpace):
    """Lines of widths.

    Attributes:
        name: of the space.
        depth, initial, slope, quantisation, group_width, resolution: to choose from.
        stages: of all networks; lines that give another number are not allowed.
        num_classes, in_channels: of all networks.
    """

    kind: ClassVar[str] = "regnet"
    coupled: ClassVar[tuple[str, ...]] = (
        "depth",
        "initial",
        "slope",
        "quantisation",
        "group_width",
    )

    name: str
    depth: tuple[int, ...] = (13,)
    initial: tuple[float, ...] = (24.0,)
    slope: tuple[float, ...] = (36.44,)
    quantisation: tuple[float, ...] = (2.49,)
    group_width: tuple[int, ...] = (8,)
    resolution: tuple[int, ...] = (224,)
    stages: int = 4
    num_classes: int = 1000
    in_channels: int = 3

    @classmethod
    def from_table(cls, name: str, given: Mapping[str, Any]) -> RegnetSpace:
        """The space that a TOML file describes.

        Raises:
            UsageError: an unknown key or an impossible value.
        """
        h = table(name, _Head, given)
        return cls(
            name, h.depth, h.initial, h.slope, h.quantisation, h.group_width, h.resolution, h.stages, h.num_classes,
            h.in_channels,
        )  # fmt: skip

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The five numbers of a line, and the resolution."""
        names = (*self.coupled, "resolution")
        return tuple(Choice(name, getattr(self, name)) for name in names)

    @property
    def fixed(self) -> Mapping[str, object]:
        """Stages, classes, channels of the image."""
        names = ("stages", "num_classes", "in_channels")
        return {name: getattr(self, name) for name in names}

    def allowed(self, values: Mapping[str, Any]) -> bool:
        """Whether the line gives the number of stages."""
        return len(_line(values)) == self.stages

    def line(self, point: Point) -> tuple[tuple[int, int], ...]:
        """(width, blocks) of each stage."""
        return _line(self.values(self.check(point)))

    def input_shape(self, point: Point) -> tuple[int, int, int, int]:
        """(1, C, H, W)."""
        side = self.values(point)["resolution"]
        return (1, self.in_channels, side, side)

    def build(self, point: Point) -> nn.Module:
        """A residual network of the zoo's class, with these widths."""
        values = self.values(self.check(point))
        return self._network(_line(values), values["group_width"], self.input_shape(point))

    def _network(
        self, line: tuple[tuple[int, int], ...], group_width: int, shape: tuple[int, int, int, int]
    ) -> nn.Module:
        from steelyard.design.spaces.regnet_network import regnet

        network = regnet(line, group_width, self.in_channels, self.num_classes)
        network.input_shape = shape
        return network

    def parts(self, point: Point) -> tuple[Part, ...]:
        """First convolution, blocks, classifier."""
        return tuple(self._chain(self.values(point)))

    def _chain(self, values: Mapping[str, Any]) -> Iterator[Part]:
        from steelyard.design.spaces import regnet_network as made

        side, group_width = values["resolution"], values["group_width"]
        shape = (1, self.in_channels, side, side)
        yield Part("stem", shape, partial(made.stem, self.in_channels))
        side, channels = -(-side // 2), STEM
        for width, blocks in _line(values):
            for i in range(blocks):
                stride = 2 if i == 0 else 1
                key = (channels, width, stride, group_width)
                make = partial(made.block, channels, width, stride, group_width)
                yield Part(key, (1, channels, side, side), make)
                side, channels = -(-side // stride), width
        shape = (1, channels, side, side)
        yield Part(("tail", channels), shape, partial(made.tail, channels, self.num_classes))


def _line(values: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """(width, blocks) of each stage: equations 2 to 4, then widths that the groups divide."""
    w0, wa, wm, g = (values[n] for n in ("initial", "slope", "quantisation", "group_width"))
    widths = []
    for j in range(values["depth"]):
        power = round(log((w0 + wa * j) / w0) / log(wm))
        width = max(8, int(round(w0 * wm**power / 8) * 8))
        group = min(g, width)
        widths.append(max(group, round(width / group) * group))
    return tuple((width, len(list(run))) for width, run in groupby(widths))
