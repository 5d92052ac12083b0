"""How many candidates a CPU second does a search cost, and predict the latency of, part by part?

Run: ``python benchmarks/search.py [--candidates 2000]``. Writes results/search.md. Latencies need a calibration of this
machine (``steelyard calibrate --backend onnxruntime``); without one only costs are timed. The first table tells CPU time,
not the clock's, so that a busy machine hardly matters; the second is two processes on two cores by the clock, and
wants a quiet machine.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from common import in_child, machine, markdown, publish
from steelyard.design.search.parts import PartCosts, captured, counts_of
from steelyard.design.spaces import Point, SearchSpace, space_from
from steelyard.errors import SteelyardError
from steelyard.measure.child import available_cores
from steelyard.measure.predictor.calibration import check_machine, find_calibration
from steelyard.measure.predictor.prediction import predict

WHOLE = 24
"""Networks that are captured as a whole, to compare with."""

SPACES: dict[str, dict[str, Any]] = {
    "mobile, 7 stages": {
        "kind": "mobile",
        "resolution": [192, 224],
        "stage": [
            {"channels": [16], "expansion": [1]},
            *(
                {
                    "channels": [c, c + 8], "repeats": [2, 3, 4], "kernel": [3, 5, 7], "expansion": [3, 6],
                    "se": [0, 0.25], "stride": s,
                }
                for c, s in ((24, 2), (40, 2), (80, 2), (96, 1), (192, 2), (320, 1))
            ),
        ],
    },
    "shuffle, 3 stages": {
        "kind": "shuffle",
        "resolution": [192, 224],
        "stage": [
            {"channels": [48, 96, 116], "repeats": [2, 4, 6]},
            {"channels": [120, 192, 232], "repeats": [4, 8, 12]},
            {"channels": [240, 384, 464], "repeats": [2, 4, 6]},
        ],
    },
    "regnet": {
        "kind": "regnet",
        "depth": list(range(12, 25, 2)),
        "initial": [24, 32, 48],
        "slope": [24, 36, 48],
        "quantisation": [2.25, 2.5, 2.75],
        "group_width": [8, 16],
        "resolution": [192, 224],
    },
}  # fmt: skip


def rate(function: Callable[[Point], object], points: Sequence[Point]) -> float:
    """Points a CPU second."""
    begun = time.process_time()
    for point in points:
        function(point)
    return len(points) / (time.process_time() - begun)


def calibrations() -> dict[str, Any]:
    """Of this machine."""
    found = {}
    for backend in ("onnxruntime", "eager"):
        with suppress(SteelyardError):
            known = find_calibration(backend, available_cores())
            check_machine(known)
            found[backend] = known
    return found


def of_space(name: str, given: dict[str, Any], count: int) -> tuple[list[list[str]], list[str]]:
    """Rows of the table, and lines about latencies."""
    space = space_from(given, name)
    random = Random(1)
    points = [space.sample(random) for _ in range(2 * count)]
    rows, lines = [], []
    known = calibrations()
    for backend in known or {"": None}:
        costs = PartCosts(space, known.get(backend))

        def both(point: Point, costs: PartCosts = costs) -> tuple[Any, float | None]:
            return costs(point), costs.latency_s(point)

        cold = rate(both, points[:count])
        warm = rate(both, points[count:])
        same = sum(costs(p) == counts_of(captured(space, p)) for p in points[:WHOLE])
        whole = rate(lambda p: counts_of(captured(space, p)), points[:WHOLE])
        what = f"costs, latency in {backend}" if backend else "costs"
        rows.append([
            name, f"{space.size:.2g}", what, f"{cold:,.0f}", f"{warm:,.0f}",
            f"{2 / (1 / cold + 1 / warm):,.0f}", f"{costs.remembered:,}",
            f"{whole:,.0f}", f"{same} of {WHOLE}",
        ])  # fmt: skip
        if backend:
            lines.append(latencies(name, backend, space, costs, known[backend], points))
    return rows, lines


def on_two_cores(space: SearchSpace, known: Any, points: Sequence[Point]) -> list[float]:
    """Candidates a second of the clock by two processes, a core for each and half of the points: first, then others."""
    context = multiprocessing.get_context("fork")
    workers, ends = [], []
    for core in (0, 1):
        ours, theirs = context.Pipe()
        mine = points[core::2]
        worker = context.Process(target=_half, args=(theirs, core, space, known, mine), daemon=True)
        worker.start()
        workers.append(worker)
        ends.append(ours)
    rates = []
    for end in ends:
        end.recv()
    for _ in range(2):
        begun = time.perf_counter()
        for end in ends:
            end.send("go")
        for end in ends:
            end.recv()
        rates.append(len(points) / 2 / (time.perf_counter() - begun))
    for worker in workers:
        worker.join()
    return rates


def _half(end: Any, core: int, space: SearchSpace, known: Any, points: Sequence[Point]) -> None:
    """One of the two: nothing is remembered at first, and nothing is told to the other."""
    os.sched_setaffinity(0, {core})
    costs = PartCosts(space, known)
    end.send("ready")
    for part in (points[: len(points) // 2], points[len(points) // 2 :]):
        end.recv()
        for point in part:
            costs(point)
            costs.latency_s(point)
        end.send("done")


def two_cores(name: str, given: dict[str, Any], count: int) -> list[list[str]]:
    """Rows of the second table: each process costs half of the first candidates, or as many by itself."""
    space = space_from(given, name)
    random = Random(2)
    rows = []
    for backend, known in calibrations().items():
        rates = []
        for each in (count // 2, count):
            points = [space.sample(random) for _ in range(4 * each)]
            rates += on_two_cores(space, known, points)
        rows.append([name, f"costs, latency in {backend}", *(f"{rate:,.0f}" for rate in rates)])
    return rows


def latencies(
    name: str, backend: str, space: Any, costs: PartCosts, known: Any, points: Sequence[Point]
) -> str:
    """How near the sum over parts is to the prediction of whole networks."""
    ours = [costs.latency_s(p) or 0.0 for p in points[: 3 * WHOLE]]
    whole = [predict(captured(space, p), known).seconds for p in points[: 3 * WHOLE]]
    apart = [abs(a / b - 1) for a, b in zip(ours, whole, strict=True)]
    return (
        f"- {name}, {backend}: {median(apart):.1%} apart in the median, {max(apart):.1%} at most, rank correlation "
        f"{spearman(ours, whole):.3f}, {len(ours)} networks."
    )


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Of values without ties."""
    places = [
        {i: rank for rank, i in enumerate(sorted(range(len(v)), key=v.__getitem__))}
        for v in (one, other)
    ]
    n = len(one)
    squares = sum((places[0][i] - places[1][i]) ** 2 for i in range(n))
    return 1 - 6 * squares / (n * (n * n - 1))


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=2000, help="in each half")
    count = parser.parse_args().candidates
    rows, lines, both = [], [], []
    for name, given in SPACES.items():
        both += two_cores(name, given, count)
        status, found = in_child(lambda n=name, g=given: of_space(n, g, count), limit_s=600)
        if status != "ok":
            print(f"{name}: {found}", file=sys.stderr)
            continue
        rows += found[0]
        lines += found[1]
    header = (
        "space", "networks", "what", "a CPU second, first", "then", "both", "parts captured",
        "whole captures a CPU second", "equal to whole captures",
    )  # fmt: skip
    text = [
        "# Candidates a second\n",
        f"{machine()}\n",
        f"One process; the first {count:,} candidates of a search, whose parts are captured on the way, and {count:,} "
        "others. No weights are built. Costs are parameters, MACs, memory access and peak memory.\n",
        markdown(header, rows, left=3),
        "\nTwo processes, a core each, by the clock: candidates a second of both together. They share nothing, so that each "
        "captures nearly all parts itself.\n",
        markdown(
            (
                "space", "what", f"the first {count:,}, half each", f"the next {count:,}",
                f"the first {2 * count:,}, half each", f"the next {2 * count:,}",
            ),
            both, left=2,
        ) if both else "No calibration of this machine.",
        "\nLatency: the sum over parts against the prediction of the whole network.\n",
        "\n".join(lines) or "No calibration of this machine.",
    ]  # fmt: skip
    publish("search.md", "\n".join(text))


if __name__ == "__main__":
    main()
