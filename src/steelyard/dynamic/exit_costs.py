"""`exit_costs`: what each exit of a network costs, from the captured workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from torch import Tensor, nn

from steelyard._display import Printable
from steelyard.capture.api import capture
from steelyard.cost.api import CostReport
from steelyard.cost.counts import Cost
from steelyard.dynamic.early_exit import EarlyExit, as_early_exit
from steelyard.errors import InputError, ShapeError
from steelyard.workload import Workload

__all__ = ["SCHEMA", "ExitCost", "ExitCosts", "exit_costs"]

SCHEMA = "steelyard.exit_costs/1"


@dataclass(frozen=True, slots=True)
class ExitCost(Printable):
    """What one exit costs.

    Attributes:
        added: what its stage adds to the one before: everything behind that stage, up to this exit's
            logits and to what later stages read. Parameters that an earlier stage read are not in it.
        total: of leaving here: this stage and all before it.
        peak_bytes: most bytes of activations alive at once up to here, for the batch given.
        state_bytes: bytes that are kept for later stages; 0 for the last exit.
    """

    added: Cost
    total: Cost
    peak_bytes: int
    state_bytes: int


@dataclass(frozen=True, repr=False)
class ExitCosts(Printable):
    """Costs of all exits of a network, earliest first.

    Attributes:
        name: of the network.
        input_shape: (N, C, H, W) they hold for.
        workloads: for each exit, what runs until a sample leaves there; the last is the whole network.
        stages: for each exit, what its stage alone runs.
    """

    name: str
    input_shape: tuple[int, ...]
    workloads: tuple[Workload, ...]
    stages: tuple[Workload, ...]

    @cached_property
    def rows(self) -> tuple[ExitCost, ...]:
        """One row an exit."""
        reports = [CostReport(load) for load in self.workloads]
        before, rows = Cost(), []
        for i, report in enumerate(reports):
            added, peak = report.total - before, report.memory.peak_bytes
            rows.append(ExitCost(added, report.total, peak, self._kept_bytes(i)))
            before = report.total
        return tuple(rows)

    def _kept_bytes(self, stage: int) -> int:
        """Of what stages behind ``stage`` read and do not write."""
        later = self.stages[stage + 1 :]
        written = {name for load in later for layer in load.layers for name in layer.outputs}
        read = {name for load in later for layer in load.layers for name in layer.inputs}
        whole = self.workloads[-1]
        storages = set()
        for name in read - written:
            while owner := whole.tensor(name).alias_of:
                name = owner
            storages.add(name)
        return sum(whole.tensor(name).nbytes for name in storages)

    @property
    def macs(self) -> tuple[int, ...]:
        """Multiply-accumulates of leaving at each exit."""
        return tuple(load.macs for load in self.workloads)

    @property
    def added_macs(self) -> tuple[int, ...]:
        """Multiply-accumulates that each stage adds; they sum to the whole network's."""
        return tuple(load.macs for load in self.stages)

    @property
    def params(self) -> tuple[int, ...]:
        """Parameters needed to leave at each exit."""
        return tuple(load.params for load in self.workloads)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user of the numbers must know, one sentence each."""
        return self.workloads[-1].warnings

    def to_dict(self) -> dict[str, object]:
        """Plain data under the schema ``steelyard.exit_costs/1``; counts are integers, sizes bytes."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "input_shape": list(self.input_shape),
            "exits": [
                {
                    "exit": number,
                    "added": row.added.to_dict(),
                    "total": row.total.to_dict(),
                    "peak_bytes": row.peak_bytes,
                    "state_bytes": row.state_bytes,
                }
                for number, row in enumerate(self.rows, 1)
            ],
            "warnings": list(self.warnings),
        }


def exit_costs(
    network: EarlyExit | nn.Module, input_shape: Sequence[int] | None = None
) -> ExitCosts:
    """Weighs every exit of a network; nothing is computed, and the network is left as it was.

    What a stage computes is counted in that stage and in no other, whether it is needed there or only
    later; what no stage computes is not counted.

    Args:
        network: any early-exit network.
        input_shape: (N, C, H, W); None: that which the network was made for, of one image.

    Raises:
        UsageError: the network cannot be run exit by exit.
        ShapeError: no input shape is known.
        InputError: the network cannot be captured, or does not do the same whenever it runs.
    """
    chosen = as_early_exit(network)
    shape = input_shape or getattr(network, "input_shape", None)
    if shape is None:
        raise ShapeError(
            f"the size of the images of {type(network).__name__} is not known",
            hint="input_shape=(1, 3, 224, 224)",
        )
    name = type(network).__name__
    workloads = tuple(
        capture(_Prefix(chosen, stages), input_shape=tuple(shape), name=name)
        for stages in range(1, chosen.exits + 1)
    )
    whole, stages, done = workloads[-1], [], 0
    names = [layer.name for layer in whole.layers]
    for number, load in enumerate(workloads, 1):
        count = len(load.layers)
        if [layer.name for layer in load.layers] != names[:count]:
            raise InputError(
                f"stages 1 to {number} of {name} run other operators alone than before later ones",
                expected="stages that do the same whatever follows",
            )
        part = frozenset(names[done:count])
        stages.append(whole.select(where=lambda layer, part=part: layer.name in part))  # type: ignore[misc]
        done = count
    return ExitCosts(name, tuple(shape), workloads, tuple(stages))


class _Prefix(nn.Module):
    """The first stages of a network."""

    def __init__(self, network: EarlyExit, stages: int) -> None:
        super().__init__()
        self.network = cast("nn.Module", network)
        self.count = stages

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        network = cast("EarlyExit", self.network)
        state, logits = network.begin(images), []
        for stage in range(self.count):
            out, state = network.advance(stage, state)
            logits.append(out)
        return tuple(logits)


from steelyard.dynamic import exit_costs_layout as _layout  # noqa: E402, F401
