"""Networks with and without exits on Fashion-MNIST by one recipe: accuracy, mean MACs, and what is saved in time.

All by fashion_resnet, 12 epochs. What was interrupted goes on: a finished network is a row of results/dynamic_rows.jsonl,
an unfinished one is resumed from its run.

    python benchmarks/dynamic.py --only "look twice" --seed 1  # train this alone; 9 CPU minutes
    python benchmarks/dynamic.py                  # train all that is missing, seeds 1 to 3, then the rest; hours
    python benchmarks/dynamic.py --prepare        # run the test images through what is there, and export it; 4 CPU minutes
    python benchmarks/dynamic.py --time           # time it; 4 CPU minutes, best on a machine that does nothing else
    python benchmarks/dynamic.py --publish        # decide, and write the page of what is there; 3 CPU minutes

Writes results/dynamic.md, results/dynamic_ways.jsonl, results/dynamic_times.jsonl and docs/pictures/dynamic_*.png.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

import dynamic_networks  # noqa: F401 - registers the networks with exits
import steelyard as sy
from common import HERE, RESULTS
from dynamic_page import page
from dynamic_subjects import SHAPE, Subject, subjects
from dynamic_times import prepare, time_all
from steelyard.dynamic.exit_costs import exit_costs

IMAGES = "num_classes = 10, in_channels = 1, resolution = 28"
EXITS = ("look twice", "coarse first")
NETWORKS = {
    "look twice": ("look_twice", ""),
    "coarse first": ("coarse_first", ""),
    "quick look": ("quick_look", ""),
    "quick look, width 1.5": ("quick_look", "first = 24, deep = 48"),
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
SEEDS = (1, 2, 3)
ROWS = RESULTS / "dynamic_rows.jsonl"


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
    if label in EXITS:
        return exit_costs(network, input_shape=SHAPE).macs
    return (sy.cost(sy.capture(network, input_shape=SHAPE)).total.macs,)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def seeds(runs: Path) -> dict[int, list[Subject]]:
    """What is there of each seed whose ResNet is trained."""
    done = rows()
    found = {}
    for seed in SEEDS:
        own = {label: done[label, seed] for label in NETWORKS if (label, seed) in done}
        if "ResNet" in own:
            found[seed] = subjects(own, {label: folder(label, seed, runs) for label in own})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=HERE.parent / "out" / "dynamic")
    parser.add_argument("--only", choices=tuple(NETWORKS), help="train this network alone")
    parser.add_argument("--seed", type=int, choices=SEEDS, help="train this seed alone")
    parser.add_argument(
        "--prepare", action="store_true", help="train nothing; run the test images, and export"
    )
    parser.add_argument("--time", action="store_true", help="train nothing; time what is prepared")
    parser.add_argument("--publish", action="store_true", help="train nothing; decide and write")
    args = parser.parse_args()
    torch.set_num_threads(1)
    asked = args.prepare or args.time or args.publish
    if not asked:
        for seed in (args.seed,) if args.seed else SEEDS:
            for label in (args.only,) if args.only else NETWORKS:
                finish(label, seed, args.runs)
    every = not (asked or args.only or args.seed)
    if args.prepare or every:
        prepare(seeds(args.runs), args.runs)
    if args.time or every:
        time_all(seeds(args.runs), args.runs)
    if args.publish or every:
        page(seeds(args.runs), rows())


if __name__ == "__main__":
    main()
