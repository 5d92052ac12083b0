"""`subject`: what a card is of, from whatever names a network: its workload, and its entry in the zoo if it has one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.capture.source import ConfigValue, Source, parse_source
from steelyard.cost import CostReport
from steelyard.errors import SteelyardError, UsageError
from steelyard.workload import Workload

if TYPE_CHECKING:
    from torch import nn

    Net = str | nn.Module | Workload | CostReport


@dataclass(frozen=True, slots=True)
class Subject:
    """A network.

    Attributes:
        load: captured.
        source: as a SOURCE, which is what can be measured; "" if it came as an object.
        zoo: its name in the zoo; "" if it is none of it.
        settings: of the zoo.
    """

    load: Workload
    source: str = ""
    zoo: str = ""
    settings: tuple[tuple[str, ConfigValue], ...] = ()

    @property
    def name(self) -> str:
        """Of the workload."""
        return self.load.name

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of the first input, (N, C, H, W); () without inputs."""
        return self.load.tensor(self.load.inputs[0]).shape if self.load.inputs else ()


def subject(
    net: Net, *, input_shape: Sequence[int] | None = None, batch: int | None = None
) -> Subject:
    """The network, captured if need be.

    Args:
        net: a SOURCE, a module, a workload, or its costs.
        input_shape: (N, C, H, W), for what must be captured.
        batch: images of one pass; None: as captured.

    Raises:
        UsageError: an input shape for what is captured already.
        SteelyardError: whatever `steelyard.capture` raises.
    """
    if isinstance(net, CostReport):
        net = net.workload
    if isinstance(net, Workload):
        if input_shape is not None:
            raise UsageError(
                f"input_shape with {net.name}, a workload", expected="a SOURCE, or no shape"
            )
        load = net if batch is None else net.with_batch(batch)
        known = _zoo_entry(load)
        return Subject(load, "", known.name, known.config) if known else Subject(load)
    from steelyard.capture.api import capture

    shape = tuple(input_shape) if input_shape is not None else None
    load = capture(net, input_shape=shape, batch=batch)
    if not isinstance(net, str):
        return Subject(load)
    parsed = parse_source(net)
    return Subject(load, net, parsed.name, parsed.config)


def _zoo_entry(load: Workload) -> Source | None:
    """What a workload of a module is called in the zoo, if its name says so; figures are compared before they are believed."""
    if load.source != "module":
        return None
    try:
        parsed = parse_source(load.name)
    except SteelyardError:
        return None
    return parsed if parsed.kind == "zoo" else None
