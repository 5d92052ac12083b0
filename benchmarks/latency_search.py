"""Does a search under a limit of latency beat networks designed by hand that are as slow on this machine?

The search minimises the error after a short training, the latency held by this machine's calibration (`steelyard calibrate
--threads 1`). What it finds is trained beside MobileNetV2, MnasNet-A1 and ShuffleNetV2, all by one longer recipe with three
seeds; each of the three may choose between two places for its strides, by the short training as well. At the end all
are measured in turns.

    taskset -c 0 python benchmarks/latency_search.py            # search and train: 20 CPU minutes
    taskset -c 0 python benchmarks/latency_search.py --measure  # on a quiet machine: latencies, then the page

What is finished is a row of results/latency_search_rows.jsonl, and the next start goes on from there. Writes
results/latency_search.md. Needs the extra `onnxruntime`, and Fashion-MNIST.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import nn

import steelyard as sy
from common import HERE, RESULTS, machine, markdown, publish
from fashion_part import register
from steelyard.design.search import Evolution, constraint, quantity
from steelyard.design.search.evaluate import Answer, Evaluator, recipe_of
from steelyard.design.spaces import SearchSpace
from steelyard.train.recipe import NetworkPart, Recipe

SPACE = HERE / "latency_space.toml"
ROWS = RESULTS / "latency_search_rows.jsonl"
LIMITS = ("macs<=6M", "latency_ms@cpu<=3.0")
"""The networks by hand are predicted to take 3.0 to 3.7 ms. The MACs bound how long a training takes."""

TRIALS, POPULATION, SAMPLE = 20, 8, 4
SEEDS = (1, 2, 3)
SHAPE = (1, 1, 28, 28)
IMAGES = {"num_classes": 10, "in_channels": 1, "resolution": 28}
_HEAD = {"head_channels": 320, "dropout": 0.0}
BY_HAND: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "MobileNetV2": {
        "strides early": ("mobilenet_v2", {"width": 0.5, **_HEAD}),
        "strides late": ("mobilenet_v2", {"width": 0.2, "stem": "cifar", **_HEAD}),
    },
    "MnasNet-A1": {
        "strides early": ("semnasnet_100", {"width": 0.35, "bn_momentum": 0.1, **_HEAD}),
        "strides late": (
            "semnasnet_100",
            {"width": 0.2, "stem": "cifar", "bn_momentum": 0.1, **_HEAD},
        ),
    },
    "ShuffleNetV2": {
        "strides early": ("shufflenet_v2", {"width": 0.5, "first_stride": 2, "last_channels": 320}),
        "strides late": ("shufflenet_v2", {"width": 0.35, "first_stride": 1, "last_channels": 320}),
    },
}
"""Widths at which all are about as slow. MnasNet's own share of new statistics, 0.01, is for long trainings."""

ALIKE = (
    'data.transforms=["normalize"]', "data.batch=64", "optimizer.lr=0.1", "precision=fp32", "channels_last=true",
    "log_every=1000",
)  # fmt: skip
SHORT = ("data.source=fashion_8k", "epochs=1", "schedule.warmup_epochs=0.25")
LONG = ("data.source=fashion_16k", "epochs=1", "schedule.warmup_epochs=0.25")
ROUNDS = 20
BACKENDS = ("eager", "onnxruntime")


def recipe(long: bool, seed: int) -> Recipe:
    """By which all are trained."""
    return sy.load_recipe("fashion_resnet", (*ALIKE, *(LONG if long else SHORT), f"seed={seed}"))


def rows(kind: str) -> list[dict[str, Any]]:
    """What is finished of one kind: ``trial``, ``form``, ``final`` or ``latency``."""
    if not ROWS.is_file():
        return []
    every = [json.loads(line) for line in ROWS.read_text("utf-8").splitlines()]
    return [row for row in every if row["kind"] == kind and row["by"] == mark(kind)]


def mark(kind: str) -> str:
    """Of the recipe by which rows of a kind come about."""
    return hashlib.sha256(recipe(kind == "final", 1).to_toml().encode()).hexdigest()[:8]


def keep(**row: Any) -> None:
    """One more row."""
    row["by"] = mark(row["kind"])
    with ROWS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(time.strftime("%H:%M:%S"), row, file=sys.stderr, flush=True)


def trained(chosen: Recipe) -> tuple[float, float]:
    """Test top-1 after the last epoch, and CPU seconds."""
    begun = time.process_time()
    with tempfile.TemporaryDirectory(prefix="steelyard-latency-") as folder:
        run = sy.train(
            chosen, run=Path(folder) / "run", device="cpu", checkpoint_seconds=0, say=lambda text: None
        )  # fmt: skip
        return float(run.metrics("epoch")[-1]["test_top1"]), time.process_time() - begun


def search(space: SearchSpace) -> dict[str, Any]:
    """Goes on until there are enough trials, and returns the best."""
    limits = [constraint(text) for text in LIMITS]
    evaluate = Evaluator(space, [quantity("error")], limits, recipe(False, 1))
    strategy = Evolution(space, 1, population=POPULATION, sample=SAMPLE)
    known = {row["point"]: row for row in rows("trial")}
    for key, row in known.items():
        strategy.recall(space.decode(key), (row["values"]["error"],), {})
    attempt = 0
    while len(known) < TRIALS:
        proposal = strategy.propose(len(known), attempt)
        key = space.encode(proposal.point)
        attempt += 1
        if key in known:
            continue
        begun = time.process_time()
        answer: Answer = evaluate(proposal.point)
        if answer.state == "infeasible":
            continue
        if answer.state == "failed":
            raise SystemExit(f"{key}: {answer.reason}")
        strategy.tell(proposal, (answer.values["error"],))
        known[key] = {"point": key, "values": answer.values}
        keep(kind="trial", **known[key], proposals=attempt, cpu_s=time.process_time() - begun)
        attempt = 0
    return min(known.values(), key=lambda row: float(row["values"]["error"]))


def forms() -> dict[str, str]:
    """Where each network by hand has its strides: whichever does better in the short training."""
    for name, both in BY_HAND.items():
        there = {row["form"] for row in rows("form") if row["name"] == name}
        for form, (network, settings) in both.items():
            if form not in there:
                part = NetworkPart(network, {**IMAGES, **settings})
                top1, cpu_s = trained(_with(recipe(False, 1), part))
                keep(kind="form", name=name, form=form, top1=top1, cpu_s=cpu_s)
    found = rows("form")
    return {
        name: max((r for r in found if r["name"] == name), key=lambda r: float(r["top1"]))["form"]
        for name in BY_HAND
    }


def _with(base: Recipe, network: NetworkPart) -> Recipe:
    from dataclasses import replace

    return replace(base, network=network)


def contestants(
    space: SearchSpace, best: Mapping[str, Any], chosen: Mapping[str, str]
) -> dict[str, NetworkPart]:
    """All that are trained at length."""
    point = space.decode(str(best["point"]))
    found = {"found by the search": recipe_of(space, point, recipe(True, 1)).network}
    for name, form in chosen.items():
        network, settings = BY_HAND[name][form]
        found[name] = NetworkPart(network, {**IMAGES, **settings})
    return found


def finals(parts: Mapping[str, NetworkPart]) -> None:
    """Trains each with each seed."""
    for seed in SEEDS:
        for name, part in parts.items():
            if not any(r["name"] == name and r["seed"] == seed for r in rows("final")):
                top1, cpu_s = trained(_with(recipe(True, seed), part))
                keep(kind="final", name=name, seed=seed, top1=top1, cpu_s=cpu_s)


def latencies(parts: Mapping[str, NetworkPart], backend: str) -> dict[str, list[float]]:
    """Medians of rounds in turns, in ms; the order is drawn anew for every round."""
    nets: dict[str, nn.Module] = {name: part.build().eval() for name, part in parts.items()}
    found: dict[str, list[float]] = {name: [] for name in nets}
    order, draw = list(nets), random.Random(0)
    for _ in range(ROUNDS if backend == "eager" else ROUNDS // 4):
        draw.shuffle(order)
        for name in order:
            timed = sy.measure(
                nets[name], backend=backend, input_shape=SHAPE, threads=1, budget_s=0.25
            )
            found[name].append(1e3 * timed.median_s)
    return found


def page(parts: Mapping[str, NetworkPart], space: SearchSpace, best: Mapping[str, Any]) -> None:
    """The table, with the latencies that were measured last."""
    measured = rows("latency")[-1]
    lines = []
    for name, part in parts.items():
        cost = sy.cost(sy.capture(part.build(), input_shape=SHAPE)).total
        top1 = [row["top1"] for row in rows("final") if row["name"] == name]
        eager, ort = (measured[backend][name] for backend in BACKENDS)
        lines.append((
            name, " ".join(f"{one:.2f}" for one in top1),
            f"{mean(top1):.2f} ± {stdev(top1):.2f}" if len(top1) > 1 else "-",
            f"{median(eager):.2f} ({min(eager):.2f} to {max(eager):.2f})", f"{median(ort):.3f}",
            f"{cost.macs / 1e6:.2f}", f"{cost.params / 1e3:.0f}",
        ))  # fmt: skip
    head = ("network", "test top-1 % by seed", "mean ± standard deviation", "latency (ms)", "in ONNX Runtime (ms)", "MMAC", "parameters (k)")  # fmt: skip
    chosen = {
        k: v
        for k, v in space.values(space.decode(str(best["point"]))).items()
        if k.startswith("stage")
    }
    minutes = sum(row["cpu_s"] for row in rows("trial")) / 60
    publish(
        "latency_search.md",
        f"""# A search under a limit of latency, beside designs by hand

<!-- the page "What a search finds" shows what stands from here -->

{markdown(head, lines)}

Fashion-MNIST, the first 16,000 training images, one epoch by one recipe, all 10,000 test images. Latency: eager float32,
one image of 1x28x28, one thread, networks as they were trained: median of {ROUNDS} rounds in turns and their range.

<!-- to here -->

The search: {len(rows("trial"))} networks of `benchmarks/latency_space.toml` ({space.size:,}) by evolution with a
population of {POPULATION} and a sample of {SAMPLE}, {", ".join(f"`{text}`" for text in LIMITS)} by the calibration of
this machine, the error after one epoch of 8,000 images; {minutes:.0f} CPU minutes. It found
{", ".join(f"{k} {v}" for k, v in chosen.items())}.

By hand: {"; ".join(f"{name}, `{part.name}` with {dict(part.config)}" for name, part in parts.items() if name in BY_HAND)}.
Where they have their strides, early or late, was decided by the short training:
{", ".join(f"{row['name']} with {row['form']} {row['top1']:.2f} %" for row in rows("form"))}.

{machine()}; measured at a load of {measured["load"]:.1f}
""",
    )


def main() -> None:
    """Searches, trains, or measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="only what needs a quiet machine")
    args = parser.parse_args()
    torch.set_num_threads(1)
    register()
    space = sy.load_space(SPACE)
    best = search(space)
    parts = contestants(space, best, forms())
    if args.measure:
        load = os.getloadavg()[0]
        keep(kind="latency", load=load, **{one: latencies(parts, one) for one in BACKENDS})
    else:
        finals(parts)
    if rows("latency") and len(rows("final")) == len(SEEDS) * len(parts):
        page(parts, space, best)


if __name__ == "__main__":
    main()
