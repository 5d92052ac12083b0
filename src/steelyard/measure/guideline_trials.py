"""`guideline_trials`: ShuffleNet V2's experiments G1 to G4 repeated on this machine, and which guidelines hold here.

Protocol of Ma et al. 2018, section 2: networks of ten blocks on 56x56 maps with equal MACs within an experiment,
batch 1, one thread. Networks of an experiment take turns, in an order drawn anew each round; speeds are compared
within a round, so that what else the machine does meets both sides of a ratio.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from steelyard._display import Printable
from steelyard.errors import UnknownNameError, UsageError
from steelyard.measure.backend import Setting
from steelyard.measure.environment import environment, load_average
from steelyard.measure.guideline_designs import CLAIMS, Design, designs
from steelyard.measure.timing import Timing

Outcome = Literal["holds here", "does not hold here", "cannot be told (noise)"]

ALIKE = 0.02
"""Speeds within this share of each other are alike: then a guideline does not hold."""

WARM_UP_S = 2.0
"""Of each network, at most."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class TrialRow:
    """One network of an experiment.

    Attributes:
        guideline: G1, G2, G3 or G4.
        row: as the paper's tables call it; the first of an experiment keeps to the guideline.
        channels: of its convolutions.
        macs: of one inference.
        timing: every inference.
        ratios: in each round, its speed over that of the experiment's first network.
        arm: the same ratio on the paper's Snapdragon 810.
        gpu: on its GTX 1080 Ti.
    """

    guideline: str
    row: str
    channels: str
    macs: int
    timing: Timing
    ratios: Timing
    arm: float
    gpu: float

    @property
    def relative(self) -> float:
        """Speed over that of the experiment's first network: the median over the rounds."""
        return self.ratios.median_s

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval by bootstrap over the rounds."""
        return self.ratios.interval_s or (0.0, float("inf"))

    @property
    def outcome(self) -> Outcome:
        """Whether it is slower, as its guideline says."""
        return judge(*self.interval)


@dataclass(frozen=True)
class GuidelineTrials(Printable):
    """All experiments.

    Attributes:
        rows: in the order of the paper's tables.
        scale: of the channels.
        batch: samples in an inference.
        threads: of the computation.
        ran: what computed.
        environment: the machine and its libraries.
        warnings: what speaks against the figures.
    """

    rows: tuple[TrialRow, ...]
    scale: int
    batch: int
    threads: int
    ran: str
    environment: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def outcomes(self) -> dict[str, tuple[TrialRow, Outcome]]:
        """By guideline: the network that goes furthest against it, which is its experiment's last, and what came out."""
        last = {row.guideline: row for row in self.rows}
        return {guideline: (row, row.outcome) for guideline, row in last.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.guideline-trials/1``."""
        return {
            "schema": "steelyard.guideline-trials/1",
            "scale": self.scale,
            "batch": self.batch,
            "threads": self.threads,
            "ran": self.ran,
            "environment": dict(self.environment),
            "warnings": list(self.warnings),
            "outcomes": {
                guideline: {"claim": CLAIMS[guideline], "row": row.row, "outcome": outcome}
                for guideline, (row, outcome) in self.outcomes().items()
            },
            "rows": [
                {
                    "guideline": row.guideline,
                    "row": row.row,
                    "channels": row.channels,
                    "macs": row.macs,
                    "median_s": row.timing.median_s,
                    "relative": row.relative,
                    "interval": list(row.interval),
                    "outcome": row.outcome,
                    "arm": row.arm,
                    "gpu": row.gpu,
                    "samples_s": list(row.timing.samples_s),
                }
                for row in self.rows
            ],
        }


def judge(low: float, high: float) -> Outcome:
    """What the interval of a relative speed says of a guideline that promises less than 1.

    >>> judge(0.7, 0.9), judge(0.99, 1.01), judge(0.8, 1.1)
    ('holds here', 'does not hold here', 'cannot be told (noise)')
    """
    if high < 1:
        return "holds here"
    if low > 1 or (low > 1 - ALIKE and high < 1 + ALIKE):
        return "does not hold here"
    return "cannot be told (noise)"


def guideline_trials(
    *,
    guidelines: Sequence[str] = tuple(CLAIMS),
    scale: int = 1,
    backend: str = "eager",
    batch: int = 1,
    threads: int = 1,
    rounds: int = 40,
    burst_s: float = 0.03,
    progress: Progress | None = None,
) -> GuidelineTrials:
    """Repeats the experiments of ShuffleNet V2 (Ma et al. 2018, tables 1 to 4) on this machine; a minute or two.

    Args:
        guidelines: which.
        scale: 1, 2 or 4: times the channels of the paper's mobile columns.
        backend: name and options, as in `measure`.
        batch: samples in an inference.
        threads: of the computation.
        rounds: turns of each network.
        burst_s: a network runs at least so long in one turn.
        progress: told what is being done and which share of all is done.

    Raises:
        UsageError: an impossible number.
        UnknownNameError: no such guideline or backend.
        BackendError: the backend is missing or failed.
    """
    Setting.parse(backend)
    for guideline in guidelines:
        if guideline not in CLAIMS:
            raise UnknownNameError("guideline", guideline, tuple(CLAIMS))
    if rounds < 5 or threads < 1 or batch < 1:
        raise UsageError(
            f"{rounds} rounds, {threads} threads, batch {batch}",
            expected="at least 5 rounds, 1 thread, 1 sample",
        )
    wanted = [design for design in designs(scale) if design.guideline in guidelines]
    groups = [[d for d in wanted if d.guideline == guideline] for guideline in CLAIMS]
    groups = [group for group in groups if group]
    rows: list[TrialRow] = []
    ran = ""
    with _threads(threads):
        for number, group in enumerate(groups):

            def tell(share: float, number: int = number, which: str = group[0].guideline) -> None:
                if progress is not None:
                    progress(f"measuring {which}", (number + share) / len(groups))

            found, ran = _experiment(group, backend, batch, rounds, burst_s, tell)
            rows += found
    return GuidelineTrials(
        tuple(rows), scale, batch, threads, ran, environment(), _warnings(rows, threads)
    )


def _experiment(
    group: Sequence[Design],
    backend: str,
    batch: int,
    rounds: int,
    burst_s: float,
    tell: Callable[[float], None],
) -> tuple[list[TrialRow], str]:
    from steelyard.capture.api import capture
    from steelyard.measure.session import Job, Session

    order = random.Random(0)  # noqa: S311  (an order, no secret)
    with ExitStack() as opened:
        sessions, macs, ran = [], [], ""
        for design in group:
            model = design.make()
            load = capture(model, input_shape=model.input_shape, batch=batch)  # type: ignore[arg-type]
            macs.append(load.macs)
            job = Job("", backend, batch, warmup_s=WARM_UP_S)
            sessions.append(opened.enter_context(Session(job, model)))
            ran = sessions[-1].prepare().ran
        samples: list[list[float]] = [[] for _ in group]
        turns: list[list[float]] = [[] for _ in group]
        for done in range(rounds):
            for index in order.sample(range(len(group)), len(group)):
                taken = sessions[index].samples(burst_s, 1)
                samples[index] += taken
                turns[index].append(median(taken))
            tell((done + 1) / rounds)
    first = group[0]
    return [
        TrialRow(
            design.guideline, design.row, design.channels, macs[i], Timing(tuple(samples[i])),
            Timing(tuple(base / own for base, own in zip(turns[0], turns[i], strict=True))),
            design.arm_speed / first.arm_speed, design.gpu_speed / first.gpu_speed,
        )
        for i, design in enumerate(group)
    ], ran  # fmt: skip


def _warnings(rows: Sequence[TrialRow], threads: int) -> tuple[str, ...]:
    load = load_average()
    found = []
    if load is not None and load > 1.25 * threads:
        found.append(f"the load of the machine is {load:.1f}: other programs are at work")
    wide = [row for row in rows if row.interval[1] - row.interval[0] > 0.2]
    if wide:
        found.append(f"{len(wide)} of {len(rows)} ratios are known to 0.1 only: more rounds help")
    return tuple(found)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
