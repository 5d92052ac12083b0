"""`MobileSpace`: networks of inverted residuals whose kernel, expansion, depth, width, SE and resolution vary by stage.

The space of MnasNet (Tan et al. 2018, arXiv:1807.11626, sec. 4.1) and its successors, built by the zoo's MobileNetV2,
MobileNetV3, MnasNet or EfficientNet.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

from steelyard.design.spaces.base import Choice, Part, Point, SearchSpace
from steelyard.design.spaces.stages import config_of, stage_choices, stages_and_head
from steelyard.errors import UsageError
from steelyard.zoo.config import setting
from steelyard.zoo.mobile_stages import MobileConfig, Stage, blocks_in, rounded, strides_in
from steelyard.zoo.network import Network
from steelyard.zoo.registry import create

if TYPE_CHECKING:
    from steelyard.zoo.mobile import MobileNetwork


@dataclass(frozen=True, slots=True)
class MobileStage:
    """One stage: lists of what there is to choose from; the stride is the same in all networks."""

    channels: tuple[int, ...] = setting((16,), "of the output, at width 1", low=1, high=2**20)
    repeats: tuple[int, ...] = setting((1,), "blocks", low=1, high=1024)
    kernel: tuple[int, ...] = setting((3,), "side of the depthwise filters, odd", low=1, high=99)
    expansion: tuple[float, ...] = setting((6.0,), "of the block's input", low=0.01, high=1024)
    se: tuple[float, ...] = setting((0.0,), "squeeze-and-excitation; 0: none", low=0, high=64)
    stride: int = setting(1, "1 or 2", low=1, high=2)


@dataclass(frozen=True, slots=True)
class _Head:
    network: str = setting("mobilenet_v2", "family of the zoo, whose other settings are kept")
    resolution: tuple[int, ...] = setting((224,), "side of the image", low=1, high=2**20)
    width: tuple[float, ...] = setting((1.0,), "multiplies all channels", low=0.01, high=64)


@dataclass(frozen=True)
class MobileSpace(SearchSpace):
    """Stages of inverted residuals.

    Attributes:
        name: of the space.
        stages: what each may be.
        network: of the zoo, whose family builds the networks.
        resolution, width: to choose from.
        settings: of all networks, such as ``num_classes``.
    """

    kind: ClassVar[str] = "mobile"

    name: str
    stages: tuple[MobileStage, ...]
    network: str = "mobilenet_v2"
    resolution: tuple[int, ...] = (224,)
    width: tuple[float, ...] = (1.0,)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self._config, MobileConfig):
            raise UsageError(
                f"{self.name}: network = {self.network!r} has no stages of inverted residuals",
                hint="mobilenet_v2, mobilenet_v3_large, mnasnet_a1 or efficientnet_b0",
            )
        for point in (
            tuple(0 for _ in self.choices),
            tuple(len(c.values) - 1 for c in self.choices),
        ):
            self._stages(self.values(point))  # impossible values are said now

    @classmethod
    def from_table(cls, name: str, given: Mapping[str, Any]) -> MobileSpace:
        """The space that a TOML file describes.

        Raises:
            UsageError: an unknown key or an impossible value.
        """
        own = ("stages", "width", "depth", "resolution")
        stages, head, fixed = stages_and_head(name, MobileStage, _Head, given, own)
        return cls(name, stages, head.network, head.resolution, head.width, fixed)

    @cached_property
    def _config(self) -> Any:
        return config_of(self.network, self.settings)

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """Resolution, width, and five for each stage."""
        return (
            Choice("resolution", self.resolution),
            Choice("width", self.width),
            *stage_choices(self.stages, fixed=("stride",)),
        )

    @property
    def fixed(self) -> Mapping[str, object]:
        """Network, settings and strides."""
        return {
            "network": self.network,
            **{f"settings.{key}": value for key, value in self.settings.items()},
            **{f"stage{i}.stride": stage.stride for i, stage in enumerate(self.stages, 1)},
        }

    def _stages(self, values: Mapping[str, Any]) -> tuple[Stage, ...]:
        return tuple(
            Stage(
                channels=values[f"stage{i}.channels"],
                repeats=values[f"stage{i}.repeats"],
                kernel=values[f"stage{i}.kernel"],
                expansion=values[f"stage{i}.expansion"],
                se=values[f"stage{i}.se"],
                stride=stage.stride,
            )
            for i, stage in enumerate(self.stages, 1)
        )

    def zoo(self, point: Point) -> tuple[str, dict[str, Any]]:
        """The network with these stages."""
        values = self.values(self.check(point))
        return self.network, {
            **self.settings,
            "depth": 1.0,
            "width": values["width"],
            "resolution": values["resolution"],
            "stages": self._stages(values),
        }

    def input_shape(self, point: Point) -> tuple[int, int, int, int]:
        """(1, C, H, W)."""
        side = self.values(point)["resolution"]
        return (1, self._config.in_channels, side, side)

    def parts(self, point: Point) -> tuple[Part, ...]:
        """First convolution, blocks, and the last convolution with the classifier."""
        values = self.values(point)
        config: MobileConfig = dataclasses.replace(
            self._config, stages=self._stages(values), depth=1.0, width=values["width"],
            resolution=values["resolution"],
        )  # fmt: skip
        return tuple(self._chain(config))

    def _chain(self, config: MobileConfig) -> Iterator[Part]:
        first, *strides = strides_in(config.stem, (stage.stride for stage in config.stages))
        stem = (
            rounded(config.stem_channels * config.width)
            if config.scale_stem
            else config.stem_channels
        )
        side = config.resolution
        shape = (1, config.in_channels, side, side)
        yield Part(("stem", stem, first), shape, partial(self._stem, stem))
        side, channels = -(-side // first), stem
        for stage, count, stride in zip(config.stages, blocks_in(config), strides, strict=True):
            out = rounded(stage.channels * config.width)
            for i in range(count):
                here = stride if i == 0 else 1
                key = (channels, out, stage.kernel, here, stage.expansion, stage.se)
                one = (stage, channels, out, here)
                yield Part(key, (1, channels, side, side), partial(self._block, *one))
                side, channels = -(-side // here), out
        last = config.stages[-1]
        shape = (1, channels, side, side)
        yield Part(("tail", channels, config.width), shape, partial(self._tail, last, config.width))

    # The family itself builds each part: blocks alone, stem and tail with a small network around them.

    def _stem(self, channels: int) -> Any:
        return next(iter(self._small(stem_channels=channels).trunk()))

    def _block(self, stage: Stage, channels: int, out: int, stride: int) -> Any:
        one = dataclasses.replace(stage, channels=out)
        plain = dataclasses.replace(self._config, width=1.0)
        return self._family.block(plain, one, channels, stride)

    @cached_property
    def _family(self) -> type[MobileNetwork]:
        from steelyard.zoo.mobile import MobileNetwork

        found = type(self._small())
        if not issubclass(found, MobileNetwork):
            raise UsageError(f"{self.network} is no network of inverted residuals")
        return found

    def _tail(self, stage: Stage, width: float) -> Any:
        from steelyard.design.spaces.chain import Tail

        return Tail(self._small(stages=(stage,), width=width))

    def _small(self, **changed: object) -> Network:
        plain: dict[str, object] = {
            "depth": 1.0, "width": 1.0, "scale_stem": False, "stages": (Stage(channels=8, expansion=1),),
        }  # fmt: skip
        network = create(self.network, **{**self.settings, **plain, **changed})
        if not isinstance(network, Network):
            raise UsageError(f"{self.network} is no network of the zoo's own")
        return network
