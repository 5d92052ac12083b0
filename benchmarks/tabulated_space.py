"""Every network of a small space, trained once on Fashion-MNIST: a table in which strategies can be compared.

The space is tabulated_space.toml. Each network is trained by one recipe from the same seed, some with two more seeds to
know the noise; beside the accuracy stand the costs, scores without training, and what shorter trainings find. What is
finished is a row of results/tabulated_space.csv, and the next start goes on from there.

    python benchmarks/tabulated_space.py               # 40 CPU minutes
    python benchmarks/tabulated_space.py --minutes 10  # as far as it comes

benchmarks/strategies.py reads the table.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import steelyard as sy
from common import HERE, RESULTS
from fashion_part import SIZES, register
from steelyard.design.search.evaluate import recipe_of
from steelyard.design.search.parts import whole_costs
from steelyard.design.search.zero_cost import naswot
from steelyard.design.spaces import Point, SearchSpace
from steelyard.train.recipe import Recipe

SPACE = HERE / "tabulated_space.toml"
TABLE = RESULTS / "tabulated_space.csv"
DATA = "fashion_mnist_part"
TRAINED_ON = SIZES[DATA]
"""Training images; all test images are used."""

FULL, SHORT = 2, 1
"""Epochs of a full training, and of a short one, whose learning rate falls to 0 as well."""

SETTINGS = (
    f"data.source={DATA}", "data.transforms=[\"normalize\"]", "data.batch=96", "optimizer.lr=0.1",
    "precision=fp32", "channels_last=true", "schedule.warmup_epochs=0.25", "log_every=1000",
)  # fmt: skip
AGAIN, SHORTLY = 12, 4
"""Every so manieth network is trained with further seeds, and shortly."""

SEEDS = (1, 2, 3)
COLUMNS = (
    "point", "kind", "seed", "top1", "top1_by_epoch", "macs", "params", "access_bytes", "peak_bytes", "naswot", "cpu_s",
    "recipe",
)  # fmt: skip


def recipe(epochs: int, seed: int) -> Recipe:
    """By which all are trained."""
    return sy.load_recipe("fashion_resnet", (*SETTINGS, f"epochs={epochs}", f"seed={seed}"))


def mark(epochs: int, seed: int) -> str:
    """Of a recipe, so that rows of another are not taken for its own."""
    return hashlib.sha256(recipe(epochs, seed).to_toml().encode()).hexdigest()[:8]


def wanted(space: SearchSpace) -> Iterator[tuple[str, str, int]]:
    """(point, kind, seed) of every row, in an order that makes an unfinished table useful."""
    keys = [space.encode(point) for point in space.points()]
    mixed = sorted(keys, key=lambda key: hashlib.sha256(key.encode()).digest())
    yield from ((key, "full", SEEDS[0]) for key in mixed)
    yield from ((key, "full", seed) for key in mixed[::AGAIN] for seed in SEEDS[1:])
    yield from ((key, "short", SEEDS[0]) for key in mixed[::SHORTLY])


def rows() -> list[dict[str, str]]:
    """What is finished by today's recipes."""
    if not TABLE.is_file():
        return []
    with TABLE.open(encoding="utf-8", newline="") as file:
        every = list(csv.DictReader(file))
    epochs = {"full": FULL, "short": SHORT}
    return [row for row in every if row["recipe"] == mark(epochs[row["kind"]], int(row["seed"]))]


def trained(space: SearchSpace, point: Point, kind: str, seed: int) -> dict[str, Any]:
    """A row."""
    epochs = FULL if kind == "full" else SHORT
    begun = time.process_time()
    with tempfile.TemporaryDirectory(prefix="steelyard-tabulate-") as folder:
        run = sy.train(
            recipe_of(space, point, recipe(epochs, seed)),
            run=Path(folder) / "run", device="cpu", checkpoint_seconds=0, say=lambda text: None,
        )  # fmt: skip
        by_epoch = [row["test_top1"] for row in run.metrics("epoch")]
    found = {
        "point": space.encode(point), "kind": kind, "seed": seed, "top1": f"{by_epoch[-1]:.2f}",
        "top1_by_epoch": " ".join(f"{one:.2f}" for one in by_epoch),
        "cpu_s": f"{time.process_time() - begun:.2f}", "recipe": mark(epochs, seed),
    }  # fmt: skip
    if kind == "full" and seed == SEEDS[0]:
        cost = whole_costs(space, point)
        torch.manual_seed(seed)
        score = naswot(space.build(point), space.input_shape(point))
        found |= {
            "macs": cost.macs, "params": cost.params, "access_bytes": cost.access_bytes,
            "peak_bytes": cost.peak_bytes, "naswot": f"{score:.2f}",
        }  # fmt: skip
    return found


def main() -> None:
    """Trains what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1e9, help="of CPU time, then end")
    args = parser.parse_args()
    torch.set_num_threads(1)
    register()
    space = sy.load_space(SPACE)
    done = {(row["point"], row["kind"], int(row["seed"])) for row in rows()}
    missing = [one for one in wanted(space) if one not in done]
    new = not TABLE.is_file()
    with TABLE.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        for number, (key, kind, seed) in enumerate(missing, 1):
            row = trained(space, space.decode(key), kind, seed)
            writer.writerow(row)
            file.flush()
            print(
                f"{time.strftime('%H:%M:%S')} {number} of {len(missing)}: {key} {kind} {seed}: {row['top1']} %, "
                f"{row['cpu_s']} s",
                file=sys.stderr, flush=True,
            )  # fmt: skip
            if time.process_time() > 60 * args.minutes:
                return


if __name__ == "__main__":
    main()
