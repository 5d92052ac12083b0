"""The latency predictor, judged on networks of whole families that it has not seen.

    ``python benchmarks/predictor_networks.py``               first: measures the networks
    ``python benchmarks/predictor.py --probes eager=90``      times random networks for so many seconds; can be repeated
    ``python benchmarks/predictor.py``                        learns, predicts every network, and writes the table

All that is timed wants a quiet machine, and is kept in JSON lines, so that it can be done in several spells. Operators
are learnt from random networks only. What is fitted on networks of the zoo is fitted without the family of the network
that is predicted: the correction (a slope for each group of operators, and a time for each operator), its interval, and the two baselines, MACs (a
constant and a time a MAC) and a roofline (a constant, a time an operator, and a rate of computing or of memory,
whichever is slower, operator by operator). A network's measured time is the least of the medians of its spells: what
else a shared machine does only ever adds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import HERE, machine, markdown, publish
from predictor_networks import BACKENDS, NETWORKS, family, load_rows

PROBES = HERE.parent / "out"
GOALS = {"eager": (0.07, 0.8), "onnxruntime": (0.10, None)}


@dataclass
class Case:
    """One network in one backend.

    Attributes:
        network, family: what is left out together has the same family.
        reference: for the correction.
        measured_s: least of its rows.
        apart: largest over smallest of its rows, minus 1; None with one row.
        macs, moved: MACs and bytes of each operator that runs.
        took_s: of the prediction.
        strange: what the calibration does not know.
    """

    network: str
    family: str
    reference: Any
    measured_s: float
    apart: float | None
    macs: np.ndarray
    moved: np.ndarray
    took_s: float
    strange: str


def cases(backend: str, known: Any) -> list[Case]:
    """Every measured network with its prediction."""
    import steelyard as sy
    from steelyard.measure.predictor.api import reference
    from steelyard.measure.predictor.prediction import predict, works_of

    found = []
    rows = [row for row in load_rows() if row["backend"] == backend]
    for network in NETWORKS:
        own = [row["median_s"] for row in rows if row["network"] == network]
        if not own:
            continue
        load = sy.capture(network)
        predict(load, known)  # the first of a process is slower
        said = predict(load, known)
        works, _ = works_of(load, backend, known.record.environment)
        one = reference(network, backend, min(own), known.model, family(network))
        found.append(
            Case(
                network, one.family, one, min(own), max(own) / min(own) - 1 if len(own) > 1 else None,
                np.array([w.macs for w in works]), 4 * np.array([w.read + w.written + w.weights for w in works]),
                said.took_s, "; ".join(said.warnings),
            )
        )  # fmt: skip
    return found


Fit = Callable[[Sequence[Case]], Callable[[Case], float]]


def by_macs(others: Sequence[Case]) -> Callable[[Case], float]:
    """A constant and a time a MAC, least squares of the relative error."""
    sizes = np.array([[1.0, case.macs.sum()] for case in others])
    costs = relative_fit(sizes, np.array([case.measured_s for case in others]))
    return lambda case: float(np.array([1.0, case.macs.sum()]) @ costs)


def by_roofline(others: Sequence[Case]) -> Callable[[Case], float]:
    """Each operator takes as long as its MACs or its bytes at the fitted rates, whichever is longer, and a call."""
    measured = np.array([case.measured_s for case in others])
    best: tuple[float, float, np.ndarray] = (np.inf, 0.0, np.zeros(3))
    for balance in 2.0 ** np.arange(-3, 7, 0.5):  # MACs in the time of one byte
        sizes = np.array([roofline_terms(case, balance) for case in others])
        costs = relative_fit(sizes, measured)
        error = float(np.mean((sizes @ costs / measured - 1) ** 2))
        if error < best[0]:
            best = (error, balance, costs)
    return lambda case: float(roofline_terms(case, best[1]) @ best[2])


def roofline_terms(case: Case, balance: float) -> np.ndarray:
    return np.array([1.0, len(case.macs), np.maximum(case.macs, balance * case.moved).sum()])


def relative_fit(sizes: np.ndarray, measured: np.ndarray) -> np.ndarray:
    from scipy.optimize import nnls

    scale = sizes.max(axis=0)
    costs, _ = nnls(sizes / scale / measured[:, None], np.ones(len(measured)))
    return costs / scale


def left_out(found: Sequence[Case], fit: Fit) -> list[float]:
    """What a baseline says of each network, fitted on all other families."""
    said = []
    for case in found:
        others = [other for other in found if other.family != case.family]
        said.append(fit(others)(case))
    return said


def errors(said: Sequence[float], found: Sequence[Case]) -> np.ndarray:
    return np.array([s / case.measured_s - 1 for s, case in zip(said, found, strict=True)])


def summary(name: str, off: np.ndarray) -> list[str]:
    away = np.abs(off)
    return [
        name, f"{away.mean():.1%}", f"{np.median(away):.1%}", f"{np.mean(away <= 0.1):.0%}", f"{np.mean(away <= 0.2):.0%}",
        f"{np.median(off):+.1%}",
    ]  # fmt: skip


def part(backend: str, known: Any) -> str:
    """The tables of one backend."""
    from steelyard.measure.predictor.calibration import reach
    from steelyard.measure.predictor.correction import left_out as left_out_of_correction
    from steelyard.measure.predictor.prediction import LEVEL

    found = cases(backend, known)
    record = known.record
    off = np.array(left_out_of_correction([case.reference for case in found]))
    said_s = [case.measured_s * (1 + o) for case, o in zip(found, off, strict=True)]
    factors = [
        reach([o for o, c in zip(off, found, strict=True) if c.family != case.family], LEVEL)
        for case in found
    ]
    plain = np.array([sum(c.reference.summed_s) / c.measured_s - 1 for c in found])
    header = ["", "MAPE", "median error", "within 10 %", "within 20 %", "bias"]
    lines = [
        summary("predictor", off),
        summary("its operators, added up", plain),
        summary("roofline, fitted", errors(left_out(found, by_roofline), found)),
        summary("MACs, fitted", errors(left_out(found, by_macs), found)),
    ]
    inside = np.mean([1 / f <= 1 / (1 + o) <= f for f, o in zip(factors, off, strict=True)])
    families = len({case.family for case in found})
    again = [case.apart for case in found if case.apart is not None]
    mape, share = GOALS[backend]
    goal = f"goal: MAPE of {mape:.0%} at most" + (f", {share:.0%} within 10 %" if share else "")
    met = np.abs(off).mean() <= mape and (share is None or np.mean(np.abs(off) <= 0.1) >= share)
    rows = [
        [c.network, c.family, f"{c.measured_s * 1e3:.2f}", f"{s * 1e3:.2f}", f"{o:+.1%}",
         f"{s / f * 1e3:.2f} .. {s * f * 1e3:.2f}", "" if c.apart is None else f"{c.apart:.0%}"]
        for c, s, o, f in sorted(zip(found, said_s, off, factors, strict=True), key=lambda row: -abs(row[2]))
    ]  # fmt: skip
    said = [
        f"## {backend}\n",
        f"{len(found)} networks of {families} families; {goal}: {'met' if met else 'missed'}.\n",
        markdown(header, lines),
        f"\nIntervals said to hold 80 % held {inside:.0%}. A prediction took "
        f"{1e3 * np.median([c.took_s for c in found]):.0f} ms from the workload on (median). Calibrated in "
        f"{record.duration_s:.0f} s: {record.operators:,} operators in {record.probes} random networks.",
    ]
    if again:
        said.append(
            f"Of {len(again)} networks measured in several quiet spells the times differed by {np.median(again):.0%} in the "
            f"median, {np.quantile(again, 0.9):.0%} for one in ten."
        )
    titles = [
        "network",
        "left out with",
        "measured, ms",
        "predicted, ms",
        "error",
        "80 % interval, ms",
        "measured apart",
    ]
    return "\n".join([*said, "", markdown(titles, rows, left=2)]) + "\n"


def take(backend: str, seconds: float) -> None:
    """Times probes, numbered on from those that are there."""
    from steelyard.measure.child import available_cores
    from steelyard.measure.predictor.worker import Prober

    path = PROBES / f"predictor_probes_{backend}.jsonl"
    rows = read(path)
    first = max((row["seed"] for row in rows), default=-1) + 1
    begun = time.perf_counter()
    with closing(Prober(backend, available_cores())) as prober, path.open("a") as file:
        while (over := time.perf_counter() - begun) < seconds:
            for row in prober.take(min(5.0, seconds - over), first):
                first = row["seed"] + 1
                file.write(json.dumps({**row, "spell_s": seconds}) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def calibration(backend: str) -> Any:
    """What `steelyard calibrate` would have learnt from these probes."""
    from steelyard.measure.child import available_cores
    from steelyard.measure.environment import environment
    from steelyard.measure.predictor.api import learnt, quiet_samples
    from steelyard.measure.predictor.calibration import Calibration, Record

    begun = time.perf_counter()
    rows = read(PROBES / f"predictor_probes_{backend}.jsonl")
    samples = quiet_samples(backend, rows)
    model, off = learnt(samples)
    spent = sum({row["spell_s"] for row in rows})
    record = Record(
        backend, available_cores(), time.strftime("%Y-%m-%d"), spent + time.perf_counter() - begun, (None, None),
        len(samples), sum(len(s.works) for s in samples), off, (), environment(),
    )  # fmt: skip
    return Calibration(record, model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--probes", metavar="BACKEND=SECONDS", help="time random networks, no more")
    asked = parser.parse_args()
    if asked.probes:
        backend, _, seconds = asked.probes.partition("=")
        take(backend, float(seconds))
        return
    parts = ["# Latency predicted without running\n", __doc__.split("\n\n", 2)[2].strip() + "\n"]
    parts += [part(backend, calibration(backend)) for backend in BACKENDS]
    publish("predictor.md", "\n".join(parts) + f"\n{machine()}")


if __name__ == "__main__":
    main()
