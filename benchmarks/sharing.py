"""How well shared weights tell which networks are good: their ranks against networks that were trained alone.

The space is tabulated_space.toml, whose networks tabulated_space.py trained one by one. A super-network is trained by the
sandwich rule, one by networks that are drawn, and one by those that ENAS's controller writes; every third network is judged
with the weights of each.

    python benchmarks/sharing.py   # 7 CPU minutes; writes results/sharing.md
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

import steelyard as sy
from common import RESULTS
from fashion_part import register
from steelyard.design.search.goals import quantities
from steelyard.design.search.places import places
from steelyard.design.search.zero_cost import rank_correlation
from steelyard.design.sharing import learn, parse_strategy
from steelyard.design.spaces import SearchSpace
from tabulated_space import FULL, SEEDS, SPACE, recipe, rows

EPOCHS, EVERY = 6, 3
"""Of the shared weights; and every so manieth network is judged."""

STRATEGIES = ("once_for_all", "once_for_all:between=4,ends=false", "enas")
"""Of shared weights."""


def table() -> tuple[dict[str, dict[str, str]], float]:
    """Networks that were trained alone, by point; and the rank correlation of two trainings that differ in the seed."""
    full = [row for row in rows() if row["kind"] == "full"]
    first = {row["point"]: row for row in full if int(row["seed"]) == SEEDS[0]}
    pairs = [
        (float(first[row["point"]]["top1"]), float(row["top1"]))
        for row in full
        if int(row["seed"]) == SEEDS[1]
    ]
    return first, rank_correlation(*zip(*pairs, strict=True))


def judged(strategy: str, space: SearchSpace, keys: list[str]) -> tuple[list[float], float]:
    """Accuracies in % with shared weights, and CPU seconds of the training."""
    options = parse_strategy(strategy)
    if options is None:
        raise ValueError(strategy)
    begun = time.process_time()
    with tempfile.TemporaryDirectory(prefix="steelyard-sharing-") as folder:
        learnt = learn(
            options, space, quantities(["error"]), recipe(EPOCHS, 1), found=places(()), seed=1, trials=len(keys), folder=Path(folder),
            tell=lambda done, every, how: print(strategy, done, every, how, file=sys.stderr) if done % 50 == 0 else None,
        )  # fmt: skip
    seconds = time.process_time() - begun
    if learnt.judge is None:
        raise ValueError(strategy)
    return [100 * (1 - learnt.judge(space.decode(key))) for key in keys], seconds


def main() -> None:
    """Trains, judges, writes."""
    torch.set_num_threads(1)
    register()
    space = sy.load_space(SPACE)
    alone, ceiling = table()
    keys = sorted(alone)[::EVERY]
    top1 = [float(alone[key]["top1"]) for key in keys]
    found = [
        ("parameters", [float(alone[k]["params"]) for k in keys], 0.0),
        ("naswot", [float(alone[k]["naswot"]) for k in keys], 0.0),
    ]
    found += [(name, *judged(name, space, keys)) for name in STRATEGIES]
    lines = [
        f"# Shared weights against networks trained alone: {len(keys)} of {len(alone)} networks",
        "",
        f"Space: tabulated_space.toml; alone: {FULL} epochs of 10,000 images of Fashion-MNIST, "
        f"{statistics.mean(top1):.1f} % right in the mean, {min(top1):.1f} to {max(top1):.1f}. Shared: {EPOCHS} epochs of 9,000, "
        "judged by the other 1,000. Two trainings alone that differ in their seed agree by a rank correlation of "
        f"{ceiling:.2f}.",
        "",
        "| proxy | rank correlation | mean (%) | from (%) | to (%) | CPU seconds of training |",
        "|---|---|---|---|---|---|",
    ]
    for name, values, seconds in found:
        shown = [statistics.mean(values), min(values), max(values)] if seconds else []
        cells = [f"{one:.1f}" for one in shown] or ["", "", ""]
        spent = f"{seconds:.0f}" if seconds else ""
        lines.append(
            f"| {name} | {rank_correlation(values, top1):.2f} | {' | '.join(cells)} | {spent} |"
        )
    text = "\n".join(lines) + "\n"
    (RESULTS / "sharing.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
