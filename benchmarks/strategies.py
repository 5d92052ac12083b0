"""How many networks must each strategy train to find one of the best, and how well do proxies rank them?

Looks everything up in results/tabulated_space.csv, which benchmarks/tabulated_space.py trains. Each strategy searches it
from 20 seeds, as `steelyard search` would: a network that was there before is not trained again and costs nothing.

    python benchmarks/strategies.py   # 4 CPU minutes

Writes results/strategies.md and docs/pictures/strategies.png. Needs the extras `search` and `plots`.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable, Mapping, Sequence
from statistics import mean, median, stdev
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from scipy.stats import kendalltau, spearmanr

import steelyard as sy
from common import HERE, machine, markdown, publish
from steelyard.design.search import Evolution, Nsga2, RandomSearch, Strategy
from steelyard.design.search.reinforce import Reinforce
from steelyard.design.search.strategies import LARGEST, SMALLEST, population_for
from steelyard.design.spaces import SearchSpace
from steelyard.report.figures import save_figure
from tabulated_space import FULL, SEEDS, SHORT, SPACE, TABLE, TRAINED_ON

RUNS = 20
"""Seeds of each strategy."""

NEAR = 0.1
"""Points of accuracy below the best that count as having found it."""

PROPOSALS = 20
"""Proposals of known networks in a row before one is taken again, as in `steelyard search`."""

MOST = 150
"""Networks that a search trains."""

ROUNDS = 2000
"""Of the bootstrap."""

BUDGETS = (25, 50, 100)
"""Evaluations after which strategies are compared."""

LENGTHS = (25, 50, 100, 150)
"""Networks of the searches by which rules for the population are compared."""

SEARCHES = 40
"""By evolution for each of them; by NSGA-II, which takes longer, `RUNS`."""

TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5)
PICTURE = HERE.parent / "docs" / "pictures" / "strategies.png"
COLOURS = ("#7a7a7a", "#1f6fb4", "#c0392b", "#2e8b57", "#8e44ad", "#d68910")

Maker = Callable[[SearchSpace, int, int], Strategy]
SIZE = population_for(MOST)
MAKERS: dict[str, Maker] = {
    "random": lambda space, seed, goals: RandomSearch(space, seed),
    "evolution": lambda space, seed, goals: Evolution(space, seed, population=SIZE),
    "evolution, population 50": lambda space, seed, goals: Evolution(space, seed),
    "NSGA-II": lambda space, seed, goals: Nsga2(space, seed, objectives=goals, population=SIZE),
    "NSGA-II, population 50": lambda space, seed, goals: Nsga2(space, seed, objectives=goals),
    "controller (REINFORCE)": lambda space, seed, goals: Reinforce(space, seed),
}

RULES: dict[str, Callable[[int], int]] = {
    "a quarter": lambda trials: min(max(trials // 4, SMALLEST), LARGEST),
    "a sixth (the default)": population_for,
    "an eighth": lambda trials: min(max(trials // 8, SMALLEST), LARGEST),
    "50": lambda trials: LARGEST,
}
"""Populations of a search of so many trials."""


class Row(NamedTuple):
    """A network of the table: accuracy in %, counts, proxies."""

    top1: float
    macs: float
    params: float
    naswot: float
    by_epoch: tuple[float, ...]


def table() -> tuple[dict[str, Row], dict[str, list[float]], dict[str, float]]:
    """Rows by point; accuracies of those with several seeds; accuracies after short trainings."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        every = list(csv.DictReader(file))
    found: dict[str, Row] = {}
    seeds: dict[str, list[float]] = {}
    short: dict[str, float] = {}
    for row in every:
        top1 = float(row["top1"])
        if row["kind"] == "short":
            short[row["point"]] = top1
            continue
        seeds.setdefault(row["point"], []).append(top1)
        if int(row["seed"]) == SEEDS[0]:
            epochs = tuple(map(float, row["top1_by_epoch"].split()))
            macs, params, naswot = (float(row[name]) for name in ("macs", "params", "naswot"))
            found[row["point"]] = Row(top1, macs, params, naswot, epochs)
    return found, {key: many for key, many in seeds.items() if len(many) == len(SEEDS)}, short


def visited(
    space: SearchSpace,
    strategy: Strategy,
    values: Mapping[str, tuple[float, ...]],
    most: int = MOST,
) -> list[str]:
    """At most ``most`` networks in the order in which the strategy has them trained; fewer if it proposes no new ones."""
    seen: dict[str, None] = {}
    again = number = 0
    while len(seen) < most and again < PROPOSALS:
        for attempt in range(PROPOSALS):
            proposal = strategy.propose(number, attempt)
            key = space.encode(proposal.point)
            if key not in seen:
                break
            if attempt < PROPOSALS - 1:
                strategy.tell(proposal, None)
        again = again + 1 if key in seen else 0
        seen[key] = None
        strategy.tell(proposal, values[key])
        number += 1
    return list(seen)


def best_so_far(order: Sequence[str], rows: Mapping[str, Row]) -> np.ndarray[Any, Any]:
    """Accuracy of the best network after 1, 2, ... `MOST` evaluations."""
    found = np.maximum.accumulate([rows[key].top1 for key in order])
    return np.pad(found, (0, MOST - len(found)), mode="edge")


def dominated(order: Sequence[str], rows: Mapping[str, Row]) -> np.ndarray[Any, Any]:
    """Share of the table's hypervolume of (error, MACs) after 1, 2, ... `MOST` evaluations."""
    worst = max(100 - row.top1 for row in rows.values()), max(row.macs for row in rows.values())

    def volume(points: list[tuple[float, float]]) -> float:
        total, edge = 0.0, worst[0]
        for macs, error in sorted(points):
            if error < edge:
                total += (edge - error) * (worst[1] - macs)
                edge = error
        return total

    pairs = {key: (row.macs, 100 - row.top1) for key, row in rows.items()}
    whole = volume(list(pairs.values()))
    found: list[float] = []
    front: list[tuple[float, float]] = []
    for key in order:
        if not any(m <= pairs[key][0] and e <= pairs[key][1] for m, e in front):
            front = [p for p in front if p[0] < pairs[key][0] or p[1] < pairs[key][1]] + [
                pairs[key]
            ]
        found.append(volume(front) / whole)
    return np.pad(found, (0, MOST - len(found)), mode="edge")


def band(samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Mean over runs and its 95 % interval by bootstrap: three rows."""
    drawn = np.random.default_rng(0).integers(0, len(samples), (ROUNDS, len(samples)))
    means = samples[drawn].mean(axis=1)
    return np.stack([samples.mean(axis=0), *np.quantile(means, (0.025, 0.975), axis=0)])


def until_near(curve: np.ndarray[Any, Any], best: float) -> float:
    """Evaluations until the best network is at most `NEAR` points away; infinite if that never comes."""
    there = np.flatnonzero(curve >= best - NEAR - 1e-9)
    return float(there[0] + 1) if len(there) else float("inf")


def interval(counts: Sequence[float]) -> tuple[float, float]:
    """95 % of the median over runs, by bootstrap."""
    drawn = np.random.default_rng(0).integers(0, len(counts), (ROUNDS, len(counts)))
    medians = np.median(np.array(counts)[drawn], axis=1)
    low, high = np.quantile(medians, (0.025, 0.975), method="nearest")
    return float(low), float(high)


def compared(
    space: SearchSpace, rows: Mapping[str, Row]
) -> tuple[list[list[str]], dict[str, Any], dict[str, Any]]:
    """Rows of the table, curves of the accuracy and of the hypervolume, by strategy."""
    best = max(row.top1 for row in rows.values())
    one = {key: (100 - row.top1,) for key, row in rows.items()}
    two = {key: (100 - row.top1, row.macs) for key, row in rows.items()}
    lines, accuracy, volume = [], {}, {}
    for name, make in MAKERS.items():
        orders = [visited(space, make(space, seed, 1), one) for seed in range(RUNS)]
        curves = np.stack([best_so_far(order, rows) for order in orders])
        volumes = np.stack([
            dominated(visited(space, make(space, seed, 2), two), rows) for seed in range(RUNS)
        ])  # fmt: skip
        counts = [until_near(curve, best) for curve in curves]
        never = sum(count == float("inf") for count in counts)
        low, high = interval(counts)
        accuracy[name], volume[name] = band(best - curves), band(volumes)
        lines.append([
            name, f"{median(counts):.0f} ({low:.0f} to {high:.0f})".replace("inf", f"over {MOST}"), f"{never} of {RUNS}",
            *(f"{accuracy[name][0][n - 1]:.2f}" for n in BUDGETS),
            *(f"{100 * volume[name][0][n - 1]:.1f}" for n in BUDGETS),
        ])  # fmt: skip
    return lines, accuracy, volume


def populations(space: SearchSpace, rows: Mapping[str, Row]) -> list[list[str]]:
    """What searches of several lengths end with, by the rule for their population: means and their 95 % intervals."""
    best = max(row.top1 for row in rows.values())
    one = {key: (100 - row.top1,) for key, row in rows.items()}
    two = {key: (100 - row.top1, row.macs) for key, row in rows.items()}

    def points(seed: int, size: int, length: int) -> float:
        order = visited(space, Evolution(space, seed, population=size), one, length)
        return best - float(best_so_far(order, rows)[-1])

    def share(seed: int, size: int, length: int) -> float:
        order = visited(space, Nsga2(space, seed, objectives=2, population=size), two, length)
        return 100 * float(dominated(order, rows)[-1])

    lines = []
    for name, found, runs, digits in (
        ("evolution", points, SEARCHES, 2),
        ("NSGA-II", share, RUNS, 1),
    ):
        for rule, size in RULES.items():
            cells = []
            for length in LENGTHS:
                ends = np.array([found(seed, size(length), length) for seed in range(runs)])
                middle, low, high = band(ends)
                cells.append(f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})")
            lines.append([name, rule, *cells])
    return lines


def ranked(rows: Mapping[str, Row], short: Mapping[str, float]) -> list[list[str]]:
    """How well proxies rank networks: Spearman's and Kendall's coefficients against the full training."""

    def line(name: str, cost: str, known: Mapping[str, float]) -> list[str]:
        pairs = [(value, rows[key].top1) for key, value in known.items()]
        rho, tau = spearmanr(*zip(*pairs, strict=True)), kendalltau(*zip(*pairs, strict=True))
        drawn = np.random.default_rng(0).integers(0, len(pairs), (ROUNDS, len(pairs)))
        array = np.array(pairs)
        many = [spearmanr(array[d, 0], array[d, 1]).statistic for d in drawn]
        low, high = np.quantile(many, (0.025, 0.975))
        return [
            name,
            cost,
            str(len(pairs)),
            f"{rho.statistic:.2f} ({low:.2f} to {high:.2f})",
            f"{tau.statistic:.2f}",
        ]

    return [
        line("MACs", "counted", {key: row.macs for key, row in rows.items()}),
        line("parameters", "counted", {key: row.params for key, row in rows.items()}),
        line("`naswot`", "one batch, untrained", {key: row.naswot for key, row in rows.items()}),
        line("`error`: a short training", f"{SHORT} of {FULL} epochs, its own schedule", short),
        line(f"the full training after epoch {SHORT}", f"{SHORT} of {FULL} epochs", {key: row.by_epoch[SHORT - 1] for key, row in rows.items()}),
    ]  # fmt: skip


def draw(figure: Any, accuracy: Mapping[str, Any], volume: Mapping[str, Any]) -> None:
    """Both curves with their bands."""
    figure.set_size_inches(10, 4.4)
    figure.suptitle(
        f"{RUNS} searches by each strategy; bands hold their mean with 95 %", fontsize=11, x=0.01, ha="left"
    )  # fmt: skip
    left, right = figure.subplots(1, 2)
    for axis, curves, scale in ((left, accuracy, 1), (right, volume, 100)):
        for (name, rows), colour in zip(curves.items(), COLOURS, strict=False):
            across = np.arange(1, rows.shape[1] + 1)
            dashed = "--" if "50" in name else "-"
            axis.plot(across, scale * rows[0], dashed, color=colour, label=name, linewidth=1.4)
            axis.fill_between(
                across, scale * rows[1], scale * rows[2], color=colour, alpha=0.15, linewidth=0
            )
        axis.set_xlabel("networks trained")
        axis.grid(color="#d5dbe1", linewidth=0.6)
        axis.set_xlim(1, MOST)
    left.set_ylabel("points of accuracy below the best network")
    left.set_yscale("log")
    left.set_ylim(0.03, 5)
    left.yaxis.set_major_locator(FixedLocator(TICKS))
    left.yaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in TICKS]))
    left.yaxis.set_minor_locator(NullLocator())
    left.axhline(NEAR, color="#555555", linewidth=0.8, linestyle=":")
    right.set_ylabel("hypervolume of (error, MACs), % of the whole front's")
    right.set_ylim(70, 100.5)
    left.legend(fontsize=8)


def noise(rows: Mapping[str, Row], seeds: Mapping[str, Sequence[float]]) -> str:
    """What another seed changes."""
    spread = mean(stdev(many) ** 2 for many in seeds.values()) ** 0.5
    among = stdev([row.top1 for row in rows.values()])
    pairs = [spearmanr([m[i] for m in seeds.values()], [m[j] for m in seeds.values()]).statistic for i, j in ((0, 1), (0, 2), (1, 2))]  # fmt: skip
    return (
        f"Another seed changes the accuracy of a network by {spread:.2f} points (standard deviation within "
        f"{len(seeds)} networks of {len(SEEDS)} seeds), while networks differ by {among:.2f}; the ranks of these networks "
        f"correlate by {mean(pairs):.2f} from seed to seed. The table has one value for each network, as a search would have "
        "found it: its best network is the best with this seed."
    )


def main() -> None:
    """Runs the searches and writes the page."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    space = sy.load_space(SPACE)
    rows, seeds, short = table()
    if len(rows) < space.size:
        raise SystemExit(
            f"{len(rows)} of {space.size} networks are trained: benchmarks/tabulated_space.py"
        )
    tops = sorted((row.top1 for row in rows.values()), reverse=True)
    near = sum(top1 >= tops[0] - NEAR - 1e-9 for top1 in tops)
    lines, accuracy, volume = compared(space, rows)
    save_figure(
        PICTURE, lambda figure: draw(figure, accuracy, volume), title="Strategies on a tabulated space"
    )  # fmt: skip
    head = (
        "strategy", f"networks until {NEAR} points from the best (95 % interval)", f"not in {MOST}",
        *(f"points short after {n}" for n in BUDGETS), *(f"hypervolume after {n} (%)" for n in BUDGETS),
    )  # fmt: skip
    publish(
        "strategies.md",
        f"""# Strategies and proxies on a tabulated space

All {len(rows)} networks of `benchmarks/tabulated_space.toml`, trained on the first {TRAINED_ON:,} training images of
Fashion-MNIST for {FULL} epochs by one recipe and tested on all 10,000 test images: {tops[-1]:.2f} to {tops[0]:.2f} %,
median {median(tops):.2f} %. Networks at most {NEAR} points below the best, the best among them: {near}.
{noise(rows, seeds)}

<!-- the page "What a search finds" shows what stands from here -->

{markdown(head, lines)}

{RUNS} searches by each strategy; medians with 95 % intervals, then means. A network that was proposed before is not trained
again and is not counted. Drawn without replacement, the first of {near} such networks among {len(rows)} comes after
{(len(rows) + 1) / (near + 1):.1f} in the mean. Evolution and NSGA-II have the population that they have by themselves in a
search of {MOST} trials, {SIZE}, but where the table says so.

<!-- to here -->

## Populations

<!-- populations from here -->

{markdown(("strategy", "population", *(f"{length} networks" for length in LENGTHS)), populations(space, rows), left=2)}

For evolution the points of accuracy that the best network found is below the best of all, means of {SEARCHES} searches; for
NSGA-II the share of the hypervolume of error and MACs in %, means of {RUNS}; 95 % intervals by bootstrap. Shares are of the
number of networks, at least {SMALLEST} and at most {LARGEST}.

<!-- populations to here -->

## Proxies

<!-- proxies from here -->

{markdown(("proxy", "takes", "networks", "Spearman (95 % interval)", "Kendall's tau-b"), ranked(rows, short), left=2)}

Rank correlation with the accuracy after the full training. Short trainings begin from the same seed as the full ones,
hence from the same weights.

<!-- proxies to here -->

{machine()}
""",
    )


if __name__ == "__main__":
    main()
