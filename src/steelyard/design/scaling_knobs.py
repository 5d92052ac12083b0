"""`knobs_of`: which settings make a network of the zoo wider, deeper and larger, and their values at given factors.

Every family has ``width`` and ``resolution``. The setting that a network gets deeper by is found by its name, so
that a family of one's own is scaled if it calls it as ours do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from steelyard.errors import UsageError
from steelyard.zoo import config as zoo_settings
from steelyard.zoo.registry import default_registry

DEPTHS = ("depth", "blocks", "convolutions", "units", "cells", "layers", "middle")
"""Settings for depth, of which the first that a family has is taken."""


@dataclass(frozen=True, slots=True)
class Factors:
    """What width, depth and resolution are multiplied by."""

    depth: float = 1.0
    width: float = 1.0
    resolution: float = 1.0

    @property
    def macs(self) -> float:
        """What multiply-accumulates are multiplied by, if they go as depth x width^2 x resolution^2."""
        return self.depth * self.width**2 * self.resolution**2


@dataclass(frozen=True, slots=True)
class Knobs:
    """The settings of one network that scaling changes, at factors of 1.

    Attributes:
        network: its name in the zoo.
        given: settings that were asked for besides.
        width: its setting.
        depth_name: the setting for depth.
        depth: its value: a factor, a count, or a count for each stage.
        resolution: side of the image.
    """

    network: str
    given: Mapping[str, object]
    width: float
    depth_name: str
    depth: float | int | tuple[int, ...]
    resolution: int

    def settings(self, factors: Factors) -> dict[str, object]:
        """Keywords of `create`: what was given, and the three settings. Blocks are rounded up."""
        return {
            **self.given,
            "width": round(self.width * factors.width, 4),
            self.depth_name: self._deeper(factors.depth),
            "resolution": max(1, round(self.resolution * factors.resolution)),
        }

    def source(self, factors: Factors) -> str:
        """The same as a SOURCE: ``efficientnet_b0:width=1.1,depth=1.2,resolution=258``."""
        pairs = (f"{name}={_text(value)}" for name, value in self.settings(factors).items())
        return f"{self.network}:{','.join(pairs)}"

    def _deeper(self, factor: float) -> float | int | tuple[int, ...]:
        if isinstance(self.depth, tuple):
            return tuple(_up(count * factor) for count in self.depth)
        if isinstance(self.depth, float):
            return round(self.depth * factor, 4)
        if self.depth_name == "depth":  # layers of a wide residual network: 6 n + 4
            return 6 * _up((self.depth - 4) / 6 * factor) + 4
        return _up(self.depth * factor)


def knobs_of(network: str) -> Knobs:
    """The knobs of a network of the zoo: a name, or a name with settings.

    Raises:
        UsageError: another kind of SOURCE, or a family without a setting for depth.
        UnknownNameError: no such network.
    """
    from steelyard.capture.source import parse_source

    source = parse_source(network)
    if source.kind != "zoo":
        raise UsageError(
            f"{network!r} cannot be scaled: it is no network of the zoo",
            expected="a name such as efficientnet_b0, with settings if need be",
            hint="steelyard models",
        )
    family, model = default_registry().find(source.name)
    values = zoo_settings.make(source.name, family.config, model.defaults, source.settings)
    names = {field.name for field in dataclasses.fields(family.config)}
    depth = next((name for name in DEPTHS if name in names), "")
    if not depth or not {"width", "resolution"} <= names:
        raise UsageError(
            f"{source.name} cannot be scaled: {family.name} has no setting for its depth",
            expected="a family with one of the settings " + ", ".join(DEPTHS),
            hint="efficientnet_b0, mobilenet_v2, resnet18, shufflenet_v2, darts_v2_cifar ...",
        )
    given = {k: v for k, v in source.config if k not in ("width", depth, "resolution")}
    return Knobs(source.name, given, values.width, depth, getattr(values, depth), values.resolution)


def factors_of(network: str) -> Factors:
    """What takes a family's settings to those of one of its networks: of efficientnet_b3 1.4, 1.2 and 300 / 224.

    Raises:
        UsageError: a family whose depth is no factor, or as `knobs_of`.
        UnknownNameError: no such network.
    """
    knobs = knobs_of(network)
    family, _ = default_registry().find(knobs.network)
    plain: Any = family.config()
    if not isinstance(knobs.depth, float):
        raise UsageError(
            f"{network} does not say how it was scaled",
            expected="a network of a family whose setting depth is a factor",
            hint="efficientnet_b1 to efficientnet_b7, efficientnet_lite1 to efficientnet_lite4",
        )
    return Factors(
        knobs.depth / plain.depth, knobs.width / plain.width, knobs.resolution / plain.resolution
    )


def _up(value: float) -> int:
    # 3 x 1.2 / 1.2 shall be 3
    return max(1, ceil(round(value, 6)))


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value)) + ("x" if len(value) == 1 else "")
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return str(value)
