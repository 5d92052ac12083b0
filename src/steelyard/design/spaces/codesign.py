"""`Codesign`: networks and the device that they run on, searched together.

The device is an accelerator of which some numbers are choices: the size of an axis, the capacity of a memory, the clock,
the dataflow, and what each layer's mapping minimises. In a TOML file it is a table beside the network's::

    [device]
    name = "eyeriss"                    # to start from: a name of `steelyard devices`, or a YAML file
    "x.size" = [7, 14]                  # paths and values as `steelyard estimate --sweep` has them
    "glb_bytes" = "32KiB..128KiB"
    dataflow = ["RS", "any"]
    mapping = ["energy", "latency"]     # "energy" if not said
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from steelyard.design.spaces.base import Choice, Part, Point, SearchSpace
from steelyard.errors import UsageError
from steelyard.hardware.dataflows import dataflow as known_dataflow
from steelyard.hardware.device import Accelerator
from steelyard.hardware.estimate import accelerator, estimate
from steelyard.hardware.estimate_result import Estimate
from steelyard.hardware.mapper_answer import OBJECTIVES, Objective
from steelyard.hardware.sweep import Sweep, Value, parse_sweep, variant
from steelyard.workload import Workload

if TYPE_CHECKING:
    from torch import nn

PREFIX = "device."
"""Of the names of the device's choices."""


@dataclass(frozen=True)
class Codesign(SearchSpace):
    """A space of networks times variants of a device.

    Attributes:
        networks: the space of networks.
        device: to start from.
        sweeps: what is varied of it; ``dataflow`` may be one.
        mappings: what each layer's mapping minimises, to choose from.

    Raises:
        UsageError: nothing is varied, something twice, or an unknown objective of the mapping.
        UnknownNameError: the device has no such parameter, or no such dataflow exists.
        InputError: a value that no device can have.
    """

    kind: ClassVar[str] = "codesign"

    networks: SearchSpace
    device: Accelerator
    sweeps: tuple[Sweep, ...]
    mappings: tuple[Objective, ...] = ("energy",)

    def __post_init__(self) -> None:
        paths = [sweep.path for sweep in self.sweeps]
        if not paths or len(set(paths)) < len(paths):
            raise UsageError(
                f"[device] varies {', '.join(paths) or 'nothing'}",
                expected="each path once, at least one",
                hint='"glb_bytes" = "32KiB..128KiB"',
            )
        _ = self.choices  # values that are there twice
        if unknown := [one for one in self.mappings if one not in OBJECTIVES]:
            raise UsageError(
                f"mapping = {unknown[0]!r}", expected="one or more of " + ", ".join(OBJECTIVES)
            )
        for sweep in self.sweeps:
            for value in sweep.values:
                if sweep.path != "dataflow":
                    variant(self.device, {sweep.path: value})
                elif value != "ANY":
                    known_dataflow(str(value))

    @classmethod
    def from_table(cls, networks: SearchSpace, given: Mapping[str, Any]) -> Codesign:
        """The space of networks of a TOML file with its table ``device``.

        Raises:
            UsageError, UnknownNameError, InputError: as for the class, or no device is named.
        """
        rest = dict(given)
        name, mappings = rest.pop("name", None), rest.pop("mapping", "energy")
        if not isinstance(name, str):
            raise UsageError(
                "[device] does not say which", expected="a device to start from", hint='name = "eyeriss"'
            )  # fmt: skip
        sweeps = tuple(_sweep(path, values) for path, values in rest.items())
        several = mappings if isinstance(mappings, list) else [mappings]
        return cls(networks, accelerator(name), sweeps, tuple(several))

    # ---- the network ---------------------------------------------------------------------------------

    @property
    def name(self) -> str:  # type: ignore[override]
        """The networks'."""
        return self.networks.name

    @property
    def coupled(self) -> tuple[str, ...]:  # type: ignore[override]
        """The networks'."""
        return self.networks.coupled

    def allowed(self, values: Mapping[str, Any]) -> bool:
        """Whether these values of the network go together."""
        return self.networks.allowed(values)

    def network(self, point: Point) -> Point:
        """The part of a point that is the network."""
        return point[: len(self.networks.choices)]

    def zoo(self, point: Point) -> tuple[str, dict[str, Any]] | None:
        """The network, as the space of networks has it."""
        return self.networks.zoo(self.network(point))

    def build(self, point: Point) -> nn.Module:
        """The network, as the space of networks builds it."""
        return self.networks.build(self.network(point))

    def input_shape(self, point: Point) -> tuple[int, int, int, int]:
        """The network's."""
        return self.networks.input_shape(self.network(point))

    def parts(self, point: Point) -> tuple[Part, ...] | None:
        """The network's."""
        return self.networks.parts(self.network(point))

    # ---- the device ----------------------------------------------------------------------------------

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The networks', then the device's, then the mapping's if there are several."""
        knobs = [Choice(PREFIX + sweep.path, sweep.values) for sweep in self.sweeps]
        return (*self.networks.choices, *knobs, Choice(PREFIX + "mapping", self.mappings))

    @property
    def fixed(self) -> Mapping[str, object]:
        """Of the networks, and the device to start from."""
        return {
            "networks": self.networks.kind,
            **self.networks.fixed,
            "device": f"{self.device.name} {self.device.digest[:12]}",
        }

    def settings(self, point: Point) -> dict[str, Value]:
        """What is varied of the device, path -> value."""
        values = self.values(point)
        return {sweep.path: values[PREFIX + sweep.path] for sweep in self.sweeps}

    def chip(self, point: Point) -> Accelerator:
        """The device of a point.

        Raises:
            InputError: values that do not go together.
        """
        return variant(self.device, self.settings(point))

    def described_chip(self, point: Point) -> Accelerator:
        """The device of a point, with a name of its own and with what was changed, for a file."""
        settings = {k: v for k, v in self.settings(point).items() if k != "dataflow"}
        changed = ", ".join(f"{path} {value}" for path, value in settings.items())
        sources = {k: v for k, v in self.device.sources.items() if k != "area_mm2"}
        return replace(
            self.chip(point), name=f"{self.device.name}_searched", area_mm2=None,
            title=f"{self.device.name} with {changed}: found by a search in {self.name}",
            sources=sources | dict(self._sources(settings)),
        )  # fmt: skip

    def _sources(self, settings: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
        """What is no longer as the sources of the device say."""
        arrays = {axis.name: array.name for array in self.device.arrays for axis in array.axes}
        for path in settings:
            head, _, field = path.partition(".")
            if not field:
                yield path, "searched"
            elif head in arrays:
                yield f"levels.{arrays[head]}.axes.{head}.size", "searched"
            else:
                yield f"levels.{path}", "searched"
            if field.startswith("capacity_bytes"):
                for price in {"read_pj", "write_pj"} - {p.split(".")[-1] for p in settings}:
                    yield f"levels.{head}.{price}", "that of the device, times sram_pj's ratio"

    def mapped(self, point: Point, load: Workload) -> Estimate:
        """The network of a point on its device: one mapping for each layer, from which all quantities follow.

        Raises:
            InputError: a layer that does not fit, or a device that cannot be.
        """
        flow = str(self.settings(point).get("dataflow", ""))
        objective: Objective = self.values(point)[PREFIX + "mapping"]
        return estimate(load, self.chip(point), objective=objective, dataflow=flow)


def _sweep(path: str, values: object) -> Sweep:
    text = (
        ",".join(map(str, values))
        if isinstance(values, Sequence) and not isinstance(values, str)
        else values
    )
    return parse_sweep(f"{path}={text}")
