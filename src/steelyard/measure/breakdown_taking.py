"""`split`: runs a prepared session under its runtime's profiler and joins what ran to the captured workload."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from steelyard.capture.api import capture
from steelyard.cost import CostReport
from steelyard.measure.backend import Setting
from steelyard.measure.backends.eager import TorchRunner
from steelyard.measure.breakdown import Breakdown, Part
from steelyard.measure.eager_profile import eager_runs
from steelyard.measure.fused import fused_parts
from steelyard.measure.joining import Joined, Run, join
from steelyard.measure.operator_kinds import kind_of
from steelyard.measure.runtime_profiles import runtime_runs
from steelyard.measure.session import Session
from steelyard.workload import Workload

BETWEEN = "between operators"


def split(session: Session, runs: int) -> Breakdown:
    """The time of one inference, by operator.

    Args:
        session: prepared.
        runs: inferences under the profiler, and as many without.
    """
    import torch

    program, runner = session.loaded()
    setting = Setting.parse(session.job.setting)
    plain = session.samples(0.0, runs)
    if isinstance(runner, TorchRunner):
        load = capture(runner.model, inputs=runner.inputs, name=program.name)  # type: ignore[arg-type]
        taken = eager_runs(runner.run, runs)
        kept, warnings = same(taken)
        parts, absent = parts_of(load, kept, join(kept[0].events, load.layers))
    else:
        with session.seated():
            load, taken, named = runtime_runs(program, setting, runs)
        kept, warnings = same(taken)
        parts, absent = fused_parts(load, kept, named)
    if setting.precision != "float32":
        warnings = (*warnings, "bytes and the ceilings are those of float32")
    return Breakdown(
        network=program.name,
        setting=str(setting),
        ran=runner.ran,
        batch=session.job.batch,
        threads=torch.get_num_threads(),
        parts=parts,
        median_s=median(plain),
        profiled_s=tuple(run.seconds for run in kept),
        statistic="mean" if setting.backend == "openvino" else "median",
        runs=runs if setting.backend == "openvino" else len(kept),
        absent=absent,
        warnings=warnings,
    )


def same(runs: Sequence[Run]) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """The runs that did the same as most, and what is to be said if some did not."""
    shapes = [tuple(event.op for event in run.events) for run in runs]
    usual, number = Counter(shapes).most_common(1)[0]
    if number == len(runs):
        return tuple(runs), ()
    kept = tuple(run for run, shape in zip(runs, shapes, strict=True) if shape == usual)
    return kept, (
        f"{len(runs) - number} of {len(runs)} runs did other operators and were left out",
    )


def parts_of(
    load: Workload, runs: Sequence[Run], joined: Sequence[Joined]
) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Parts in order of execution, their seconds medians over the runs; and the layers that none computes.

    What an event costs is divided among the layers that it computes; the time between events is a part.
    """
    rows = CostReport(load).rows
    parts: list[Part] = []
    seen: set[int] = set()
    for one in joined:
        event = runs[0].events[one.event]
        seconds = median(run.events[one.event].seconds for run in runs)
        if not one.layers:
            parts.append(Part(event.name, event.op, "outside", seconds))
        for index, share in zip(one.layers, one.shares, strict=True):
            row = rows[index]
            parts.append(
                Part(
                    row.name,
                    event.op,
                    kind_of(row.layer),
                    seconds * share,
                    row.cost.macs,
                    row.cost.access_bytes,
                )
            )
            seen.add(index)
    between = median(run.seconds - sum(event.seconds for event in run.events) for run in runs)
    parts.append(Part("", BETWEEN, "between", between))
    return tuple(parts), tuple(row.name for i, row in enumerate(rows) if i not in seen)
