"""`Advice`: what would help a network most: guideline findings and rewrites, each with what it is predicted to save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steelyard.cost import CostReport, Finding, LayerCost
from steelyard.cost.guidelines import FUSABLE_KINDS
from steelyard.report.against import Quantity
from steelyard.workload import Workload

if TYPE_CHECKING:
    from steelyard.report.placed import Placed

MOST_FINDINGS = 25


@dataclass(frozen=True, slots=True)
class Saving:
    """What a change is predicted to save.

    Attributes:
        quantity: before and after the change, of the whole network.
        by: what predicts it: ``cost``, ``estimate`` or ``roofline``.
        at_most: it cannot be more, and may be less.
    """

    quantity: Quantity
    by: str
    at_most: bool = False

    @property
    def share(self) -> float:
        """Of what it was before; below 0 where it grows."""
        return 0.0 - (self.quantity.change or 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.quantity.to_dict(), "by": self.by, "at_most": self.at_most}


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change that would help.

    Attributes:
        guideline: ``G1`` to ``G4``; "" for a rewrite of the whole network.
        rule: of `steelyard.design.rewrite`; "" where none does it.
        where: layer, operator, or how many layers.
        problem: what is found.
        fix: what to do about it.
        command: to type; "" where there is none.
        savings: that on which remedies are ranked first.
    """

    guideline: str
    rule: str
    where: str
    problem: str
    fix: str
    command: str
    savings: tuple[Saving, ...]

    @property
    def share(self) -> float:
        """Saved of the quantity that remedies are ranked by."""
        return self.savings[0].share if self.savings else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        texts = {name: getattr(self, name) for name in self.__slots__ if name != "savings"}
        return {**texts, "savings": [saving.to_dict() for saving in self.savings]}


@dataclass(frozen=True, slots=True)
class Advice:
    """All that would help a network, the greatest saving first.

    Attributes:
        findings: of the guidelines.
        hidden: findings that are not listed.
        rewrites: of the whole network, those that save something.
        tried: rules that were tried.
    """

    findings: tuple[Remedy, ...]
    hidden: int
    rewrites: tuple[Remedy, ...]
    tried: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "findings": [one.to_dict() for one in self.findings],
            "rewrites": [one.to_dict() for one in self.rewrites],
            "tried": list(self.tried),
        }


def advise(
    cost: CostReport,
    placed: Sequence[Placed] = (),
    rewritten: Mapping[str, tuple[Workload, Sequence[Placed]]] | None = None,
    source: str = "",
) -> Advice:
    """Ranks what would help.

    Findings are ranked by the first device's energy (of an accelerator) or time (of ceilings), without one by memory
    access; rewrites likewise, without a device by multiply-accumulates. Rewrites that were not looked at on the first
    device come last.

    Args:
        cost: of the network.
        placed: the network on devices.
        rewritten: by rule, the network after it, and that on the devices on which it was looked at.
        source: SOURCE of the network, for commands; "" where rules cannot be applied to it.
    """
    rewritten = rewritten or {}
    chosen = cost.findings[:MOST_FINDINGS]
    access = {rule: _by_module(CostReport(after)) for rule, (after, _) in rewritten.items()}
    findings = [_of_finding(one, cost, placed, access, source) for one in chosen]
    rewrites = [
        _of_rewrite(rule, cost, placed, after, on, source)
        for rule, (after, on) in rewritten.items()
    ]
    return Advice(
        tuple(sorted(findings, key=lambda one: -one.share)),
        len(cost.findings) - len(chosen),
        _ranked([one for one in rewrites if one.share > 0], placed),
        tuple(rewritten),
    )


def _ranked(rewrites: Sequence[Remedy], placed: Sequence[Placed]) -> tuple[Remedy, ...]:
    first = placed[0].device.name if placed else ""

    def elsewhere(one: Remedy) -> bool:
        return one.savings[0].quantity.device != first

    return tuple(sorted(rewrites, key=lambda one: (elsewhere(one), -one.share)))


# ---- findings ----------------------------------------------------------------------------------


def _of_finding(
    found: Finding,
    cost: CostReport,
    placed: Sequence[Placed],
    access: Mapping[str, Mapping[str, int]],
    source: str,
) -> Remedy:
    rows = _rows_of(found, cost)
    savings = [saving for one in placed if (saving := _on_device(found, rows, one)) is not None]
    savings.append(_access(cost, cost.total.access_bytes - found.gain))
    fix, rule, command = _words(found, rows, cost, access, source)
    where = found.layer or "the network's input"
    return Remedy(found.guideline, rule, where, found.text, fix, command, tuple(savings))


def _rows_of(found: Finding, cost: CostReport) -> list[LayerCost]:
    """The layers whose data would move less."""
    if found.guideline == "G4":
        return [r for r in cost.rows if r.op == found.layer and r.kind in FUSABLE_KINDS]
    if found.guideline == "G3":
        made = {name for r in cost.rows if r.name == found.layer for name in r.layer.outputs}
        made = made or set(cost.workload.inputs)
        return [r for r in cost.rows if made & set(r.layer.inputs)]
    return [row for row in cost.rows if row.name == found.layer]


def _access(cost: CostReport, after: float) -> Saving:
    before = cost.total.access_bytes
    return Saving(Quantity("access_bytes", "memory access", "B", "", before, after), "cost")


def _on_device(found: Finding, rows: Sequence[LayerCost], placed: Placed) -> Saving | None:
    """What moving so many bytes less saves at most: of an accelerator its outermost memory's energy, else time.

    In both the finding's share of the layers' own accesses counts, so that the device's widths are kept to.
    """
    access = sum(row.cost.access_bytes for row in rows)
    share = min(1.0, found.gain / access) if access else 0.0
    names = {row.name for row in rows}
    device = placed.device.name
    if placed.estimate is not None:
        whole = placed.estimate.energy_pj
        outer = placed.estimate.device.memories[0].name
        moving = sum(
            layer.levels.get(outer, 0.0) for layer in placed.estimate.layers if layer.name in names
        )
        unit = placed.estimate.device.energy_unit
        after = whole - share * moving
        return Saving(Quantity("energy_pj", "energy", unit, device, whole, after), "estimate", True)
    points = [point for point in placed.roof.layers if point.name in names]
    waiting = sum(point.time_s for point in points if point.limit == "memory")
    time = placed.roof.time_s
    after = time - share * waiting
    return Saving(Quantity("latency_s", "latency", "s", device, time, after), "roofline", True)


def _words(
    found: Finding,
    rows: Sequence[LayerCost],
    cost: CostReport,
    access: Mapping[str, Mapping[str, int]],
    source: str,
) -> tuple[str, str, str]:
    """What to do, the rule that does it, and what to type."""
    if found.guideline == "G4":
        if rows and rows[0].kind == "norm":
            return "fold it into the layer before: steelyard.optimize_for_inference(net)", "", ""
        command = f"steelyard optimize {source} -o net.onnx" if source else ""
        return "let a runtime compute it inside the layer before", "", command
    if found.guideline == "G3":
        return "fewer, wider branches; no rule does it", "", ""
    best = _best_rule(rows, cost, access)
    plain = {
        "G1": "equal widths in a new design",
        "G2": "fewer groups and channels in a new design",
    }[found.guideline]
    if best is None:
        return f"{plain}; no rule does it", "", ""
    rule, saved = best
    module = rows[0].module
    command = f'steelyard rewrite {source} {rule} --only "{module}"' if source else ""
    return f"{plain}; or {rule}: {saved:.0%} less access of this layer", rule, command


def _by_module(cost: CostReport) -> dict[str, int]:
    """Bytes accessed at and below each module."""
    found: dict[str, int] = {}
    for row in cost.rows:
        path = row.module
        while path:
            found[path] = found.get(path, 0) + row.cost.access_bytes
            path = path.rpartition(".")[0]
    return found


def _best_rule(
    rows: Sequence[LayerCost], cost: CostReport, access: Mapping[str, Mapping[str, int]]
) -> tuple[str, float] | None:
    """The rule after which the layer's module accesses least, and the share that it saves."""
    module = rows[0].module if rows else ""
    before = sum(row.cost.access_bytes for row in cost.rows if row.module == module)
    if not module or not before:
        return None
    saved = {rule: 1 - by[module] / before for rule, by in access.items() if module in by}
    best = max(saved, key=lambda rule: saved[rule], default=None)
    return None if best is None or saved[best] <= 0.01 else (best, saved[best])


# ---- rewrites ----------------------------------------------------------------------------------

RULE_WORDS: dict[str, str] = {
    "depthwise_separable": "each channel by itself, then 1×1 (Howard et al. 2017)",
    "grouped": "4 groups and a channel shuffle (Zhang et al. 2017)",
    "asymmetric": "k×1, then 1×k (Szegedy et al. 2015)",
    "stack3x3": "a stack of 3×3 (Simonyan and Zisserman 2014)",
    "shift": "a shift of channels, then 1×1 (Wu et al. 2017)",
    "bottleneck": "1×1 to fewer channels, k×k, 1×1 (He et al. 2015)",
}
"""The rules that are tried, and what they put in place of a convolution."""


def _of_rewrite(
    rule: str,
    cost: CostReport,
    placed: Sequence[Placed],
    after: Workload,
    on: Sequence[Placed],
    source: str,
) -> Remedy:
    new = CostReport(after)
    kept = {row.name: row for row in new.rows}
    gone = [
        row for row in cost.rows
        if row.cost.macs and (row.name not in kept or kept[row.name].cost != row.cost)
    ]  # fmt: skip
    computing = sum(1 for row in cost.rows if row.cost.macs)
    macs = sum(row.cost.macs for row in gone) / cost.total.macs if cost.total.macs else 0.0
    savings = [
        saving
        for before in placed
        for now in on
        if before.device.name == now.device.name
        for saving in _moved(before, now)
    ]
    for key, title, unit in (
        ("macs", "MACs", ""),
        ("access_bytes", "memory access", "B"),
        ("params", "parameters", ""),
    ):
        values = (getattr(cost.total, key), getattr(new.total, key))
        savings.append(Saving(Quantity(key, title, unit, "", *values), "cost"))
    return Remedy(
        "",
        rule,
        f"{len(gone)} of {computing} layers with MACs",
        f"{macs:.0%} of the MACs",
        RULE_WORDS.get(rule, ""),
        f"steelyard rewrite {source} {rule}" if source else "",
        tuple(savings),
    )


def _moved(before: Placed, now: Placed) -> list[Saving]:
    """Energy and time on an accelerator, the least time where only ceilings are known."""
    device = before.device.name
    if before.estimate is None or now.estimate is None:
        times = (before.roof.time_s, now.roof.time_s)
        return [Saving(Quantity("latency_s", "latency", "s", device, *times), "roofline")]
    unit = before.estimate.device.energy_unit
    energies = (before.estimate.energy_pj, now.estimate.energy_pj)
    times = (before.estimate.latency_s, now.estimate.latency_s)
    return [
        Saving(Quantity("energy_pj", "energy", unit, device, *energies), "estimate"),
        Saving(Quantity("latency_s", "latency", "s", device, *times), "estimate"),
    ]
