"""The page of benchmarks/dynamic.py: what networks with exits save at the accuracy of the best without, seed by seed.

Decisions are made here, with every way; the times are those of `dynamic_times`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from common import RESULTS, machine, markdown, publish
from dynamic_decisions import FEWER, PLAN, Settled, Way, difference, halves, keep_to, settle
from dynamic_pictures import pictures
from dynamic_subjects import Subject, best
from dynamic_times import TIMES
from steelyard.dynamic.budget import solve_thresholds
from steelyard.dynamic.budget_check import check_thresholds
from steelyard.dynamic.calibration import calibrate_exits
from steelyard.dynamic.combination import combine, fit_combination
from steelyard.dynamic.curves import anytime_curve, budgeted_curve
from steelyard.dynamic.policies import named_policy

POLICIES = ("confidence", "margin", "entropy", "patience", "learnt")
WAYS = [Way(p, d, c) for p, d, c in product(POLICIES, ("geometric", "free"), (False, True))]
FEW = [way for way in WAYS if way.policy in ("confidence", "entropy")]
"""Of networks with three exits, for which free shares take long to find."""

LISTED = RESULTS / "dynamic_ways.jsonl"

Decided = dict[str, dict[Way, Settled]]
"""By network with exits, by way."""

Planned = dict[str, Settled]
"""By network with exits."""


def page(found: Mapping[int, list[Subject]], rows: Mapping[tuple[str, int], Any]) -> None:
    """Decides, and writes page, list of ways and pictures."""
    times = [json.loads(line) for line in TIMES.read_text("utf-8").splitlines()[1:]] if TIMES.is_file() else []  # fmt: skip
    plans = {seed: planned(several) for seed, several in found.items()}
    decided = {seed: _decided(several) for seed, several in found.items()}
    _list(found, decided)
    parts = [
        _INTRO,
        _networks(rows),
        "## All seeds",
        _over_seeds(found, plans),
        _time_table(times),
    ]
    for seed, several in found.items():
        end = best(several)
        parts += [
            f"## Seed {seed}: as accurate as {end.name}, {end.top1:.2f} %, {end.macs[-1] / 1e6:.2f} MMACs",
            _ways(several, decided[seed]),
        ]
    first = min(found)
    parts += [
        f"## Seed {first}: as accurate as each network without exits",
        _against_each(found[first]),
    ]
    early = next(one for one in found[first] if len(one.macs) > 1)
    parts += [f"## {early.name}, seed {first}: budgets and calibration", _areas(early), _checks(early), _heat(early)]  # fmt: skip
    parts.append(_ensembles(found))
    publish("dynamic.md", "\n\n".join(part for part in parts if part) + f"\n\n{machine()}\n")
    pictures(found[first], plans[first], [row for row in times if row["seed"] == first])


_INTRO = """# With and without exits on Fashion-MNIST

Each by the recipe `fashion_resnet`, 12 epochs, the weights of the last; all 10,000 test images. Thresholds and weights
are solved on half of them and judged on the other half, then the other way round. "plan" is what was chosen by seeds 1
and 2 for all: confidence, geometric shares, exits combined, and as budget the MACs of the best network without exits, 3
times fewer."""


def _decided(several: list[Subject]) -> Decided:
    right = best(several).right
    return {
        one.name: {
            way: settle(one.outputs, one.macs, right, way)
            for way in (WAYS if len(one.macs) == 2 else FEW)
        }
        for one in several
        if len(one.macs) > 1
    }


def _networks(rows: Mapping[tuple[str, int], Any]) -> str:
    lines = [
        (
            label, str(seed), " / ".join(f"{value:.2f}" for value in row["top1"]),
            " / ".join(f"{value / 1e6:.2f}" for value in row["macs"]), f"{row['parameters']:,}",
            f"{row['train_cpu_s']:.0f}",
        )
        for (label, seed), row in sorted(rows.items(), key=lambda item: (item[1]["macs"][-1], item[0][1]))
    ]  # fmt: skip
    head = ("network", "seed", "test top-1 % (of each exit)", "MMACs (of each exit)", "parameters", "training (CPU s)")  # fmt: skip
    return markdown(head, lines, left=2)


def _gap(ours: np.ndarray, theirs: np.ndarray) -> str:
    gap, low, high = difference(ours, theirs)
    return f"{100 * gap:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"


def _over_seeds(found: Mapping[int, list[Subject]], plans: Mapping[int, Planned]) -> str:
    """The plan: a row for each network with exits and seed, and one for all its seeds."""
    lines = []
    for name in dict.fromkeys(name for each in plans.values() for name in each):
        own = {seed: each[name] for seed, each in plans.items() if name in each}
        ends = {seed: best(found[seed]) for seed in own}
        for seed, plan in own.items():
            end = ends[seed]
            lines.append(
                (name, str(seed), f"{end.name}, {end.top1:.2f} %", f"{plan.cost / 1e6:.2f}", f"{end.macs[-1] / plan.cost:.2f}", f"{100 * plan.right.mean():.2f}", _gap(plan.right, end.right), _shares(plan))
            )  # fmt: skip
        if len(own) > 1:
            ours = np.mean([plan.right for plan in own.values()], axis=0)
            theirs = np.mean([end.right for end in ends.values()], axis=0)
            cost = np.mean([plan.cost for plan in own.values()])
            fewer = np.mean([ends[seed].macs[-1] / plan.cost for seed, plan in own.items()])
            lines.append((name, "all", f"{100 * theirs.mean():.2f} %", f"{cost / 1e6:.2f}", f"{fewer:.2f}", f"{100 * ours.mean():.2f}", _gap(ours, theirs), ""))  # fmt: skip
    head = ("network (plan)", "seed", "best without exits", "mean MMACs", "times fewer", "top-1 %", "less the best's (95 %)", "leaving (%)")  # fmt: skip
    return markdown(head, lines, left=3)


def planned(several: list[Subject]) -> Planned:
    """What the plan makes of the networks with exits whose first is cheap enough for it."""
    budget = best(several).macs[-1] / FEWER
    able = [one for one in several if len(one.macs) > 1 and one.macs[0] < budget]
    return {one.name: keep_to(one.outputs, one.macs, budget, PLAN) for one in able}


def _shares(one: Settled) -> str:
    counts = np.bincount(one.exits)
    return " / ".join(f"{100 * count / len(one.exits):.0f}" for count in counts)


def _time_table(times: Sequence[Mapping[str, Any]]) -> str:
    if not times:
        return ""
    keys = dict.fromkeys((row["network"], row["runtime"], row["batch"]) for row in times)
    lines = []
    for name, runtime, batch in keys:
        own = [row for row in times if (row["network"], row["runtime"], row["batch"]) == (name, runtime, batch)]  # fmt: skip
        lines.append(
            (name, runtime, str(batch), " / ".join(f"{row['ms']:.3f}" for row in own), " / ".join(f"{row['times_less']:.2f}" for row in own))
        )  # fmt: skip
    about = json.loads(TIMES.read_text("utf-8").splitlines()[0])
    head = ("network (with exits: plan)", "runtime", "batch", "ms an image, by seed", "times less than the best without exits")  # fmt: skip
    return f"""Processor time of one thread: medians of rounds in turns on images that thresholds were not solved on, at a load of {about["load"]:.1f} on {about["cores"]} cores.

{markdown(head, lines, left=3)}"""


def _ways(several: list[Subject], decided: Decided) -> str:
    """Of all ways, the cheapest that reached the accuracy where it was solved, and the most accurate."""
    end, lines = best(several), []
    for name, ways in decided.items():
        enough = [one for one in ways.values() if one.reached]
        chosen = {"cheapest": min(enough, key=lambda one: one.cost)} if enough else {}
        chosen["most often right"] = max(ways.values(), key=lambda one: (one.right.mean(), -one.cost))  # fmt: skip
        lines += [
            (name, f"{len(enough)} of {len(ways)}", said, one.name, f"{one.cost / 1e6:.2f}", f"{end.macs[-1] / one.cost:.2f}", _gap(one.right, end.right), _shares(one))
            for said, one in chosen.items()
        ]  # fmt: skip
    head = ("network", "ways that reached", "of these", "way", "mean MMACs", "times fewer", "top-1 less the best's (%, 95 %)", "leaving (%)")  # fmt: skip
    return "The least MACs with which a way is as often right as it, where it was solved:\n\n" + markdown(head, lines, left=4)  # fmt: skip


def _against_each(several: list[Subject]) -> str:
    """The least MACs with which the plan's way is as often right as each network without exits, where it was solved."""
    statics = sorted((one for one in several if len(one.macs) == 1), key=lambda one: one.top1)
    lines = []
    for one in several:
        for other in statics if len(one.macs) > 1 else ():
            if one.macs[0] < other.macs[0] and one.top1 > other.top1:
                found = settle(one.outputs, one.macs, other.right, PLAN)
                lines.append((one.name, f"{other.name}, {other.top1:.2f} %, {other.macs[0] / 1e6:.2f}", f"{found.cost / 1e6:.2f}", f"{other.macs[0] / found.cost:.2f}", _gap(found.right, other.right), "" if found.reached else "no"))  # fmt: skip
    head = ("network", "network without exits (MMACs)", "mean MMACs", "times fewer", "top-1 less that network's (%, 95 %)", "reached where solved")  # fmt: skip
    return "The least budget with which the plan's way is as often right as it, where it was solved:\n\n" + markdown(head, lines, left=2)  # fmt: skip


def _list(found: Mapping[int, list[Subject]], decided: Mapping[int, Decided]) -> None:
    """Every network, seed and way as a row."""
    rows = []
    for seed, by_name in decided.items():
        end = best(found[seed])
        for name, ways in by_name.items():
            for way, one in ways.items():
                gap, low, high = difference(one.right, end.right)
                rows.append({
                    "network": name, "seed": seed, "policy": way.policy, "distribution": way.distribution,
                    "combined": way.combined, "reached": one.reached, "macs": one.cost, "than": end.name,
                    "times_fewer": end.macs[-1] / one.cost, "top1": 100 * float(one.right.mean()),
                    "difference": 100 * gap, "from": 100 * low, "to": 100 * high, "leaving": np.bincount(one.exits).tolist(),
                })  # fmt: skip
    LISTED.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _ensembles(found: Mapping[int, list[Subject]]) -> str:
    """All networks of a cascade for all images, combined: what the cascade would cost without deciding."""
    lines = []
    for seed, several in found.items():
        for one in several:
            if one.name.startswith("cascade"):
                right = np.zeros(one.outputs.samples, dtype=bool)
                for solve, judge in halves(one.outputs.samples):
                    weights = fit_combination(one.outputs.rows(solve))
                    right[judge] = combine(one.outputs.rows(judge), weights).correct[-1]
                lines.append((one.name.removeprefix("cascade: "), str(seed), f"{one.macs[-1] / 1e6:.2f}", f"{100 * right.mean():.2f}"))  # fmt: skip
    if not lines:
        return ""
    head = ("networks", "seed", "MMACs", "top-1 %")
    return "## Ensembles\n\nThe networks of the cascades, all of them for every image, their logits combined:\n\n" + markdown(head, lines, left=2)  # fmt: skip


def _areas(one: Subject) -> str:
    solve, judge = halves(one.outputs.samples)[0]
    half, other = one.outputs.rows(solve), one.outputs.rows(judge)
    weights = fit_combination(half)
    joined = (combine(half, weights), combine(other, weights))
    lines = [("anytime (each exit for all)", "", *(f"{100 * anytime_curve(o, one.macs).area():.2f}" for o in (other, joined[1])))]  # fmt: skip
    for name, distribution in product(POLICIES[:4], ("geometric", "free")):
        areas = []
        for first, second in ((half, other), joined):
            curve = budgeted_curve(named_policy(name), first, second, one.macs, budgets=8, distribution=distribution)  # fmt: skip
            areas.append(f"{100 * curve.area(one.macs[0], one.macs[-1]):.2f}")
        lines.append((name, distribution, *areas))
    head = ("policy", "shares of exits", "exits as they are", "exits combined")
    return "Mean top-1 (%) over all budgets from the first exit's cost to the last's:\n\n" + markdown(head, lines, left=2)  # fmt: skip


def _checks(one: Subject) -> str:
    solve, judge = halves(one.outputs.samples)[0]
    half, other = one.outputs.rows(solve), one.outputs.rows(judge)
    lines = []
    for part, distribution in product((0.1, 0.3, 0.5), ("geometric", "free")):
        budget = float(one.macs[0] + part * (one.macs[-1] - one.macs[0]))
        found = solve_thresholds(named_policy("confidence"), half, one.macs, budget, distribution=distribution)  # fmt: skip
        check = check_thresholds(found, half, other, one.macs)
        low, high = (value / 1e6 for value in check.realised.cost_interval)
        lines.append(
            (f"{budget / 1e6:.2f}", distribution, f"{check.expected.cost / 1e6:.2f}", f"{check.realised.cost / 1e6:.2f} ({low:.2f} to {high:.2f})", f"{100 * check.expected.accuracy:.2f}", f"{100 * check.realised.accuracy:.2f}", "yes" if check.holds else "no")
        )  # fmt: skip
    head = ("budget (MMACs)", "shares of exits", "on the half solved on", "on the other", "top-1 %", "on the other", "holds")  # fmt: skip
    return "Budgets asked for and what came of them (confidence):\n\n" + markdown(
        head, lines, left=2
    )


def _heat(one: Subject) -> str:
    solve, judge = halves(one.outputs.samples)[0]
    heat = calibrate_exits(one.outputs.rows(solve), one.outputs.rows(judge))
    lines = [
        (str(i + 1), f"{t:.3f}", f"{100 * before:.2f}", f"{100 * after:.2f}")
        for i, (t, before, after) in enumerate(
            zip(heat.temperatures, heat.error_before, heat.error_after, strict=True)
        )
    ]
    head = ("exit", "temperature", "calibration error before (%)", "after (%)")
    return "Exits calibrated on one half, looked at on the other:\n\n" + markdown(head, lines)
