"""What a search says of its proxies is what the table of trained networks says."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from scipy.stats import spearmanr

from steelyard.design.search.proxies import NASWOT, SHORT_TRAINING, Ranking

TABLE = Path(__file__).parents[3] / "benchmarks" / "results" / "tabulated_space.csv"


def columns(proxy: str) -> tuple[list[float], list[float]]:
    """A proxy and the accuracy after the full training of every network that has both."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    full = {row["point"]: row for row in rows if row["kind"] == "full" and row["seed"] == "1"}
    if proxy == "short":
        found = {row["point"]: float(row["top1"]) for row in rows if row["kind"] == "short"}
    else:
        found = {point: float(row[proxy]) for point, row in full.items()}
    return list(found.values()), [float(full[point]["top1"]) for point in found]


@pytest.mark.parametrize(("proxy", "said"), [("naswot", NASWOT), ("short", SHORT_TRAINING)])
def test_rankings_are_those_of_the_table(proxy: str, said: Ranking) -> None:
    scores, accuracies = columns(proxy)
    assert said.networks == len(scores)
    assert said.spearman == pytest.approx(spearmanr(scores, accuracies).statistic, abs=0.005)
