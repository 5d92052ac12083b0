"""Networks with and without exits on Fashion-MNIST by one recipe: accuracy, mean MACs, and what is saved in time.

All by fashion_resnet, 12 epochs. What was interrupted goes on: a finished network is a row of results/dynamic_rows.jsonl,
an unfinished one is resumed from its run.

    python benchmarks/dynamic.py --only "coarse first" --seed 1  # train this alone; 8 CPU minutes
    python benchmarks/dynamic.py                  # train all that is missing, seeds 1 to 3, then the page; hours
    python benchmarks/dynamic.py --publish        # decide, time, and write the page of what is there; 3 CPU minutes

Writes results/dynamic.md and docs/pictures/dynamic_*.png.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import dynamic_networks  # noqa: F401 - registers the network with exits
import steelyard as sy
from common import HERE, RESULTS, machine, markdown, publish
from dynamic_decisions import Settled, Way, difference, halves, logits_of, settle, timed
from steelyard.data.transforms import parse_transforms
from steelyard.dynamic.budget import solve_thresholds
from steelyard.dynamic.budget_check import check_thresholds
from steelyard.dynamic.calibration import calibrate_exits
from steelyard.dynamic.combination import combine, fit_combination
from steelyard.dynamic.curves import Curve, CurvePoint, anytime_curve, budgeted_curve
from steelyard.dynamic.exit_costs import exit_costs
from steelyard.dynamic.exit_outputs import ExitOutputs
from steelyard.dynamic.pictures import Static, save_accuracy, save_examples, save_exits
from steelyard.dynamic.policies import named_policy

SHAPE = (1, 1, 28, 28)
IMAGES = "num_classes = 10, in_channels = 1, resolution = 28"
EXITS = "coarse first"
NETWORKS = {
    EXITS: ("coarse_first", ""),
    "ResNet": ("resnet20_cifar", "blocks = [1, 1, 1]"),
    "ResNet, width 0.5": ("resnet20_cifar", "blocks = [1, 1, 1], width = 0.5"),
    "ResNet, width 1.5": ("resnet20_cifar", "blocks = [1, 1, 1], width = 1.5"),
    "DenseNet": ("densenet40_k12_bc_cifar", "blocks = [2, 2, 2], growth = 8"),
    "DenseNet, growth 12": ("densenet40_k12_bc_cifar", "blocks = [2, 2, 2], growth = 12"),
    "MobileNetV2": (
        "mobilenet_v2_cifar",
        "width = 0.25, depth = 0.5, head_channels = 320, dropout = 0.0",
    ),
    "MobileNetV2, width 0.5": (
        "mobilenet_v2_cifar",
        "width = 0.5, depth = 0.5, head_channels = 320, dropout = 0.0",
    ),
}
SMALL = "ResNet, width 0.5"
"""What stands before the best network in a cascade."""

SEEDS = (1, 2, 3)
POLICIES = ("confidence", "margin", "entropy", "patience", "learnt")
WAYS = [Way(p, d, c) for p, d, c in product(POLICIES, ("geometric", "free"), (False, True))]
NAIVE = [
    way for way in WAYS if way.policy in ("confidence", "learnt") and way.distribution == "free"
]
ROWS = RESULTS / "dynamic_rows.jsonl"
PICTURES = HERE.parent / "docs" / "pictures"
ROUNDS = 9


def settings(label: str, seed: int) -> tuple[str, ...]:
    """What a run changes in the recipe fashion_resnet, as ``--set`` takes it."""
    name, config = NETWORKS[label]
    both = f"{IMAGES}, {config}" if config else IMAGES
    return (
        "channels_last=true", f"seed={seed}", f"network.name={name}", f"network.config={{ {both} }}",
    )  # fmt: skip


def folder(label: str, seed: int, runs: Path) -> Path:
    """Where a run is; the recipe's own network is trained by benchmarks/fashion.py, too."""
    if label == "ResNet" and (runs.parent / "fashion" / f"seed{seed}").is_dir():
        return runs.parent / "fashion" / f"seed{seed}"
    return runs / f"{label.replace(', ', '_').replace(' ', '_').lower()}_{seed}"


def rows() -> dict[tuple[str, int], dict[str, Any]]:
    """What is finished by today's settings, by label and seed."""
    if not ROWS.is_file():
        return {}
    every = [json.loads(line) for line in ROWS.read_text("utf-8").splitlines()]
    known = [row for row in every if row["label"] in NETWORKS]
    return {
        (row["label"], row["seed"]): row
        for row in known
        if tuple(row["settings"]) == settings(row["label"], row["seed"])
    }


def finish(label: str, seed: int, runs: Path) -> None:
    """Trains what is missing and adds the row."""
    if (label, seed) in rows():
        return
    chosen, place = settings(label, seed), folder(label, seed, runs)
    begun = (place / "recipe.toml").exists()
    recipe = sy.Run.open(place).recipe if begun else sy.load_recipe("fashion_resnet", chosen)
    run = sy.train(recipe, run=place, resume=begun, device="cpu", say=_say)
    network = run.network("last")
    found = sy.evaluate(network, data="fashion_mnist", transforms=["normalize"])
    timing = [json.loads(line) for line in (place / "timing.jsonl").read_text().splitlines()]
    row = {
        "label": label,
        "seed": seed,
        "settings": list(chosen),
        "epochs": recipe.epochs,
        "top1": [one.top1 for one in found.outputs],
        "macs": [float(value) for value in costs_of(label, network)],
        "parameters": sum(p.numel() for p in network.parameters()),
        "train_cpu_s": sum(epoch["train_cpu_seconds"] for epoch in timing),
    }
    with ROWS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    _say(f"{label}, seed {seed}: {row['top1']}")


def costs_of(label: str, network: nn.Module) -> tuple[float, ...]:
    """MACs of leaving at each exit; of a network without exits one number."""
    if label == EXITS:
        return exit_costs(network, input_shape=SHAPE).macs
    return (sy.cost(sy.capture(network, input_shape=SHAPE)).total.macs,)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


# ---- the page ------------------------------------------------------------------------------


def page(runs: Path) -> None:
    """Decisions, times, tables and pictures of what is there."""
    torch.set_num_threads(1)
    done = rows()
    test = sy.load_data("fashion_mnist", "test")
    images = prepared(test.images)
    labels = test.labels.numpy()
    lines = [_network_line(key, row) for key, row in sorted(done.items())]
    head = ("network", "seed", "test top-1 % (of each exit)", "MMACs (of each exit)", "parameters", "training (CPU s)")  # fmt: skip
    seeds = sorted({seed for label, seed in done if label == EXITS})
    parts = [_seed_part(seed, done, runs, test, images, labels) for seed in seeds]
    parts.insert(0, markdown(head, lines, left=2))
    publish("dynamic.md", f"{_INTRO}\n\n" + "\n\n".join(parts) + f"\n\n{machine()}\n")


_INTRO = """# With and without exits on Fashion-MNIST

Each by the recipe `fashion_resnet`, 12 epochs, the weights of the last; all 10,000 test images."""


def prepared(images: torch.Tensor) -> torch.Tensor:
    """Test images as the networks take them."""
    steps = parse_transforms(("normalize:fashion_mnist",))
    return steps(images, torch.arange(len(images)), seed=0, epoch=0, train=False)


def _network_line(key: tuple[str, int], row: dict[str, Any]) -> tuple[str, ...]:
    return (
        key[0], str(key[1]), " / ".join(f"{value:.2f}" for value in row["top1"]),
        " / ".join(f"{value / 1e6:.2f}" for value in row["macs"]), f"{row['parameters']:,}",
        f"{row['train_cpu_s']:.0f}",
    )  # fmt: skip


def _seed_part(
    seed: int, done: dict[Any, Any], runs: Path, test: Any, images: torch.Tensor, labels: np.ndarray
) -> str:
    statics = {label: row for (label, of), row in done.items() if of == seed and label != EXITS}
    best = max(statics, key=lambda label: statics[label]["top1"][-1])
    static = _folded(sy.Run.open(folder(best, seed, runs)).network("last"))
    exits = _folded(sy.Run.open(folder(EXITS, seed, runs)).network("last"))
    costs = np.array(done[EXITS, seed]["macs"])
    outputs = ExitOutputs.of(logits_of(exits, images), labels)
    right = logits_of(static, images)[0].argmax(-1) == labels
    macs = statics[best]["macs"][0]
    found = [(EXITS, settle(outputs, costs, right, way)) for way in WAYS]
    if SMALL in statics and best != SMALL:
        small = sy.Run.open(folder(SMALL, seed, runs)).network("last")
        several = ExitOutputs.of([*logits_of(small, images), *logits_of(static, images)], labels)
        both = np.cumsum([statics[SMALL]["macs"][0], macs])
        found += [(f"cascade: {SMALL}; {best}", settle(several, both, right, way)) for way in NAIVE]
    text = [
        f"## Seed {seed}: as accurate as {best}, {100 * right.mean():.2f} %, {macs / 1e6:.2f} MMACs",
        _ways_table(found, right, macs),
        _times(found, static, exits, outputs, images),
        _curves(outputs, costs),
        _checks(outputs, costs),
    ]
    chosen = min(_candidates(found), key=lambda one: one.cost)
    _pictures(chosen, outputs, costs, statics, test, labels)
    return "\n\n".join(text)


def _candidates(found: list[tuple[str, Settled]]) -> list[Settled]:
    """Ways of the network with exits that reach the accuracy; all where none does."""
    ours = [one for name, one in found if name == EXITS]
    return [one for one in ours if one.reached] or ours


def _folded(network: nn.Module) -> nn.Module:
    return sy.optimize_for_inference(network, input_shape=SHAPE).eval()


def _ways_table(found: list[tuple[str, Settled]], right: np.ndarray, macs: float) -> str:
    lines = []
    for name, one in found:
        gap, low, high = difference(one.right, right)
        shares = [100 * np.mean(one.exits == at) for at in range(int(one.exits.max()) + 1)]
        lines.append(
            (
                name, one.name, "yes" if one.reached else "no", f"{one.cost / 1e6:.2f}", f"{macs / one.cost:.2f}",
                f"{100 * gap:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})",
                " / ".join(f"{share:.0f}" for share in shares),
            )
        )  # fmt: skip
    head = ("network", "policy", "reached where solved", "mean MMACs", "times fewer", "top-1 less the static network's (%)", "leaving (%)")  # fmt: skip
    return markdown(head, lines, left=3)


def _times(
    found: list[tuple[str, Settled]],
    static: nn.Module,
    exits: nn.Module,
    outputs: ExitOutputs,
    images: torch.Tensor,
) -> str:
    """Of the way with the fewest MACs, and of the one of those whose score is the likeliest class's probability."""
    load = os.getloadavg()[0]
    ours = _candidates(found)
    plain = [one for one in ours if one.way.policy == "confidence"] or ours
    chosen = {
        id(one): one for one in (min(some, key=lambda one: one.cost) for some in (ours, plain))
    }
    solve, judge = halves(outputs.samples)[0]
    lines = [
        (one.name, name, str(batch), f"{theirs:.3f}", f"{mine:.3f}", f"{ratio:.2f}")
        for one in chosen.values()
        for name, batch, theirs, mine, ratio in timed(
            static, exits, outputs.rows(solve), one, images[judge], rounds=ROUNDS
        )
    ]
    head = ("policy", "runtime", "batch", "without exits (ms an image)", "with exits (ms an image)", "times less")  # fmt: skip
    return f"""Processor time of one thread: medians of {ROUNDS} rounds in turns on images that the thresholds were not
solved on, at a load of {load:.1f} on {os.cpu_count()} cores.

{markdown(head, lines, left=3)}"""


def _pictures(
    chosen: Settled,
    outputs: ExitOutputs,
    costs: np.ndarray,
    statics: dict[str, Any],
    test: Any,
    labels: np.ndarray,
) -> None:
    parts = [(outputs.rows(solve), outputs.rows(judge)) for solve, judge in halves(outputs.samples)]
    curves = [anytime_curve(outputs, costs)]
    curves += [_both(name, name, parts, costs) for name in ("confidence", "entropy", "patience")]
    joined = [
        tuple(combine(one, fit_combination(half)) for one in (half, other)) for half, other in parts
    ]
    curves.append(_both("confidence, exits combined", "confidence", joined, costs))
    points = [Static(name, row["macs"][0], row["top1"][0] / 100) for name, row in statics.items()]
    save_accuracy(curves, PICTURES / "dynamic_accuracy.png", statics=points, title="Fashion-MNIST: accuracy against mean MACs of an image")  # fmt: skip
    save_exits(chosen.exits, labels, test.classes, PICTURES / "dynamic_exits.png", number=outputs.exits, title="Where the test images of each class leave")  # fmt: skip
    save_examples(
        test.images[:, 0].numpy(), labels, chosen.exits, chosen.scores, chosen.predictions,
        test.classes, PICTURES / "dynamic_examples.png",
        title="The easiest (left) and the hardest test images with their exit; in red what was taken for something else",
    )  # fmt: skip


def _both(name: str, policy: str, parts: list[Any], costs: np.ndarray) -> Curve:
    """The curve over both halves, each judged by thresholds solved on the other: points of one budget are averaged."""
    one, two = (budgeted_curve(named_policy(policy), *part, costs, budgets=16) for part in parts)
    means = [
        CurvePoint(a.budget, (a.cost + b.cost) / 2, (a.accuracy + b.accuracy) / 2)
        for a, b in zip(one.points, two.points, strict=True)
    ]
    return Curve(name, one.unit, tuple(means))


def _curves(outputs: ExitOutputs, costs: np.ndarray) -> str:
    solve, judge = halves(outputs.samples)[0]
    half, other = outputs.rows(solve), outputs.rows(judge)
    weights = fit_combination(half)
    joined = (combine(half, weights), combine(other, weights))
    lines = [("anytime (each exit for all)", "", *(f"{100 * anytime_curve(o, costs).area():.2f}" for o in (other, joined[1])))]  # fmt: skip
    for name, distribution in product(POLICIES[:4], ("geometric", "free")):
        areas = []
        for one, two in ((half, other), joined):
            curve = budgeted_curve(named_policy(name), one, two, costs, budgets=12, distribution=distribution)  # fmt: skip
            areas.append(f"{100 * curve.area(costs[0], costs[-1]):.2f}")
        lines.append((name, distribution, *areas))
    head = ("policy", "shares of exits", "exits as they are", "exits combined")
    return "Mean top-1 (%) over all budgets from the first exit's cost to the last's:\n\n" + markdown(head, lines, left=2)  # fmt: skip


def _checks(outputs: ExitOutputs, costs: np.ndarray) -> str:
    solve, judge = halves(outputs.samples)[0]
    half, other = outputs.rows(solve), outputs.rows(judge)
    lines = []
    for part, distribution in product((0.1, 0.3, 0.5), ("geometric", "free")):
        budget = float(costs[0] + part * (costs[-1] - costs[0]))
        found = solve_thresholds(named_policy("confidence"), half, costs, budget, distribution=distribution)  # fmt: skip
        check = check_thresholds(found, half, other, costs)
        low, high = (value / 1e6 for value in check.realised.cost_interval)
        lines.append(
            (f"{budget / 1e6:.2f}", distribution, f"{check.expected.cost / 1e6:.2f}", f"{check.realised.cost / 1e6:.2f} ({low:.2f} to {high:.2f})", f"{100 * check.expected.accuracy:.2f}", f"{100 * check.realised.accuracy:.2f}", "yes" if check.holds else "no")
        )  # fmt: skip
    head = ("budget (MMACs)", "shares of exits", "on the half solved on", "on the other", "top-1 %", "on the other", "holds")  # fmt: skip
    heat = calibrate_exits(half, other)
    temperatures = [
        (str(i + 1), f"{t:.3f}", f"{100 * before:.2f}", f"{100 * after:.2f}")
        for i, (t, before, after) in enumerate(
            zip(heat.temperatures, heat.error_before, heat.error_after, strict=True)
        )
    ]
    return (
        "Budgets asked for and what came of them (confidence):\n\n" + markdown(head, lines, left=2)
        + "\n\nExits calibrated on one half, looked at on the other:\n\n"
        + markdown(("exit", "temperature", "calibration error before (%)", "after (%)"), temperatures)
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=HERE.parent / "out" / "dynamic")
    parser.add_argument("--only", choices=tuple(NETWORKS), help="train this network alone")
    parser.add_argument("--seed", type=int, choices=SEEDS, help="this seed alone")
    parser.add_argument("--publish", action="store_true", help="train nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not args.publish:
        for seed in (args.seed,) if args.seed else SEEDS:
            for label in (args.only,) if args.only else NETWORKS:
                finish(label, seed, args.runs)
    if args.publish or not (args.only or args.seed):
        page(args.runs)


if __name__ == "__main__":
    main()
