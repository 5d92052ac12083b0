"""The pictures of benchmarks/dynamic.py: accuracy against MACs and against measured time, and where images leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from common import HERE
from dynamic_decisions import PLAN, Settled, Way, halves
from dynamic_subjects import Subject, data
from steelyard.dynamic.curves import Curve, CurvePoint, anytime_curve, budgeted_curve
from steelyard.dynamic.pictures import Static, save_accuracy, save_examples, save_exits

PICTURES = HERE.parent / "docs" / "pictures"
BUDGETS = 16
SHOWN = "cascade: quick look; ResNet; "
"""Beginning of the name of the network whose images are shown, if it is there: the one with three seeds."""
RUNTIMES = {"ONNX Runtime": "dynamic_times.png", "eager": "dynamic_times_eager.png"}
"""Pictures of times, one image at a time."""

POLICIES = ("confidence", "margin", "entropy", "patience", "learnt")


def pictures(
    several: Sequence[Subject],
    plans: Mapping[str, Settled],
    times: Sequence[Mapping[str, Any]],
) -> None:
    """Writes them: of the networks of a seed."""
    dynamic = [one for one in several if len(one.macs) > 1]
    if not dynamic:
        return
    early = dynamic[0]
    _policies(early, several, times)
    _networks(dynamic, several, times)
    shown = next((one for one in dynamic if one.name.startswith(SHOWN)), early)
    way = plans[shown.name]
    test, labels = data(), shown.outputs.labels
    save_exits(way.exits, labels, test.classes, PICTURES / "dynamic_exits.png", number=len(shown.macs), title=f"Where the test images of each class leave: {shown.name}")  # fmt: skip
    save_examples(
        test.images[:, 0].numpy(), labels, way.exits, way.scores, way.predictions, test.classes,
        PICTURES / "dynamic_examples.png",
        title="The easiest (left) and the hardest test images with their exit; in red what was taken for something else",
    )  # fmt: skip


def _policies(
    early: Subject, several: Sequence[Subject], times: Sequence[Mapping[str, Any]]
) -> None:
    """One network, every policy, against MACs and against milliseconds in ONNX Runtime."""
    macs = {one.name: one.macs for one in several}
    seconds = {
        row["network"]: np.array(row["exits_ms"]) / 1e3
        for row in times
        if (row["runtime"], row["batch"]) == ("ONNX Runtime", 1)
    }
    parts = (
        (macs, "MACs", "dynamic_accuracy.png", "mean MACs"),
        (seconds, "s", "dynamic_policies.png", "mean time, ONNX Runtime"),
    )
    for costs, unit, file, words in parts:
        if early.name not in costs:
            continue
        own = costs[early.name]
        curves = [anytime_curve(early.outputs, own, unit=unit)]
        curves += [
            _both(early, Way(name, "geometric", False), own, name, unit) for name in POLICIES
        ]
        curves.append(_both(early, PLAN, own, "confidence, exits combined", unit))
        points = [Static(one.name, costs[one.name][0], one.top1 / 100) for one in several if len(one.macs) == 1 and one.name in costs]  # fmt: skip
        save_accuracy(curves, PICTURES / file, statics=points, title=f"Fashion-MNIST: accuracy against {words}, {early.name} by policy")  # fmt: skip


def _networks(
    dynamic: Sequence[Subject], several: Sequence[Subject], times: Sequence[Mapping[str, Any]]
) -> None:
    """Every network, one policy, against MACs and against milliseconds."""
    statics = [one for one in several if len(one.macs) == 1]
    points = [Static(one.name, one.macs[0], one.top1 / 100) for one in statics]
    curves = [_both(one, PLAN, one.macs, one.name) for one in dynamic]
    save_accuracy(curves, PICTURES / "dynamic_networks.png", statics=points, title="Fashion-MNIST: accuracy against mean MACs of an image, by network")  # fmt: skip
    for runtime, name in RUNTIMES.items():
        ms = {row["network"]: row["exits_ms"] for row in times if (row["runtime"], row["batch"]) == (runtime, 1)}  # fmt: skip
        known = [one for one in dynamic if one.name in ms]
        if known:
            points = [Static(one.name, ms[one.name][0] / 1e3, one.top1 / 100) for one in statics if one.name in ms]  # fmt: skip
            curves = [
                _both(one, PLAN, np.array(ms[one.name]) / 1e3, one.name, "s") for one in known
            ]
            save_accuracy(curves, PICTURES / name, statics=points, title=f"Fashion-MNIST: accuracy against mean time of an image, one at a time, {runtime}")  # fmt: skip


def _both(one: Subject, way: Way, costs: np.ndarray, name: str, unit: str = "MACs") -> Curve:
    """The curve over both halves, each judged by thresholds solved on the other: points of one budget are averaged."""
    found = []
    for solve, judge in halves(one.outputs.samples):
        half = one.outputs.rows(solve)
        parts = [way.prepared(one.outputs.rows(rows), half) for rows in (solve, judge)]
        found.append(
            budgeted_curve(way.made(parts[0]), *parts, costs, budgets=BUDGETS, distribution=way.distribution, unit=unit)
        )  # fmt: skip
    means = [
        CurvePoint(a.budget, (a.cost + b.cost) / 2, (a.accuracy + b.accuracy) / 2)
        for a, b in zip(found[0].points, found[1].points, strict=True)
    ]
    return Curve(name, unit, tuple(means))
