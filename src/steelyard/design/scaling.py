"""`scale`: larger and smaller relatives of a network by compound scaling, each with what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log2
from typing import Any

from steelyard._display import Printable
from steelyard.capture.api import capture
from steelyard.cost.counts import add_up, tally
from steelyard.cost.memory import peak_activation_memory
from steelyard.design.latency import Clock, clock, energy_device, energy_j
from steelyard.design.scaling_knobs import Factors, Knobs, factors_of, knobs_of
from steelyard.design.scaling_rules import Compound, Rule
from steelyard.errors import SteelyardError, UsageError
from steelyard.hardware.device import Accelerator
from steelyard.measure.api import measure_all
from steelyard.units import format_si, parse_count
from steelyard.workload import Workload

SCHEMA = "steelyard.scaling/1"

LEAST_PHI, MOST_PHI, STEP_PHI = -6.0, 10.0, 1.0
"""Where a target is looked for, and how far apart two looks are until it lies between."""

FINE_MACS, FINE_LATENCY = 0.002, 0.02
"""Of phi, when the search for a target ends."""

Progress = Callable[[str], None]
"""Told what is being done."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One network and what it costs.

    Attributes:
        source: the network as a SOURCE, for every other verb.
        label: how it came about: ``phi 3``, ``as efficientnet_b3``, ``given``.
        factors: of depth, width and resolution, before rounding.
        settings: keywords of `create`.
        params, macs: counted on the captured network.
        peak_bytes: of activations.
        growth: MACs over those of the network that was given.
        latency_s: of one inference, by the means that `Scaling.clock` says; None if that failed.
        measured_s: the median of measured inferences, where asked for.
        energy_j: of one inference, where asked for.
    """

    source: str
    label: str
    factors: Factors
    settings: Mapping[str, object]
    params: int
    macs: int
    peak_bytes: int
    growth: float
    latency_s: float | None = None
    measured_s: float | None = None
    energy_j: float | None = None


@dataclass(frozen=True, repr=False)
class Scaling(Printable):
    """A network and its relatives.

    Attributes:
        network: the network that was given.
        rule: how depth, width and resolution share.
        clock: where latencies come from.
        energy_device: whose energies are shown, "" for none.
        rows: the network itself, then the proposals.
        warnings: what a reader must know, each a sentence.
    """

    network: str
    rule: str
    clock: str
    energy_device: str
    rows: tuple[Proposal, ...]
    warnings: tuple[str, ...] = ()

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """All rows but the network itself."""
        return self.rows[1:]

    def to_dict(self) -> dict[str, Any]:
        """Plain data under the schema ``steelyard.scaling/1``."""
        return {
            "schema": SCHEMA,
            "network": self.network,
            "rule": self.rule,
            "clock": self.clock,
            "energy_device": self.energy_device or None,
            "rows": [_plain(row) for row in self.rows],
            "warnings": list(self.warnings),
        }

    def __repr__(self) -> str:
        return f"<Scaling of {self.network}: {len(self.proposals)} proposals>"


def _plain(row: Proposal) -> dict[str, Any]:
    return {
        "source": row.source,
        "label": row.label,
        "factors": {
            "depth": row.factors.depth,
            "width": row.factors.width,
            "resolution": row.factors.resolution,
            "macs": row.factors.macs,
        },
        "settings": {k: list(v) if isinstance(v, tuple) else v for k, v in row.settings.items()},
        "params": row.params,
        "macs": row.macs,
        "macs_ratio": row.growth,
        "peak_activation_bytes": row.peak_bytes,
        "latency_s": row.latency_s,
        "measured_s": row.measured_s,
        "energy_j": row.energy_j,
    }


def scale(
    network: str,
    *,
    phi: float | Sequence[float] = (),
    macs: str | float | None = None,
    latency_ms: float | None = None,
    like: str | Sequence[str] = (),
    rule: Rule | None = None,
    device: str = "cpu",
    energy: str | None = None,
    measured: bool = False,
    progress: Progress | None = None,
) -> Scaling:
    """Scales a network of the zoo, and says what each proposal costs.

    Example: ``scale("efficientnet_b0", phi=3)``, ``scale("mobilenet_v2", macs="4x", rule=Fast())``.

    Args:
        network: a name of the zoo, with settings if need be; its family must have settings for width, depth and
            resolution.
        phi: each gives a proposal of about 2^phi times the MACs; below 0 it shrinks.
        macs: multiply-accumulates to come nearest to: a count, ``"300M"``, or ``"4x"`` of the network's own.
        latency_ms: the largest proposal within this latency on ``device``.
        like: networks of the zoo whose own width, depth and resolution are taken over: ``"efficientnet_b3"``; the
            authors rounded theirs by hand.
        rule: `Compound` (the default) or `Fast`.
        device: ``cpu``, or another whose latency is told.
        energy: an accelerator whose energy is told.
        measured: measure all rows on this machine, side by side.
        progress: told what is being done.

    Raises:
        UsageError: nothing asked for, a family without such settings, or a target out of reach.
        UnknownNameError: no such network or device.
        BackendError: a latency that is asked for cannot be measured.
    """
    phis = [float(phi)] if isinstance(phi, (int, float)) else [float(one) for one in phi]
    likes = [like] if isinstance(like, str) else list(like)
    if not phis and not likes and macs is None and latency_ms is None:
        raise UsageError(
            "nothing to scale to",
            expected="phi, macs, latency_ms or like",
            hint="phi=1, or --phi 1",
        )
    found = _Scaler(network, rule or Compound(), device, energy, progress or (lambda doing: None))
    rows = [found.row("given", Factors())]
    rows += [found.row(f"phi {one:g}", found.rule.factors(_sane(one))) for one in phis]
    rows += [found.row(f"like {one}", found.over(factors_of(one))) for one in likes]
    if macs is not None:
        rows.append(found.with_macs(macs))
    if latency_ms is not None:
        rows.append(found.within(latency_ms))
    rows = [found.priced(row) for row in rows]
    if measured:
        rows = _measured(rows, found.warnings)
    found.check_growth(rows[1 : 1 + len(phis)])
    return Scaling(
        network, str(found.rule), str(found.clock), energy or "", tuple(rows), tuple(found.warnings)
    )


def _sane(phi: float) -> float:
    if not LEAST_PHI <= phi <= MOST_PHI:
        raise UsageError(f"phi={phi:g}", expected=f"{LEAST_PHI:g} to {MOST_PHI:g}")
    return phi


class _Scaler:
    """Captures proposals, each once, and looks for targets."""

    def __init__(
        self, network: str, rule: Rule, device: str, energy: str | None, tell: Progress
    ) -> None:
        self.network, self.rule, self.tell = network, rule, tell
        self.knobs: Knobs = knobs_of(network)
        self.clock: Clock = clock(device)
        self.energy: Accelerator | None = energy_device(energy) if energy else None
        self.warnings: list[str] = []
        self._loads: dict[str, Workload] = {}
        self._seconds: dict[str, float] = {}
        self.base_macs = self.load(network).macs

    def load(self, source: str) -> Workload:
        """A network, captured without weights."""
        if source not in self._loads:
            self.tell(f"capturing {source}")
            self._loads[source] = capture(source)
        return self._loads[source]

    def seconds(self, source: str) -> float:
        """By the clock."""
        if source not in self._seconds:
            self.tell(f"timing {source}")
            self._seconds[source] = self.clock.seconds(source, self.load(source))
        return self._seconds[source]

    def over(self, target: Factors) -> Factors:
        """What takes the given network to the target, which is told from its family's plain settings."""
        own = Factors()
        if isinstance(self.knobs.depth, float):
            own = factors_of(self.network)
        return Factors(
            target.depth / own.depth, target.width / own.width, target.resolution / own.resolution
        )

    def row(self, label: str, factors: Factors) -> Proposal:
        """A proposal without latency and energy."""
        source = self.network if factors == Factors() else self.knobs.source(factors)
        load = self.load(source)
        total = add_up(tally(load))
        return Proposal(
            source, label, factors, self.knobs.settings(factors), total.params, total.macs,
            peak_activation_memory(load, state_cap=0).peak_bytes, total.macs / self.base_macs,
        )  # fmt: skip

    def priced(self, row: Proposal) -> Proposal:
        """The row with latency and energy; what fails is said."""
        latency = energy = None
        try:
            latency = self.seconds(row.source)
            if self.energy is not None:
                self.tell(f"mapping {row.source}")
                energy = energy_j(self.load(row.source), self.energy)
        except SteelyardError as error:
            self.warnings.append(f"{row.source}: {error.given}")
        return replace(row, latency_s=latency, energy_j=energy)

    def with_macs(self, target: str | float) -> Proposal:
        """The proposal whose MACs come nearest to the target."""
        goal = self._goal(target)
        tried: dict[float, int] = {}

        def macs_at(phi: float) -> float:
            tried[phi] = self.load(self.knobs.source(self.rule.factors(phi))).macs
            return tried[phi]

        start = log2(goal / self.base_macs) / log2(self.rule.growth)
        _boundary(macs_at, goal, start, FINE_MACS, f"{format_si(goal)} MACs")
        best = min(tried, key=lambda phi: (abs(tried[phi] - goal), abs(phi)))
        return self.row(f"MACs {target}", self.rule.factors(best))

    def _goal(self, target: str | float) -> float:
        times = isinstance(target, str) and target.strip().lower().endswith("x")
        try:
            goal = (
                float(str(target).strip()[:-1]) * self.base_macs
                if times
                else float(parse_count(target) if isinstance(target, str) else target)
            )
        except ValueError:
            goal = 0.0
        if not 0 < goal < float("inf"):
            raise UsageError(f"macs={target!r}", expected="a count such as 300M, or 4x")
        return goal

    def within(self, latency_ms: float) -> Proposal:
        """The largest proposal within the latency."""
        if not 0 < latency_ms < float("inf"):
            raise UsageError(f"latency_ms={latency_ms!r}", expected="above 0")

        def seconds_at(phi: float) -> float:
            return self.seconds(self.knobs.source(self.rule.factors(phi)))

        phi = _boundary(
            seconds_at, latency_ms * 1e-3, 0.0, FINE_LATENCY, f"{latency_ms:g} ms on {self.clock.device}"
        )  # fmt: skip
        return self.row(f"within {latency_ms:g} ms", self.rule.factors(phi))

    def check_growth(self, rows: Sequence[Proposal]) -> None:
        """Says where MACs do not grow as the rule has it."""
        for row in rows:
            off = row.growth / row.factors.macs - 1
            if abs(off) > 0.15:
                self.warnings.append(
                    f"{row.label}: the MACs are {row.growth:.2f} times the network's, where depth x width^2 x "
                    f"resolution^2 says {row.factors.macs:.2f}: whole blocks and channels, and layers that do not "
                    "grow with the square of the width"
                )


def _boundary(
    value: Callable[[float], float], goal: float, start: float, fine: float, what: str
) -> float:
    """The largest phi, to within ``fine``, at which a growing quantity is not above the goal."""
    low = high = min(max(start, LEAST_PHI), MOST_PHI)
    while value(low) > goal:
        high, low = low, low - STEP_PHI
        if low < LEAST_PHI:
            raise _out_of_reach(what, "too small", value(LEAST_PHI), goal)
    while high == low or value(high) <= goal:
        low, high = high, high + STEP_PHI
        if high > MOST_PHI:
            raise _out_of_reach(what, "too large", value(low), goal)
    while high - low > fine:
        middle = (low + high) / 2
        if value(middle) <= goal:
            low = middle
        else:
            high = middle
    return low


def _out_of_reach(what: str, why: str, nearest: float, goal: float) -> UsageError:
    return UsageError(
        f"{what} is out of reach: {why} for this network by a factor of {max(nearest / goal, goal / nearest):.2g}",
        expected=f"a target that phi {LEAST_PHI:g} to {MOST_PHI:g} reaches",
        hint="a smaller or larger network of the family to begin with",
    )


def _measured(rows: Sequence[Proposal], warnings: list[str]) -> list[Proposal]:
    """The rows with their latency on this machine, measured in turns."""
    found = measure_all([row.source for row in rows])
    seconds = {run.network: run.median_s for run in found.rows}
    warnings += [f"{one.network} cannot be measured: {one.reason}" for one in found.failures]
    return [replace(row, measured_s=seconds.get(row.source)) for row in rows]
