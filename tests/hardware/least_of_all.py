"""The optimum by brute force: the least value of all mappings that are given, each evaluated."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from steelyard.errors import InputError, UsageError
from steelyard.hardware.evaluate import evaluate
from steelyard.hardware.mapper_answer import OBJECTIVES, Objective, objective_value
from steelyard.hardware.mapping import Mapping
from steelyard.hardware.mapspace import Mapspace

SECOND: dict[Objective, Objective] = {
    "energy": "latency",
    "latency": "energy",
    "dram": "energy",
    "edp": "edp",
}


def least(space: Mapspace, mappings: Iterable[Mapping]) -> dict[Objective, tuple[float, float]]:
    """By objective its least value, and of equally good mappings the least of the second one."""
    best: dict[Objective, tuple[float, float]] = dict.fromkeys(OBJECTIVES, (inf, inf))
    for mapping in mappings:
        try:
            found = evaluate(space.problem, mapping, space.device)
        except (InputError, UsageError):  # a tile or an array that is too large
            continue
        for objective in OBJECTIVES:
            value = float(f"{objective_value(found, objective):.10g}")
            other = objective_value(found, SECOND[objective])
            best[objective] = min(best[objective], (value, other))
    return best
