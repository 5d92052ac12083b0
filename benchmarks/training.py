"""How many images a second of CPU time trains on: `steelyard.train` beside a plain loop, at an equal recipe.

The plain loop is written as PyTorch's own examples are (pytorch/examples, mnist and imagenet): torchvision's
data set and transforms, a DataLoader, forward, loss, accuracy, backward, step, a line now and then. Each
measurement runs in a process of its own; the sides take turns, in an order drawn anew each round.

    python benchmarks/training.py                        # speed; 5 minutes
    python benchmarks/training.py --accuracy --epochs 2  # both to the end, three seeds; 12 CPU minutes

The second keeps what is finished in results/training_rows.jsonl, and goes on from there.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from common import RESULTS, machine, markdown, publish

SIDES: dict[str, tuple[str, ...]] = {
    "plain loop": (),
    "steelyard": (),
    "in float32": ("precision=fp32",),
    "in float32, channels_last": ("precision=fp32", "channels_last=true"),
    "with channels_last": ("channels_last=true",),
}
ABLATIONS = {"without the allocator's setting": "allocator"}
WARM = 10
ROWS = RESULTS / "training_rows.jsonl"
SEEDS = (1, 2, 3)


def used() -> float:
    """CPU seconds of this process and of those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


# ---- the plain loop --------------------------------------------------------------------------------


def plain(recipe: Any, root: Path, steps: int | None) -> dict[str, float]:
    """Trains as the examples do; returns images a CPU second, or the accuracy if ``steps`` is None."""
    import torch
    import torch.nn.functional as F
    from torch.utils.data import DataLoader

    importlib.import_module("torchvision_stub")  # makes torchvision importable
    from torchvision import datasets, transforms

    from steelyard.train.schedules import learning_rate
    from steelyard.zoo.registry import create

    torch.manual_seed(recipe.seed)
    normalize = transforms.Normalize((0.2860,), (0.3530,))
    augmented = transforms.Compose(
        [transforms.RandomCrop(28, padding=2), transforms.RandomHorizontalFlip(), transforms.ToTensor(), normalize]
    )  # fmt: skip
    plainly = transforms.Compose([transforms.ToTensor(), normalize])
    train_set = datasets.FashionMNIST(str(root), train=True, transform=augmented)
    test_set = datasets.FashionMNIST(str(root), train=False, transform=plainly)
    train_loader = DataLoader(train_set, batch_size=recipe.data.batch, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=256)
    model = create(recipe.network.name, **recipe.network.settings())
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=recipe.loss.label_smoothing)
    part = recipe.optimizer
    optimizer = torch.optim.SGD(
        model.parameters(), part.lr, momentum=part.momentum, nesterov=part.nesterov, weight_decay=part.weight_decay
    )  # fmt: skip
    step, images_seen, start = 0, 0, 0.0
    for epoch in range(recipe.epochs):
        model.train()
        for images, target in train_loader:
            if step == WARM:
                start, images_seen = used(), 0
            rate = learning_rate(
                recipe.schedule,
                part.lr,
                step,
                steps_per_epoch=len(train_loader),
                epochs=recipe.epochs,
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            output = model(images)
            loss = criterion(output, target)
            correct = output.argmax(1).eq(target).sum().item()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 10 == 0:
                print(f"epoch {epoch} step {step} loss {loss.item():.4f} correct {correct}")
            step, images_seen = step + 1, images_seen + len(target)
            if steps is not None and step == WARM + steps:
                return {"images_per_cpu_s": images_seen / (used() - start)}
    throughput = images_seen / (used() - start)
    model.eval()
    right, test_loss = 0, 0.0
    with torch.no_grad():
        for images, target in test_loader:
            output = model(images)
            test_loss += F.cross_entropy(output, target, reduction="sum").item()
            right += int(output.argmax(1).eq(target).sum().item())
    return {"top1": 100 * right / len(test_set), "images_per_cpu_s": throughput}


# ---- ours ------------------------------------------------------------------------------------------


def ours(recipe: Any, steps: int | None, ablation: str) -> dict[str, float]:
    """The same with `steelyard.train`, files and all."""
    from steelyard.train import api
    from steelyard.train.callbacks import Callback
    from steelyard.train.evaluate import evaluate

    class Stop(Exception):
        pass

    class Clock(Callback):
        start = 0.0

        def before_step(self, network: Any, step: int, steps_in_all: int) -> None:
            if step == WARM:
                self.start = used()
            if steps is not None and step == WARM + steps:
                self.end = used()
                raise Stop

    if ablation == "allocator":
        api.keep_freed_memory = lambda: False
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = api.train(
                recipe,
                run=Path(folder) / "run",
                device="cpu",
                callbacks=[clock],
                say=lambda text: None,
            )
        except Stop:
            return {"images_per_cpu_s": steps * recipe.data.batch / (clock.end - clock.start)}
        timing = [json.loads(line) for line in (run.path / "timing.jsonl").read_text().splitlines()]
        images = sum(row["images_per_s"] * row["train_seconds"] for row in timing)
        seconds = sum(row["train_cpu_seconds"] for row in timing)
        return {"top1": evaluate(run, checkpoint="last").top1, "images_per_cpu_s": images / seconds}


# ---- taking turns ----------------------------------------------------------------------------------


def child(side: str, args: argparse.Namespace, seed: int) -> dict[str, float]:
    """One measurement in a process of its own."""
    words = [
        sys.executable,
        __file__,
        "--child",
        side,
        "--seed",
        str(seed),
        "--recipe",
        args.recipe,
    ]
    words += [
        "--steps",
        str(args.steps),
        "--threads",
        str(args.threads),
        "--epochs",
        str(args.epochs),
    ]
    words += ["--accuracy"] if args.accuracy else []
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{side}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def in_child(args: argparse.Namespace) -> None:
    """What the child does."""
    import torch

    from steelyard.train.toml import load_recipe

    torch.set_num_threads(args.threads)
    settings = [f"seed={args.seed}", *SIDES.get(args.child, ())]
    if args.accuracy:  # the same schedule, squeezed
        whole = load_recipe(args.recipe)
        warmup = whole.schedule.warmup_epochs * args.epochs / whole.epochs
        settings += [f"epochs={args.epochs}", f"schedule.warmup_epochs={warmup}"]
    recipe = load_recipe(args.recipe, settings)
    steps = None if args.accuracy else args.steps
    if args.child == "plain loop":
        with tempfile.TemporaryDirectory() as root:
            found = plain(recipe, torchvision_root(Path(root)), steps)
    else:
        found = ours(recipe, steps, ABLATIONS.get(args.child, ""))
    print(json.dumps(found))


def torchvision_root(folder: Path) -> Path:
    """Fashion-MNIST unpacked where torchvision looks for it."""
    import gzip

    from steelyard.data.registry import data_info, present

    source = present(data_info("fashion_mnist"))
    if source is None:
        sys.exit("Fashion-MNIST is not here: steelyard data get fashion_mnist")
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in source.glob("*.gz"):
        (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return folder


def speed(args: argparse.Namespace) -> None:
    """Rounds of all sides in turn."""
    sides = [*SIDES, "without the allocator's setting"]
    found: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(args.rounds):
        for side in random.sample(sides, len(sides)):
            found[side].append(child(side, args, turn)["images_per_cpu_s"])
            print(f"{turn} {side}: {found[side][-1]:.0f}", file=sys.stderr)
    rows = []
    for side in sides:
        ratios = [a / b for a, b in zip(found[side], found["plain loop"], strict=True)]
        rows.append(
            [side, f"{median(found[side]):,.0f}", f"{min(found[side]):,.0f} to {max(found[side]):,.0f}", f"{median(ratios):.2f}"]
        )  # fmt: skip
    table = markdown(["", "images a CPU second", "range", "beside the plain loop"], rows)
    publish(
        "training.md",
        f"# Training speed\n\nRecipe `{args.recipe}`, {args.steps} steps after {WARM}, {args.rounds} rounds in "
        f"turns, load {os.getloadavg()[0]:.1f} at the end.\n{machine()}\n\n{table}\n\nMedians; the ratio is the median over rounds. "
        "The plain loop: torchvision's FashionMNIST and transforms, DataLoader in the same process.",
    )


def rows() -> list[dict[str, Any]]:
    """What both came to so far."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.is_file() else []


def accuracy(args: argparse.Namespace) -> None:
    """Both to the end with three seeds."""
    about = {"recipe": args.recipe, "epochs": args.epochs, "threads": args.threads}
    for seed in SEEDS:
        for side in ("plain loop", "steelyard"):
            wanted = about | {"side": side, "seed": seed}
            if not any(wanted.items() <= row.items() for row in rows()):
                row = wanted | child(side, args, seed)
                with ROWS.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print(row, file=sys.stderr, flush=True)
    found = [row for row in rows() if about.items() <= row.items()]
    lines, speeds = [], []
    for side in ("plain loop", "steelyard"):
        own = sorted((r for r in found if r["side"] == side), key=lambda row: row["seed"])
        speeds.append([row["images_per_cpu_s"] for row in own])
        top1, rates = [row["top1"] for row in own], [row["images_per_cpu_s"] for row in own]
        lines.append([side, ", ".join(f"{x:.2f}" for x in top1), f"{mean(top1):.2f} ± {stdev(top1):.2f}", f"{mean(rates):,.0f}"])  # fmt: skip
    ratios = ", ".join(f"{ours / plain:.2f}" for plain, ours in zip(*speeds, strict=True))
    table = markdown(
        ["", "test top-1 (%), seeds 1 to 3", "mean and deviation", "images a CPU second"], lines
    )
    publish(
        "training_accuracy.md",
        f"# Training accuracy\n\nRecipe `{args.recipe}`, its schedule squeezed into {args.epochs} epochs, the plain loop in "
        f"float32, steelyard as the recipe says; all test images, in float32.\n{machine()}\n\n{table}\n\nSteelyard's images a CPU second over the plain "
        f"loop's, by seed: {ratios}. Other programs ran at the same time.",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="fashion_resnet")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        in_child(args)
    elif args.accuracy:
        accuracy(args)
    else:
        speed(args)


if __name__ == "__main__":
    main()
