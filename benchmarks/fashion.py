"""What small networks of five families reach on Fashion-MNIST by one recipe: accuracy, MACs, latency.

The recipe is fashion_resnet in float32 and channels_last, which suits all five. What was interrupted goes on: a finished
network is a row of results/fashion_rows.jsonl, an unfinished one is resumed from its run.

    python benchmarks/fashion.py                  # train what is missing, then measure; 13 CPU minutes
    python benchmarks/fashion.py --only DenseNet  # train this alone
    python benchmarks/fashion.py --seed 2         # the recipe itself, all 12 epochs, with another seed; 8 CPU minutes
    python benchmarks/fashion.py --publish        # latencies and the page of what is there

Another network is a line in `NETWORKS`: a label, its name in the zoo, its settings, and if it is not to be trained like
the five, what else of the recipe changes; such ones are rows, but not on the page.

Writes results/fashion.md and docs/pictures/fashion.png.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, NamedTuple

import torch
from torch import nn

import steelyard as sy
from common import HERE, RESULTS, machine, markdown, publish
from steelyard.layers.condensation import condense
from steelyard.report.figures import save_figure

SHAPE = (1, 1, 28, 28)
IMAGES = "num_classes = 10, in_channels = 1, resolution = 28"


class Chosen(NamedTuple):
    """A network of the zoo, its settings, and what of the recipe is changed for it alone."""

    name: str
    config: str
    further: tuple[str, ...] = ()


NETWORKS = {
    "ResNet": Chosen("resnet20_cifar", "blocks = [1, 1, 1]"),
    "DenseNet": Chosen("densenet40_k12_bc_cifar", "blocks = [2, 2, 2], growth = 8"),
    "MobileNetV2": Chosen("mobilenet_v2_cifar", "width = 0.25, depth = 0.5, head_channels = 320, dropout = 0.0"),
    "ShuffleNetV2": Chosen("shufflenet_v2", "blocks = [3, 5, 3], first_stride = 1, last_channels = 512"),
    "CondenseNet": Chosen("condensenet50_cifar", "blocks = [3, 3, 3], growth = [4, 8, 16], condensed = false"),
}  # fmt: skip
EPOCHS = 2
ALIKE = (
    f"epochs={EPOCHS}", "schedule.warmup_epochs=0.5", "precision=fp32", "channels_last=true",
)  # fmt: skip
LONG = ("channels_last=true",)
ROWS = RESULTS / "fashion_rows.jsonl"
PICTURE = HERE.parent / "docs" / "pictures" / "fashion.png"
ROUNDS = 5


def settings(label: str) -> tuple[str, ...]:
    """What a run changes in the recipe fashion_resnet, as ``--set`` takes it."""
    if label not in NETWORKS:
        return (*LONG, f"seed={label.removeprefix('seed ')}")
    chosen = NETWORKS[label]
    network = f"network.name={chosen.name}", f"network.config={{ {IMAGES}, {chosen.config} }}"
    return (*ALIKE, *chosen.further, *network)


def rows() -> dict[str, dict[str, Any]]:
    """What is finished by today's settings, by label."""
    if not ROWS.is_file():
        return {}
    every = [json.loads(line) for line in ROWS.read_text("utf-8").splitlines()]
    return {row["label"]: row for row in every if tuple(row["settings"]) == settings(row["label"])}


def folder(label: str, runs: Path) -> Path:
    """Where a run is."""
    return runs / "".join(c for c in label.lower() if c.isalnum())


def network(run: sy.Run) -> nn.Module:
    """The network of the last epoch, a CondenseNet in the form for inference."""
    found = run.network("last")
    return condense(found).eval() if "condense" in run.recipe.network.name else found


def finish(label: str, runs: Path) -> None:
    """Trains what is missing and adds the row."""
    if label in rows():
        return
    chosen, place = settings(label), folder(label, runs)
    recipe = sy.load_recipe("fashion_resnet", chosen)
    run = sy.train(
        recipe, run=place, resume=(place / "recipe.toml").exists(), device="cpu", say=_say
    )
    trained = network(run)
    found = sy.evaluate(trained, data="fashion_mnist", transforms=["normalize"])
    cost = sy.cost(sy.capture(trained, input_shape=SHAPE)).total
    timing = [json.loads(line) for line in (place / "timing.jsonl").read_text().splitlines()]
    row = {
        "label": label,
        "network": recipe.network.name,
        "config": dict(recipe.network.config),
        "epochs": recipe.epochs,
        "seed": recipe.seed,
        "top1": found.top1,
        "samples": found.about.samples,
        "parameters": sum(p.numel() for p in trained.parameters()),
        "macs": cost.macs,
        "train_cpu_s": sum(epoch["train_cpu_seconds"] for epoch in timing),
        "test_top1_by_epoch": [epoch["test_top1"] for epoch in run.metrics("epoch")],
        "settings": list(chosen),
    }
    with ROWS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    _say(f"{label}: {found.top1:.2f} %")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def latencies(labels: list[str], runs: Path) -> dict[str, list[float]]:
    """The fastest run of each round, rounds in turns, in ms: eager, one image, one thread.

    Other programs add whole slices of the scheduler to a median, and only to networks that take longer than one.
    """
    there = [label for label in labels if (folder(label, runs) / "recipe.toml").is_file()]
    built = {label: network(sy.Run.open(folder(label, runs))) for label in there}
    found: dict[str, list[float]] = {label: [] for label in there}
    for _ in range(ROUNDS):
        for label, net in built.items():
            timed = sy.measure(net, input_shape=SHAPE, threads=1, budget_s=0.5)
            found[label].append(1e3 * min(timed.samples_s))
    return found


def draw(figure: Any, points: list[tuple[str, float, float, float]]) -> None:
    """Top-1 against MACs and against latency; a point is (name, top-1 in %, MACs, ms)."""
    figure.set_size_inches(9, 4)
    figure.suptitle(f"Fashion-MNIST, {EPOCHS} epochs by one recipe", fontsize=11, x=0.01, ha="left")
    left, right = figure.subplots(1, 2, sharey=True)
    for axis, place, title in (
        (left, 2, "multiply-accumulates of one image (millions)"),
        (right, 3, "latency of one image (ms): eager, one thread"),
    ):
        across = [point[place] / (1e6 if place == 2 else 1) for point in points]
        axis.plot(across, [point[1] for point in points], "o", color="#1f6fb4")
        for x, point in zip(across, points, strict=True):
            # of two that are close the lower one is named below
            near = any(
                abs(x - other) < 0.2 * max(across) and 0 < above[1] - point[1] < 0.3
                for other, above in zip(across, points, strict=True)
            )
            axis.annotate(point[0], (x, point[1]), xytext=(0, -15 if near else 6), textcoords="offset points", ha="center")  # fmt: skip
        axis.margins(y=0.2)
        axis.set_xlim(0, 1.2 * max(across))
        axis.set_xlabel(title)
        axis.grid(color="#d5dbe1", linewidth=0.6)
    left.set_ylabel("test top-1 (%)")


def page(runs: Path) -> None:
    """Latencies, table and picture of what is there."""
    load = os.getloadavg()[0]
    done = rows()
    alike = [label for label, chosen in NETWORKS.items() if not chosen.further]
    labels = [label for label in alike if label in done]
    timed = latencies(labels, runs)
    lines, points = [], []
    for label in labels:
        row, rounds = done[label], timed.get(label)
        ms = f"{median(rounds):.2f} ({min(rounds):.2f} to {max(rounds):.2f})" if rounds else "-"
        lines.append(
            (f"{label}: `{row['network']}`, {NETWORKS[label].config}", f"{row['top1']:.2f}", f"{row['parameters']:,}", f"{row['macs']:,}", ms, f"{row['train_cpu_s']:.0f}")
        )  # fmt: skip
        if rounds:
            points.append((label, row["top1"], row["macs"], median(rounds)))
    if points:
        title = "Accuracy on Fashion-MNIST against MACs and latency"
        save_figure(PICTURE, lambda figure: draw(figure, points), title=title)
    head = ("network", "test top-1 %", "parameters", "MACs", "latency (ms)", "training (CPU s)")
    missing = [label for label in alike if label not in done]
    left_out = f"\nNot finished, hence missing: {', '.join(missing)}.\n" if missing else ""
    publish(
        "fashion.md",
        f"""# Five small networks on Fashion-MNIST

Each by the recipe `fashion_resnet` with {", ".join(f"`{text}`" for text in ALIKE)}: one seed, the weights of the last
epoch, all {done[labels[0]]["samples"] if labels else 0:,} test images. CondenseNet condenses
as it is trained; its form for inference is tested, counted and timed.

<!-- the page Train and evaluate shows what stands from here -->
{left_out}
{markdown(head, lines)}

Latency: eager float32, one image of 1x28x28, one thread; the fastest run of a round, median of {ROUNDS} rounds in
turns and their range, at a load of {load:.1f} on {os.cpu_count()} cores.
CPU seconds are those of the training steps.

<!-- to here -->

{machine()}
{_long(done)}""",
    )


def _long(done: dict[str, dict[str, Any]]) -> str:
    seeds = {label: row for label, row in sorted(done.items()) if label not in NETWORKS}
    if not seeds:
        return ""
    top1 = [row["top1"] for row in seeds.values()]
    first = next(iter(seeds.values()))
    spread = f"; mean {mean(top1):.2f}, standard deviation {stdev(top1):.2f}" if top1[1:] else ""
    values = ", ".join(f"{row['top1']:.2f} % ({label})" for label, row in seeds.items())
    return f"""
## The recipe itself

`fashion_resnet` with {", ".join(f"`{text}`" for text in LONG)}, {first["epochs"]} epochs, {first["macs"]:,} MACs,
{first["parameters"]:,} parameters. Test top-1 after the last epoch, evaluated in float32: {values}{spread}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=HERE.parent / "out" / "fashion")
    parser.add_argument("--only", choices=tuple(NETWORKS), help="train this network alone")
    parser.add_argument("--seed", type=int, help="train the recipe itself, with this seed")
    parser.add_argument("--publish", action="store_true", help="train nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.seed is not None:
        finish(f"seed {args.seed}", args.runs)
    elif args.only:
        finish(args.only, args.runs)
    elif not args.publish:
        for label in NETWORKS:
            finish(label, args.runs)
    if args.publish or (args.seed is None and not args.only):
        page(args.runs)


if __name__ == "__main__":
    main()
