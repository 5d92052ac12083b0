"""`DartsSpace` and `NasnetSpace`: networks whose two cells are searched, operation by operation.

DARTS: every step adds up operations on two different earlier states (Liu et al. 2018, arXiv:1806.09055, sec. 3.1 and
appendix). NASNet: every step adds up two operations on any earlier states, which may be the same (Zoph et al. 2017,
arXiv:1707.07012, sec. 3); the unread states are concatenated.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, combinations_with_replacement
from random import Random
from typing import Any, ClassVar, Self

from steelyard.design.spaces.base import Choice, Point, SearchSpace
from steelyard.design.spaces.stages import config_of, settings_of, table
from steelyard.errors import UnknownNameError, UsageError
from steelyard.layers.genotype import OPERATIONS, CellGraph, Edge, Genotype, pairs
from steelyard.zoo.config import setting

DARTS_OPERATIONS = (
    "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "avg_pool_3x3", "skip_connect",
)  # fmt: skip
"""Those of the paper but for ``none``, which no cell keeps."""

NASNET_OPERATIONS = (
    "skip_connect", "conv_1x3_3x1", "conv_1x7_7x1", "dil_conv_3x3", "avg_pool_3x3", "max_pool_3x3", "max_pool_5x5",
    "max_pool_7x7", "conv_1x1", "conv_3x3", "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7",
)  # fmt: skip
"""Those of the paper, sec. 3."""

CELLS = ("normal", "reduction")


@dataclass(frozen=True, slots=True)
class _DartsHead:
    network: str = setting("darts_v2_cifar", "of the zoo, whose cells are replaced")
    steps: int = setting(4, "of a cell", low=1, high=12)
    operations: tuple[str, ...] = setting(DARTS_OPERATIONS, "to choose from")
    layers: tuple[int, ...] = setting((20,), "cells", low=3, high=1024)
    filters: tuple[int, ...] = setting((36,), "channels of the first cells' states, even", low=2)


@dataclass(frozen=True, slots=True)
class _NasnetHead:
    network: str = setting("nasnet_cifar", "of the zoo, whose cells are replaced")
    steps: int = setting(5, "of a cell", low=1, high=8)
    operations: tuple[str, ...] = setting(NASNET_OPERATIONS, "to choose from")
    layers: tuple[int, ...] = setting((6,), "normal cells between two reductions", low=1, high=1024)
    filters: tuple[int, ...] = setting((32,), "channels of the first cells' states", low=4)


@dataclass(frozen=True)
class _CellSpace(SearchSpace):
    """Two cells, a number of them, and filters.

    Attributes:
        name: of the space.
        network: of the zoo.
        steps: of a cell.
        operations: to choose from.
        layers, filters: to choose from.
        settings: of all networks.
    """

    name: str
    network: str
    steps: int
    operations: tuple[str, ...]
    layers: tuple[int, ...]
    filters: tuple[int, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    depth: ClassVar[str]
    """The zoo's setting for the number of cells."""

    head: ClassVar[type]
    """What a file may say beside ``[settings]``."""

    def __post_init__(self) -> None:
        for name in self.operations:
            if name not in OPERATIONS:
                raise UnknownNameError("operation of a cell", name, OPERATIONS)
        if {"cell", "filters", self.depth} - set(type(self._config).__dataclass_fields__):
            raise UsageError(
                f"{self.name}: network = {self.network!r} has no such cells",
                hint="darts_v2_cifar for kind darts, nasnet_cifar for kind nasnet",
            )

    @classmethod
    def from_table(cls, name: str, given: Mapping[str, Any]) -> Self:
        """The space that a TOML file describes.

        Raises:
            UsageError: an unknown key or an impossible value.
        """
        rest = dict(given)
        fixed = rest.pop("settings", {})
        h: Any = table(name, cls.head, rest)
        fixed = settings_of(name, h.network, fixed, ("cell", "filters", "width", cls.depth))
        return cls(name, h.network, h.steps, h.operations, h.layers, h.filters, fixed)

    @cached_property
    def _config(self) -> Any:
        return config_of(self.network, self.settings)

    @property
    def fixed(self) -> Mapping[str, object]:
        """Network and settings."""
        own = {f"settings.{key}": value for key, value in self.settings.items()}
        return {"network": self.network, **own}

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """Number of cells, filters, and those of each step of both cells."""
        steps = [
            choice
            for cell in CELLS
            for i in range(self.steps)
            for choice in self._step(f"{cell}.{i}", i)
        ]
        return (Choice("layers", self.layers), Choice("filters", self.filters), *steps)

    @abstractmethod
    def _step(self, name: str, step: int) -> tuple[Choice, ...]:
        """What there is to decide about a step that may read ``step + 2`` states."""

    @abstractmethod
    def _edges(self, name: str, values: Mapping[str, Any]) -> tuple[Edge, Edge]:
        """The two edges of a step."""

    def _graph(self, cell: str, values: Mapping[str, Any]) -> CellGraph:
        edges = [e for i in range(self.steps) for e in self._edges(f"{cell}.{i}", values)]
        return pairs(edges, self._concatenated())

    def _concatenated(self) -> tuple[int, ...]:
        return ()

    def genotype(self, point: Point) -> Genotype:
        """Both cells."""
        values = self.values(point)
        return Genotype(*(self._graph(cell, values) for cell in CELLS))

    def zoo(self, point: Point) -> tuple[str, dict[str, Any]]:
        """The network with these cells."""
        values = self.values(self.check(point))
        return self.network, {
            **self.settings,
            self.depth: values["layers"],
            "filters": values["filters"],
            "cell": self.genotype(point),
        }

    def input_shape(self, point: Point) -> tuple[int, int, int, int]:
        """(1, C, H, W)."""
        del point
        side = self._config.resolution
        return (1, self._config.in_channels, side, side)


@dataclass(frozen=True)
class DartsSpace(_CellSpace):
    """Each step: two different states, and an operation on each."""

    kind: ClassVar[str] = "darts"
    depth: ClassVar[str] = "layers"
    head: ClassVar[type] = _DartsHead

    def _step(self, name: str, step: int) -> tuple[Choice, ...]:
        states = tuple(combinations(range(step + 2), 2))
        operations = tuple(
            Choice(f"{name}.{side}", self.operations) for side in ("first", "second")
        )
        return (Choice(f"{name}.states", states), *operations)

    def _edges(self, name: str, values: Mapping[str, Any]) -> tuple[Edge, Edge]:
        first, second = values[f"{name}.states"]
        return (values[f"{name}.first"], first), (values[f"{name}.second"], second)

    def _concatenated(self) -> tuple[int, ...]:
        return tuple(range(2, self.steps + 2))


@dataclass(frozen=True)
class NasnetSpace(_CellSpace):
    """Each step: two edges in any order, of which both may be the same."""

    kind: ClassVar[str] = "nasnet"
    depth: ClassVar[str] = "cells"
    head: ClassVar[type] = _NasnetHead

    def _step(self, name: str, step: int) -> tuple[Choice, ...]:
        edges = [(op, state) for state in range(step + 2) for op in self.operations]
        return (Choice(name, tuple(combinations_with_replacement(edges, 2))),)

    def _edges(self, name: str, values: Mapping[str, Any]) -> tuple[Edge, Edge]:
        one, other = values[name]
        return one, other

    def mutate(self, point: Point, random: Random) -> Point:
        """One operation, or one state that is read, is another (Real et al. 2018, arXiv:1802.01548, fig. 2)."""
        place = 2 + random.randrange(len(point) - 2)
        choice, step = self.choices[place], (place - 2) % self.steps
        edges = list(choice.values[point[place]])
        which = random.randrange(2)
        op, state = edges[which]
        states = [s for s in range(step + 2) if s != state]
        others = [o for o in self.operations if o != op]
        if random.random() < 0.5 or not others:
            state = states[random.randrange(len(states))]
        else:
            op = others[random.randrange(len(others))]
        edges[which] = (op, state)
        known = self._places[place]
        found = known[tuple(edges)] if tuple(edges) in known else known[tuple(reversed(edges))]
        return (*point[:place], found, *point[place + 1 :])

    @cached_property
    def _places(self) -> tuple[dict[Any, int], ...]:
        return tuple({v: i for i, v in enumerate(choice.values)} for choice in self.choices)
