"""`compare`: what changed between two workloads, layer by layer, and where the gain came from."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import Literal

from steelyard._display import Printable
from steelyard.cost.api import CostReport, cost
from steelyard.cost.counts import Cost, LayerCost
from steelyard.errors import UsageError
from steelyard.workload import GroupKey, Workload

SCHEMA = "steelyard.comparison/1"

Change = Literal["same", "changed", "renamed", "added", "removed"]


@dataclass(frozen=True, slots=True)
class LayerChange(Printable):
    """A layer of one workload beside its counterpart in the other.

    Attributes:
        change: ``same``: same name, kind, shape and cost; ``renamed``: another name, else the same;
            ``changed``: the same name, other content; ``added``: only in b; ``removed``: only in a.
        a: the row of the first workload, None if added.
        b: the row of the second, None if removed.
    """

    change: Change
    a: LayerCost | None
    b: LayerCost | None

    @property
    def name(self) -> str:
        """Name in b, or in a if it was removed."""
        row = self.b or self.a
        return row.name if row else ""

    @property
    def delta(self) -> Cost:
        """Cost in b less cost in a."""
        return (self.b.cost if self.b else Cost()) - (self.a.cost if self.a else Cost())

    def to_dict(self) -> dict[str, object]:
        """Names, change and difference as plain data."""
        return {
            "change": self.change,
            "a": self.a.to_dict() if self.a else None,
            "b": self.b.to_dict() if self.b else None,
            "delta": _counts(self.delta),
        }


@dataclass(frozen=True, repr=False)
class Comparison(Printable):
    """The difference between two cost reports; every difference is b less a.

    Attributes:
        a: the first report.
        b: the second.
        layers: all layers of both, in the order of b, what was removed where it stood in a.
    """

    a: CostReport
    b: CostReport
    layers: tuple[LayerChange, ...]

    @cached_property
    def delta(self) -> Cost:
        """Total of b less total of a."""
        return self.b.total - self.a.total

    @property
    def changes(self) -> tuple[LayerChange, ...]:
        """The layers that are not the same (renamed ones are)."""
        return tuple(c for c in self.layers if c.change not in ("same", "renamed"))

    def by(self, key: GroupKey, depth: int | None = None) -> dict[str, Cost]:
        """Where the difference came from: by group, b less a; the groups add up to `delta` exactly.

        Args:
            key: as in `CostReport.by`; a group that only one workload has counts in full.
            depth: for ``module``.

        Raises:
            UsageError: unknown key, or a depth below 1 or without ``module``.
        """
        before, after = self.a.by(key, depth), self.b.by(key, depth)
        return {
            name: after.get(name, Cost()) - before.get(name, Cost())
            for name in dict.fromkeys((*before, *after))
        }

    def to_dict(self) -> dict[str, object]:
        """Plain data under the schema ``steelyard.comparison/1``.

        Keys: ``schema``, ``a`` and ``b`` (name, source, digest, total), ``delta``, ``by_kind``,
        ``by_module`` (each group's difference), ``layers`` (change, a, b, delta).
        """
        return {
            "schema": SCHEMA,
            "a": _head(self.a),
            "b": _head(self.b),
            "delta": _counts(self.delta),
            "by_kind": {name: _counts(group) for name, group in self.by("kind").items()},
            "by_module": {name: _counts(group) for name, group in self.by("module").items()},
            "layers": [change.to_dict() for change in self.layers],
        }

    def __repr__(self) -> str:
        return f"<Comparison of {self.a.workload!r} and {self.b.workload!r}>"


def compare(a: Workload | CostReport, b: Workload | CostReport) -> Comparison:
    """Compares two workloads (or their reports).

    Layers are matched by name; what is left between matched ones by kind, loops and output shape, in
    order; what is left then was removed or added.

    Raises:
        UsageError: something that is neither a workload nor a report.
    """
    first, second = _report(a), _report(b)
    return Comparison(first, second, align(first.rows, second.rows))


def _report(value: Workload | CostReport) -> CostReport:
    if isinstance(value, CostReport):
        return value
    if isinstance(value, Workload):
        return cost(value)
    raise UsageError(
        f"compare() was given {type(value).__name__}",
        expected="two Workloads or CostReports",
        hint="sy.compare(sy.capture(a, input_shape=...), sy.capture(b, input_shape=...))",
    )


def align(a: tuple[LayerCost, ...], b: tuple[LayerCost, ...]) -> tuple[LayerChange, ...]:
    """The layers of two networks beside one another, as `compare` matches them.

    Args:
        a, b: their rows, in order of execution.
    """
    where = {row.name: i for i, row in enumerate(a)}
    partner = {j: where[row.name] for j, row in enumerate(b) if row.name in where}
    named = set(partner.values())
    rest_a = [i for i in range(len(a)) if i not in named]
    rest_b = [j for j in range(len(b)) if j not in partner]
    matcher = SequenceMatcher(
        None, [_signature(a[i]) for i in rest_a], [_signature(b[j]) for j in rest_b], autojunk=False
    )
    for start_a, start_b, length in matcher.get_matching_blocks():
        for k in range(length):
            partner[rest_b[start_b + k]] = rest_a[start_a + k]
    taken = set(partner.values())
    changes: list[LayerChange] = []
    done = 0  # rows of a that have been listed, matched or removed
    for j, row in enumerate(b):
        if j in partner:
            i = partner[j]
            changes += [
                LayerChange("removed", a[k], None) for k in range(done, i) if k not in taken
            ]
            done = max(done, i)
            changes.append(LayerChange(_change(a[i], row), a[i], row))
        else:
            changes.append(LayerChange("added", None, row))
    changes += [LayerChange("removed", a[k], None) for k in range(done, len(a)) if k not in taken]
    return tuple(changes)


def _signature(row: LayerCost) -> tuple[object, ...]:
    return row.kind, row.layer.nests, row.shape


def _change(a: LayerCost, b: LayerCost) -> Change:
    if _signature(a) != _signature(b) or a.cost != b.cost:
        return "changed"
    return "same" if a.name == b.name else "renamed"


def _counts(delta: Cost) -> dict[str, int | float]:
    """A difference's counts; the intensity of a difference means nothing."""
    return {name: value for name, value in delta.to_dict().items() if name != "intensity"}


def _head(report: CostReport) -> dict[str, object]:
    load = report.workload
    return {
        "name": load.name,
        "source": load.source,
        "digest": load.digest,
        "total": report.total.to_dict(),
    }
