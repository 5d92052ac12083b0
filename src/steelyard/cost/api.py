"""`cost`: weighs a workload; `CostReport`: the counts by layer and group, memory and findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from steelyard._display import Printable
from steelyard.cost.counts import Cost, LayerCost, Tally, add_up, tally
from steelyard.cost.guidelines import Finding, guidelines
from steelyard.cost.memory import PeakMemory, peak_activation_memory
from steelyard.cost.training import TrainingMemory, training_memory
from steelyard.errors import UsageError
from steelyard.workload import Coverage, GroupKey, Workload

SCHEMA = "steelyard.cost/1"


def cost(workload: Workload) -> CostReport:
    """Counts what ``workload`` asks of any machine.

    Nothing is computed until it is asked for: ``cost(load).total`` costs one pass over the layers.

    Raises:
        UsageError: ``workload`` is not a `Workload`.
    """
    if not isinstance(workload, Workload):
        raise UsageError(
            f"cost() was given {type(workload).__name__}",
            expected="a Workload",
            hint="sy.cost(sy.capture(net, input_shape=...))",
        )
    return CostReport(workload)


@dataclass(frozen=True, repr=False)
class CostReport(Printable):
    """The cost of a workload; equal if the workloads are.

    Attributes:
        workload: what was weighed.
    """

    workload: Workload

    @cached_property
    def _tallies(self) -> list[Tally]:
        return tally(self.workload)

    @cached_property
    def total(self) -> Cost:
        """The sum over all layers."""
        return add_up(self._tallies)

    @cached_property
    def rows(self) -> tuple[LayerCost, ...]:
        """One row a layer, in order of execution."""
        shapes = {t.name: t.shape for t in self.workload.tensors}
        return tuple(
            LayerCost(
                layer,
                shapes[layer.outputs[0]] if layer.outputs else (),
                Cost(1, *counts[:6]),
                counts[6],
            )
            for layer, counts in zip(self.workload.layers, self._tallies, strict=True)
        )

    def by(self, key: GroupKey, depth: int | None = None) -> dict[str, Cost]:
        """Counts grouped; the groups add up to `total`.

        Args:
            key: ``kind``, ``op``, ``module``, ``type`` (class of the calling module), ``stage`` (size
                of the feature map) or ``layer``.
            depth: for ``module``: the number of path components to keep.

        Raises:
            UsageError: unknown key, or a depth below 1 or without ``module``.
        """
        at = {
            layer.name: row for layer, row in zip(self.workload.layers, self._tallies, strict=True)
        }
        groups = self.workload.groupby(key, depth=depth)
        return {
            name: add_up([at[layer.name] for layer in layers]) for name, layers in groups.items()
        }

    @property
    def coverage(self) -> Coverage:
        """Which operators were counted and which were not."""
        return self.workload.coverage

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user of the numbers must know, one sentence each."""
        return self.workload.warnings

    def unsupported_ops(self) -> dict[str, int]:
        """Operators that no rule knows, with the times each was executed."""
        return dict(self.coverage.unknown)

    @cached_property
    def memory(self) -> PeakMemory:
        """Peak activation memory of one inference, buffers shared only as the network was written."""
        return peak_activation_memory(self.workload)

    def training_memory(
        self, optimizer: str = "sgd", *, state_dtype: str | None = None
    ) -> TrainingMemory:
        """Memory of one training step (see `steelyard.cost.training.training_memory`).

        Raises:
            UnknownNameError: no such optimizer.
        """
        return training_memory(self.workload, optimizer, state_dtype=state_dtype)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """ShuffleNet V2's guidelines G1 to G4 applied to the workload, greatest gain first."""
        return guidelines(self.workload)

    def to_dict(self) -> dict[str, object]:
        """Plain data under the schema ``steelyard.cost/1``.

        Keys: ``schema``, ``workload`` (name, source, digest, batch), ``total``, ``rows`` (one dict a
        layer), ``by_kind``, ``coverage`` (known, fraction, unknown), ``unused_params``, ``memory``,
        ``warnings``. Counts are integers, sizes bytes.
        """
        load = self.workload
        unknown: Mapping[str, int] = self.unsupported_ops()
        return {
            "schema": SCHEMA,
            "workload": {
                "name": load.name,
                "source": load.source,
                "digest": load.digest,
                "batch": load.batch,
            },
            "total": self.total.to_dict(),
            "rows": [row.to_dict() for row in self.rows],
            "by_kind": {name: group.to_dict() for name, group in self.by("kind").items()},
            "coverage": {
                "known": self.coverage.known,
                "fraction": self.coverage.fraction,
                "unknown": dict(unknown),
            },
            "unused_params": load.unused_params,
            "memory": self.memory.to_dict(),
            "warnings": list(self.warnings),
        }

    def __repr__(self) -> str:
        return f"<CostReport of {self.workload!r}>"
