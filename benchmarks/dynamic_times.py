"""What benchmarks/dynamic.py times: every network of a seed, with and without exits, in turns.

Processor time of one thread, so that other programs hardly count: images one at a time and in batches of 256, in
PyTorch and in ONNX Runtime, whose stages `prepare` exports. Images are of the half that thresholds were not solved on.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from torch import Tensor, nn

from common import RESULTS, machine
from dynamic_decisions import FEWER, PLAN, halves, within
from dynamic_subjects import Subject, best, exported, prepared
from steelyard.dynamic.combination import fit_combination
from steelyard.dynamic.combined_exits import CombinedExits
from steelyard.dynamic.engine import Engine, Stages, run_all
from steelyard.dynamic.torch_stages import TorchStages
from steelyard.measure.stages.exit_times import exit_times

TIMES = RESULTS / "dynamic_times.jsonl"
ROUNDS = 5
LOADS = ((1, 250), (256, 1280))
"""Batch, images of a round."""

_EXIT_SECONDS = 0.5
Program = Callable[[Tensor], Any]


def prepare(found: Mapping[int, list[Subject]], runs: Path) -> None:
    """Exports what is to be timed; loading the networks has run the test images through them."""
    for seed, several in found.items():
        for one in several:
            exported(deciding(one), place(one, seed, runs))


def place(one: Subject, seed: int, runs: Path) -> Path:
    """Where a network's stages are."""
    name = "".join(c if c.isalnum() else "_" for c in one.name)
    return runs / "stages" / f"{name}_{seed}"


def deciding(one: Subject) -> nn.Module:
    """The network as it is timed: with its exits combined, by weights of the half for solving."""
    if len(one.macs) == 1:
        return one.network
    solve, _ = halves(one.outputs.samples)[0]
    return CombinedExits(one.network, fit_combination(one.outputs.rows(solve))).eval()


def time_all(found: Mapping[int, list[Subject]], runs: Path) -> None:
    """Writes a row for each network, runtime and batch."""
    rows = []
    for seed, several in found.items():
        for runtime in ("eager", "ONNX Runtime"):
            made = {one.name: _stages(one, seed, runs, runtime) for one in several}
            rows += [{"seed": seed, "runtime": runtime, **row} for row in _timed(several, made)]
    about = {"machine": machine(), "load": os.getloadavg()[0], "cores": os.cpu_count()}
    TIMES.write_text("".join(json.dumps(row) + "\n" for row in (about, *rows)), encoding="utf-8")


def _stages(one: Subject, seed: int, runs: Path, runtime: str) -> Stages:
    if runtime == "eager":
        return TorchStages(deciding(one))
    return exported(deciding(one), place(one, seed, runs))


def _timed(several: list[Subject], made: Mapping[str, Stages]) -> Iterator[dict[str, Any]]:
    """Medians of rounds in which all networks take turns; times less: than the best network without exits."""
    reference = best(several)
    solve, judge = halves(reference.outputs.samples)[0]
    programs: dict[str, Program] = {}
    for one in several:
        stages = made[one.name]
        if len(one.macs) == 1:
            programs[one.name] = lambda x, s=stages: run_all(s, x)
        else:
            half = one.outputs.rows(solve)
            budget = reference.macs[-1] / FEWER
            found = within(PLAN.prepared(half, half), one.macs, budget, PLAN)
            programs[one.name] = Engine(stages, found).run
    for batch, number in LOADS:
        parts = prepared()[judge][:number].split(batch)
        taken: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(ROUNDS + 1):  # the first warms up
            for name, program in programs.items():
                taken[name].append(_seconds(program, parts))
        for one in several:
            ratios = [a / b for a, b in zip(taken[reference.name], taken[one.name], strict=True)]
            row = {
                "network": one.name, "batch": batch, "ms": 1e3 * median(taken[one.name][1:]) / number,
                "times_less": median(ratios[1:]), "than": reference.name,
            }  # fmt: skip
            yield row | ({"exits_ms": _exits(made[one.name], parts[0])} if batch == 1 else {})


def _exits(stages: Stages, image: Tensor) -> list[float]:
    """ms from the start to each exit's decision."""
    found = exit_times(stages, image, budget_s=_EXIT_SECONDS, clock=time.process_time)
    return [1e3 * one.median_s for one in found]


def _seconds(program: Program, parts: tuple[Tensor, ...]) -> float:
    begun = time.process_time()
    for part in parts:
        program(part)
    return time.process_time() - begun
