"""`Against`: a network held against an earlier report of it: what changed, by how much, and in which layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from steelyard.cost import LayerChange
from steelyard.cost.compare import align
from steelyard.errors import InputError, UsageError
from steelyard.report.snapshot import Snapshot
from steelyard.report.table import Cell, Column, Table
from steelyard.units import format_si

SCHEMA = "steelyard.against/1"

_TOTALS = (
    ("macs", "MACs", ""),
    ("params", "parameters", ""),
    ("peak_activation_bytes", "peak activation memory", "B"),
    ("access_bytes", "memory access", "B"),
    ("activation_bytes", "memory of the outputs", "B"),
    ("ops", "other operations", ""),
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number, before and after.

    Attributes:
        key: ``macs``, ``params``, ``peak_activation_bytes``, ``access_bytes``, ``activation_bytes``, ``ops``,
            ``energy_pj`` or ``latency_s``.
        title: in words.
        unit: of both numbers; "" for counts.
        device: on which; "" for the network's own.
        before, after: in ``unit``.
    """

    key: str
    title: str
    unit: str
    device: str
    before: float
    after: float

    @property
    def change(self) -> float | None:
        """After over before, less 1; None where there was nothing before."""
        if self.before:
            return self.after / self.before - 1
        return None if self.after else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The fields, and the change."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {**fields, "change": self.change}


@dataclass(frozen=True)
class Against:
    """One network, before and after.

    Attributes:
        old: what it was held against, as given.
        before, after: in numbers.
    """

    old: str
    before: Snapshot
    after: Snapshot

    @cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """The network's own, then those of each device that both reports have in the same settings."""
        return (*_totals(self.before, self.after), *_on_devices(self.before, self.after))

    @cached_property
    def layers(self) -> tuple[LayerChange, ...]:
        """The layers that are new, gone or other than before; a layer that only has another name is the same."""
        found = align(self.before.layers, self.after.layers)
        return tuple(one for one in found if one.change not in ("same", "renamed"))

    @property
    def notes(self) -> tuple[str, ...]:
        """Which devices could not be compared, and why."""
        said = []
        for name, now in self.after.devices.items():
            was = self.before.devices.get(name)
            if was is None:
                said.append(f"{self.old} has no figures of {name}")
            elif was.settings != now.settings:
                said.append(
                    f"{name} is not compared: {was.settings or 'ceilings'} before, {now.settings or 'ceilings'} now"
                )
        return tuple(said)

    def sentence(self) -> str:
        """What changed, in one sentence."""
        if self.before.digest == self.after.digest and not _changed(self.quantities):
            return f"Nothing changed against {self.old}."
        named = ", ".join(
            f"{one.title}{' on ' + one.device if one.device else ''} {say_change(one)}"
            for one in _changed(self.quantities)
            if one.key not in ("ops", "activation_bytes")
        )
        counts = [
            (sum(1 for layer in self.layers if layer.change == kind), kind)
            for kind in ("changed", "added", "removed")
        ]
        layers = ", ".join(f"{number} {kind}" for number, kind in counts if number)
        parts = [named or "no total changed", f"layers: {layers}" if layers else ""]
        return f"Against {self.old}: " + "; ".join(part for part in parts if part) + "."

    def to_dict(self) -> dict[str, Any]:
        """Plain data under the schema ``steelyard.against/1``."""
        return {
            "schema": SCHEMA,
            "old": self.old,
            "before": {"name": self.before.name, "digest": self.before.digest},
            "quantities": [one.to_dict() for one in self.quantities],
            "layers": [layer.to_dict() for layer in self.layers],
            "notes": list(self.notes),
        }


def hold_against(
    new: Sequence[Snapshot], old: Sequence[Snapshot], where: str, *, any_name: bool
) -> tuple[Against, ...]:
    """Each network beside the one of the same name.

    Args:
        new, old: networks.
        where: the old ones come from, in words.
        any_name: one network may be held against one of another name.

    Raises:
        InputError: the old ones have no such network, or of another batch.
        UsageError: several networks against one of another name.
    """
    if any_name and len(new) == len(old) == 1:
        return (_pair(new[0], old[0], where),)
    known = {one.name: one for one in old}
    pairs = []
    for one in new:
        if one.name not in known and any_name:
            raise UsageError(
                f"{len(new)} networks against {where}",
                expected="one network, or an earlier report of them",
                hint="steelyard report SOURCE... -o old.json",
            )
        if one.name not in known:
            raise InputError(
                f"{where} has {', '.join(known) or 'no network'}, not {one.name}",
                expected=f"an earlier report of {one.name}",
                hint=f"steelyard compare, or --against SOURCE, for other networks than {one.name}",
            )
        pairs.append(_pair(one, known[one.name], where))
    return tuple(pairs)


def _pair(new: Snapshot, old: Snapshot, where: str) -> Against:
    if new.batch != old.batch:
        raise InputError(
            f"{where} has {old.name} with batch {old.batch}, this report with batch {new.batch}",
            expected="the same batch",
            hint=f"--batch {old.batch}",
        )
    return Against(where, old, new)


def _totals(before: Snapshot, after: Snapshot) -> list[Quantity]:
    found = []
    for key, title, unit in _TOTALS:
        values = [
            one.peak_bytes if key.startswith("peak") else getattr(one.total, key)
            for one in (before, after)
        ]
        found.append(Quantity(key, title, unit, "", *values))
    return found


def _on_devices(before: Snapshot, after: Snapshot) -> list[Quantity]:
    found = []
    for name, now in after.devices.items():
        was = before.devices.get(name)
        if was is None or was.settings != now.settings:
            continue
        if was.energy is not None and now.energy is not None and was.unit == now.unit:
            found.append(Quantity("energy_pj", "energy", now.unit, name, was.energy, now.energy))
        found.append(Quantity("latency_s", "latency", "s", name, was.latency_s, now.latency_s))
    return found


def _changed(quantities: Sequence[Quantity]) -> list[Quantity]:
    return [one for one in quantities if one.before != one.after]


# ---- tables ------------------------------------------------------------------------------------


def say_value(one: Quantity, value: float) -> str:
    """A value of the quantity with its unit: ``3.86 G``, ``7.9 µJ``."""
    if one.unit == "pJ":
        return format_si(value * 1e-12, "J")
    return format_si(round(value) if one.unit != "s" else value, one.unit)


def say_change(one: Quantity) -> str:
    """``+2.1 %``; ``new`` where there was nothing."""
    if one.change is None:
        return "new"
    if one.before == one.after:
        return "0"
    share = 100 * one.change
    text = f"{share:+.1f}" if abs(share) >= 0.05 else f"{share:+.2g}"
    return text.replace("-", "−") + " %"


def quantities_table(found: Against) -> Table:
    """One row a quantity: before, after, change."""
    rows: list[tuple[Cell, ...]] = []
    for one in found.quantities:
        title = f"{one.title} on {one.device}" if one.device else one.title
        values = (say_value(one, one.before), say_value(one, one.after))
        rows.append((title, *values, say_change(one)))
    columns = (
        Column("quantity", "quantity"),
        Column("before", "before", "ratio"),
        Column("after", "now", "ratio"),
        Column("change", "change", "ratio"),
    )
    title = f"{found.after.name} against {found.old}"
    return Table(title, columns, tuple(rows), notes=found.notes)


def layers_table(found: Against, *, limit: int = 30) -> Table:
    """The layers that changed most, in order of execution: what they cost more or less than before."""
    largest = sorted(found.layers, key=lambda one: -_size(one))[:limit]
    shown = [one for one in found.layers if one in largest]
    rest = len(found.layers) - len(shown)
    columns = (
        Column("layer", "layer"),
        Column("change", "change"),
        Column("op", "operator"),
        Column("params_delta", "params", "count", signed=True),
        Column("macs_delta", "MACs", "count", signed=True),
        Column("activation_bytes_delta", "outputs", "bytes", signed=True),
        Column("access_bytes_delta", "access", "bytes", signed=True),
    )
    rows = tuple(
        (one.name, one.change, _operator(one), delta.params, delta.macs, delta.activation_bytes, delta.access_bytes)
        for one in shown
        for delta in (one.delta,)
    )  # fmt: skip
    notes = (f"{rest} layers with smaller changes are not listed",) if rest else ()
    return Table(f"Layers of {found.after.name} that changed", columns, rows, notes=notes)


def _operator(change: LayerChange) -> str:
    ops = [row.op for row in (change.a, change.b) if row is not None]
    return " → ".join(dict.fromkeys(ops))


def _size(change: LayerChange) -> int:
    return abs(change.delta.macs) + abs(change.delta.access_bytes)
