"""`WiringSpace`: randomly wired networks: which generator draws the graph, from which seed, how many nodes and filters.

Xie et al. 2019 (arXiv:1904.01569), built by the zoo's RandWire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

from steelyard.design.spaces.base import Choice, Point, SearchSpace
from steelyard.design.spaces.stages import config_of, settings_of, table, tables
from steelyard.errors import UsageError
from steelyard.zoo.catalog.randwire import RandWireConfig
from steelyard.zoo.config import setting

_OWN = ("generator", "k", "p", "m", "nodes", "filters", "seed", "resolution", "width")


@dataclass(frozen=True, slots=True)
class Generator:
    """A generator with its parameters; those of other generators do not count."""

    generator: Literal["ws", "er", "ba"] = setting(
        "ws", "Watts-Strogatz, Erdős-Rényi, Barabási-Albert"
    )
    k: int = setting(4, "WS: neighbours on the ring, even", low=2, high=1024)
    p: float = setting(0.75, "WS: of rewiring; ER: of an edge", low=0, high=1)
    m: int = setting(5, "BA: edges of a new node", low=1, high=1024)

    @property
    def settings(self) -> dict[str, object]:
        """Those that count."""
        used = {"ws": ("k", "p"), "er": ("p",), "ba": ("m",)}[self.generator]
        return {"generator": self.generator, **{name: getattr(self, name) for name in used}}


@dataclass(frozen=True, slots=True)
class _Head:
    network: str = setting("randwire_small", "of the zoo, whose other settings are kept")
    seeds: int = setting(100, "graphs of each kind", low=1, high=2**20)
    nodes: tuple[int, ...] = setting((32,), "of a stage", low=3, high=1024)
    filters: tuple[int, ...] = setting((78,), "channels of the second stage", low=2, high=2**14)
    resolution: tuple[int, ...] = setting((224,), "side of the image", low=1, high=2**20)


@dataclass(frozen=True)
class WiringSpace(SearchSpace):
    """Random graphs.

    Attributes:
        name: of the space.
        generators: to choose from.
        network: of the zoo.
        seeds: so many graphs of each kind.
        nodes, filters, resolution: to choose from.
        settings: of all networks.
    """

    kind: ClassVar[str] = "wiring"

    name: str
    generators: tuple[Generator, ...] = (Generator(),)
    network: str = "randwire_small"
    seeds: int = 100
    nodes: tuple[int, ...] = (32,)
    filters: tuple[int, ...] = (78,)
    resolution: tuple[int, ...] = (224,)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(config_of(self.network, self.settings), RandWireConfig):
            raise UsageError(
                f"{self.name}: network = {self.network!r} is not wired at random",
                hint="randwire_small",
            )

    @classmethod
    def from_table(cls, name: str, given: Mapping[str, Any]) -> WiringSpace:
        """The space that a TOML file describes.

        Raises:
            UsageError: an unknown key or an impossible value.
        """
        rest = dict(given)
        generators = tables(name, "generator", Generator, rest.pop("generator", [{}]))
        fixed = rest.pop("settings", {})
        head = table(name, _Head, rest)
        fixed = settings_of(name, head.network, fixed, _OWN)
        return cls(
            name, generators, head.network, head.seeds, head.nodes, head.filters, head.resolution, fixed
        )  # fmt: skip

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """Generator, seed, nodes, filters, resolution."""
        kinds = tuple(tuple(one.settings.items()) for one in self.generators)
        return (
            Choice("generator", kinds),
            Choice("seed", tuple(range(self.seeds))),
            Choice("nodes", self.nodes),
            Choice("filters", self.filters),
            Choice("resolution", self.resolution),
        )

    @property
    def fixed(self) -> Mapping[str, object]:
        """Network and settings."""
        own = {f"settings.{key}": value for key, value in self.settings.items()}
        return {"network": self.network, **own}

    def zoo(self, point: Point) -> tuple[str, dict[str, Any]]:
        """The network wired so."""
        values = self.values(self.check(point))
        drawn = dict(values.pop("generator"))
        return self.network, {**self.settings, **drawn, **values}

    def input_shape(self, point: Point) -> tuple[int, int, int, int]:
        """(1, C, H, W)."""
        side = self.values(point)["resolution"]
        return (1, config_of(self.network, self.settings).in_channels, side, side)
