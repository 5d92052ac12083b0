"""What shortcuts do to the loss: ResNet-56 and the same network without them, trained alike, and their surfaces.

Li et al. 2018 (arXiv:1712.09913), fig. 1 and 5, on scikit-learn's digits in place of CIFAR-10.

Run: ``python benchmarks/skip_connections.py [--runs runs] [--steps 25] [--workers 1]``; what was interrupted goes on.
Writes results/skip_connections.md and docs/pictures/skip_connections.png.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

import steelyard as sy
from common import HERE, machine, markdown, publish
from steelyard.train.surface_chart import save_surfaces

NETWORKS = {"with shortcuts": "resnet56_cifar", "without": "plain56_cifar"}
PICTURE = HERE.parent / "docs/pictures/skip_connections.png"

MOST = 1e3
"""Nats; losses above are drawn as this."""


def trained(network: str, runs: Path) -> sy.Run:
    """The run of a network, trained as far as is missing."""
    folder = runs / network
    recipe = sy.load_recipe("digits_resnet56", overrides=(f"network.name={network}",))
    return sy.train(recipe, run=folder, resume=(folder / "recipe.toml").exists())


def row(name: str, run: sy.Run, found: sy.LossSurface) -> tuple[str, ...]:
    """What the table says of a network."""
    on_train = sy.evaluate(run, split="train", checkpoint="last")
    on_test = sy.evaluate(run, checkpoint="last")
    near = [
        loss
        for y, losses in zip(found.y, found.loss, strict=True)
        for x, loss in zip(found.x, losses, strict=True)
        if loss is not None and max(abs(x), abs(y)) <= 0.5
    ]
    return (
        f"{name}: {run.recipe.network.name}", f"{on_train.top1:.2f}", f"{on_test.top1:.2f}",
        f"{on_train.loss:.4f}", f"{median(near):.3g}", f"{max(near):.3g}",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--samples", type=int, default=512)
    args = parser.parse_args()
    rows, surfaces = [], []
    for name, network in NETWORKS.items():
        run = trained(network, args.runs)
        found = sy.loss_surface(
            run, checkpoint="last", workers=args.workers,
            settings=sy.SurfaceSettings(steps=args.steps, samples=args.samples),
        )  # fmt: skip
        rows.append(row(name, run, found))
        surfaces.append(found)
    names = [f"{network} ({name})" for name, network in NETWORKS.items()]
    save_surfaces(surfaces, PICTURE, names=names, most=MOST)
    head = (
        "network", "train top-1 %", "test top-1 %", "train loss", "median loss within 0.5", "largest within 0.5",
    )  # fmt: skip
    publish(
        "skip_connections.md",
        f"""# The loss around networks with and without shortcuts

The recipe digits_resnet56 for both, last checkpoint. Surfaces: {args.steps} x {args.steps} points, filter-normalised
random directions, biases and normalisations unmoved, statistics of batch normalisation kept, {args.samples} training
images, losses in nats. Within 0.5: of both coordinates; at 1 a filter has moved by its own length.

{markdown(head, rows)}

![contours and surfaces](../../docs/pictures/skip_connections.png)

{machine()}
""",
    )


if __name__ == "__main__":
    main()
