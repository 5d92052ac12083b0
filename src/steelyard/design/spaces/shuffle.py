"""`ShuffleSpace`: ShuffleNet V2 with channels, units, squeeze-and-excitation and resolution to choose.

The units are those of Ma et al. 2018 (arXiv:1807.11164), fig. 3, built by the zoo's ShuffleNet V2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from typing import Any, ClassVar

from steelyard.design.spaces.base import Choice, Part, Point, SearchSpace
from steelyard.design.spaces.stages import config_of, stage_choices, stages_and_head
from steelyard.errors import UsageError
from steelyard.zoo.catalog.shufflenet_v2 import ShuffleNetV2Config
from steelyard.zoo.config import setting
from steelyard.zoo.network import Network
from steelyard.zoo.registry import create

_OWN = ("channels", "blocks", "resolution", "se_reduction", "residual", "width")


@dataclass(frozen=True, slots=True)
class ShuffleStage:
    """One stage: lists of what there is to choose from."""

    channels: tuple[int, ...] = setting((116,), "of the output, even", low=2, high=2**20)
    repeats: tuple[int, ...] = setting((4,), "units", low=1, high=1024)


@dataclass(frozen=True, slots=True)
class _Head:
    network: str = setting("shufflenet_v2", "of the zoo, whose other settings are kept")
    resolution: tuple[int, ...] = setting((224,), "side of the image", low=1, high=2**20)
    se_reduction: tuple[int, ...] = setting((0,), "of all units; 0: none", low=0, high=2**16)
    residual: tuple[bool, ...] = setting((False,), "units that keep the shape add their input")


@dataclass(frozen=True)
class ShuffleSpace(SearchSpace):
    """Stages of shuffle units; where the zoo's split asks for it, each stage is wider than the one before.

    Attributes:
        name: of the space.
        stages: what each may be.
        network: of the zoo.
        resolution, se_reduction, residual: to choose from.
        settings: of all networks.
    """

    kind: ClassVar[str] = "shuffle"

    name: str
    stages: tuple[ShuffleStage, ...]
    network: str = "shufflenet_v2"
    resolution: tuple[int, ...] = (224,)
    se_reduction: tuple[int, ...] = (0,)
    residual: tuple[bool, ...] = (False,)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self._config, ShuffleNetV2Config):
            raise UsageError(
                f"{self.name}: network = {self.network!r} has no shuffle units",
                hint="shufflenet_v2",
            )
        odd = [c for stage in self.stages for c in stage.channels if c % 2]
        if odd:
            raise UsageError(f"{self.name}: channels {odd}", expected="even numbers")

    @classmethod
    def from_table(cls, name: str, given: Mapping[str, Any]) -> ShuffleSpace:
        """The space that a TOML file describes.

        Raises:
            UsageError: an unknown key or an impossible value.
        """
        stages, head, fixed = stages_and_head(name, ShuffleStage, _Head, given, _OWN)
        return cls(
            name, stages, head.network, head.resolution, head.se_reduction, head.residual, fixed
        )

    @cached_property
    def _config(self) -> Any:
        return config_of(self.network, self.settings)

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """Resolution, squeeze-and-excitation, residual, and two for each stage."""
        return (
            Choice("resolution", self.resolution),
            Choice("se_reduction", self.se_reduction),
            Choice("residual", self.residual),
            *stage_choices(self.stages),
        )

    @cached_property
    def coupled(self) -> tuple[str, ...]:  # type: ignore[override]
        """The channels, where one branch keeps what comes in."""
        if self._config.split != "released":
            return ()
        return tuple(f"stage{i}.channels" for i in range(1, len(self.stages) + 1))

    def allowed(self, values: Mapping[str, Any]) -> bool:
        """Whether the network gets wider from stage to stage."""
        widths = [self._config.stem[-1], *(values[name] for name in self.coupled)]
        return all(a < b for a, b in pairwise(widths))

    @property
    def fixed(self) -> Mapping[str, object]:
        """Network and settings."""
        own = {f"settings.{key}": value for key, value in self.settings.items()}
        return {"network": self.network, **own}

    def zoo(self, point: Point) -> tuple[str, dict[str, Any]]:
        """The network with these stages."""
        values = self.values(self.check(point))
        stages = range(1, len(self.stages) + 1)
        return self.network, {
            **self.settings,
            "width": 1.0,
            "resolution": values["resolution"],
            "se_reduction": values["se_reduction"],
            "residual": values["residual"],
            "channels": tuple(values[f"stage{i}.channels"] for i in stages),
            "blocks": tuple(values[f"stage{i}.repeats"] for i in stages),
        }

    def input_shape(self, point: Point) -> tuple[int, int, int, int]:
        """(1, C, H, W)."""
        side = self.values(point)["resolution"]
        return (1, self._config.in_channels, side, side)

    def parts(self, point: Point) -> tuple[Part, ...]:
        """First convolutions, pooling, units, and the last convolution with the classifier."""
        return tuple(self._chain(self.values(point)))

    def _chain(self, values: Mapping[str, Any]) -> Iterator[Part]:
        units = (values["se_reduction"], values["residual"])
        side, channels = values["resolution"], self._config.stem[-1]
        shape = (1, self._config.in_channels, side, side)
        yield Part("stem", shape, partial(self._cut, 0, channels, channels * 2 + 2, 2, units))
        side = -(-side // 2)
        shape = (1, channels, side, side)
        yield Part("pool", shape, partial(self._cut, 1, channels, channels * 2 + 2, 2, units))
        side = -(-side // 2)
        for i in range(1, len(self.stages) + 1):
            out = values[f"stage{i}.channels"]
            stride = self._config.first_stride if i == 1 else 2
            for repeat in range(values[f"stage{i}.repeats"]):
                place = 2 if repeat == 0 else 3
                width = channels if repeat == 0 else out
                key = (place, channels, out, stride if place == 2 else 1, units)
                make = partial(self._cut, place, channels, out, stride, units)
                yield Part(key, (1, width, side, side), make)
                side = -(-side // stride) if place == 2 else side
            channels = out
        shape = (1, channels, side, side)
        yield Part(("tail", channels), shape, partial(self._tail, channels))

    # Each part is cut out of a network that the zoo itself builds, with one stage of two units.

    def _cut(
        self, place: int, channels: int, out: int, stride: int, units: tuple[int, bool]
    ) -> Any:
        stem = (*self._config.stem[:-1], channels)
        network = self._small(stem, out, stride, units)
        return list(network.trunk())[place]

    def _tail(self, channels: int) -> Any:
        from steelyard.design.spaces.chain import Tail

        return Tail(self._small((2,), channels, 2, (0, False)))

    def _small(
        self, stem: tuple[int, ...], out: int, stride: int, units: tuple[int, bool]
    ) -> Network:
        network = create(
            self.network,
            **{
                **self.settings, "width": 1.0, "stem": stem, "channels": (out,), "blocks": (2,),
                "first_stride": stride, "se_reduction": units[0], "residual": units[1],
            },
        )  # fmt: skip
        if not isinstance(network, Network):
            raise UsageError(f"{self.network} is no network of the zoo's own")
        return network
