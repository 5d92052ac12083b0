"""`against_macs`: how well MACs say which network is faster, which networks they say least of, and the Pareto front
of latency against published accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import exp, log
from typing import TYPE_CHECKING, Any

import numpy as np

from steelyard.errors import SteelyardError, UsageError

if TYPE_CHECKING:
    from steelyard.measure.measurement import Measurement
    from steelyard.measure.store import Past

FEWEST = 5
"""Networks of which a correlation is taken."""

FAR = 1.5
"""Times the latency that MACs predict: then a network is named."""

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Point:
    """One network.

    Attributes:
        network: the source.
        macs: multiply-accumulates of one inference.
        latency_s: of one inference, median.
        predicted_s: what the trend over all networks says for its MACs.
        top1_error: published, in percent of ImageNet with one crop; None if unknown.
        on_front: no other network of known error is as fast and as accurate, and better in one.
    """

    network: str
    macs: int
    latency_s: float
    predicted_s: float
    top1_error: float | None
    on_front: bool

    @property
    def ratio(self) -> float:
        """Latency over what MACs predict."""
        return self.latency_s / self.predicted_s


@dataclass(frozen=True, slots=True)
class AgainstMacs:
    """Networks in one setting.

    Attributes:
        setting: backend and options.
        batch: samples in an inference.
        threads: of the computation.
        points: one a network, in the order measured.
        correlation: Spearman's rank correlation of MACs and latency; None if all are equal in one of them.
    """

    setting: str
    batch: int
    threads: int
    points: tuple[Point, ...]
    correlation: float | None

    @property
    def where(self) -> str:
        """The setting in words."""
        plural = "s" if self.threads != 1 else ""
        return f"{self.setting}, batch {self.batch}, {self.threads} thread{plural}"

    @property
    def offenders(self) -> tuple[Point, ...]:
        """Networks far slower than their MACs say, the worst first."""
        far = [point for point in self.points if point.ratio >= FAR]
        return tuple(sorted(far, key=lambda point: -point.ratio)[:MOST_NAMED])

    @property
    def front(self) -> tuple[Point, ...]:
        """The Pareto front, the fastest first."""
        return tuple(
            sorted((p for p in self.points if p.on_front), key=lambda point: point.latency_s)
        )

    def sentences(self) -> tuple[str, ...]:
        """What it says, for people."""
        known = "undefined" if self.correlation is None else f"{self.correlation:.2f}"
        said = [
            f"MACs and latency of {len(self.points)} networks ({self.where}): rank correlation {known} (Spearman)."
        ]
        if self.offenders:
            named = ", ".join(f"{p.network} {p.ratio:.1f}x" for p in self.offenders)
            said.append(f"Slower than MACs predict: {named}.")
        if len(self.front) > 1:
            named = ", ".join(
                f"{p.network} ({p.latency_s * 1e3:.3g} ms, {p.top1_error:.1f} % top-1 error)"
                for p in self.front
            )
            said.append(f"None both faster and more accurate, by published accuracy: {named}.")
        return tuple(said)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "points": [asdict(point) for point in self.points]}


def spearman(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Rank correlation (Spearman 1904): Pearson's of the ranks, equal values sharing their mean rank.

    >>> spearman([1, 2, 3], [10, 30, 20])
    0.5

    Raises:
        UsageError: sequences of different lengths.
    """
    if len(a) != len(b):
        raise UsageError(f"{len(a)} and {len(b)} values", expected="as many of both")
    x, y = _ranks(a), _ranks(b)
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale else None


def _ranks(values: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    _, where, counts = np.unique(np.asarray(values, float), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[where], np.float64)


def trend(macs: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """Intercept and slope of log seconds over log MACs: medians of all pairs' slopes and of what they leave (Theil-Sen).

    Half of the networks but one may lie anywhere without moving it far.
    """
    x, y = np.log(macs), np.log(seconds)
    slopes = [
        (y[j] - y[i]) / (x[j] - x[i]) for i, j in combinations(range(len(x)), 2) if x[j] != x[i]
    ]
    slope = float(np.median(slopes)) if slopes else 0.0
    return float(np.median(y - slope * x)), slope


def pareto(costs: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether no other is as small in both and smaller in one."""
    return [
        not any(other[0] <= own[0] and other[1] <= own[1] and other != own for other in costs)
        for own in costs
    ]


def compare_latency(
    networks: Sequence[tuple[str, int, float, float | None]],
    *,
    setting: str = "eager",
    batch: int = 1,
    threads: int = 1,
) -> AgainstMacs:
    """Pure numbers.

    Args:
        networks: name, MACs, seconds, published top-1 error in percent or None.
        setting: they were measured in.
        batch: likewise.
        threads: likewise.

    Raises:
        UsageError: no network, or MACs or seconds that are not above 0.
    """
    if not networks or any(macs <= 0 or seconds <= 0 for _, macs, seconds, _ in networks):
        raise UsageError("MACs or latencies of 0", expected="networks that compute")
    macs = [float(row[1]) for row in networks]
    seconds = [row[2] for row in networks]
    start, slope = trend(macs, seconds)
    known = [(row[2], row[3]) for row in networks if row[3] is not None]
    best = {cost for cost, on in zip(known, pareto(known), strict=True) if on}
    points = tuple(
        Point(name, count, took, exp(start + slope * log(count)), error, (took, error) in best)
        for name, count, took, error in networks
    )
    return AgainstMacs(setting, batch, threads, points, spearman(macs, seconds))


def against_macs(
    rows: Sequence[Measurement] | Sequence[Past], input_shape: Sequence[int] | None = None
) -> tuple[AgainstMacs, ...]:
    """One result for each setting, batch and number of threads in which enough networks were measured.

    Networks that cannot be captured, or have no MACs, are left out. With an input shape of the user's own,
    published accuracies do not apply.
    """
    from steelyard.capture.api import capture

    macs: dict[tuple[str, int], int] = {}
    for network, batch in dict.fromkeys((row.network, row.batch) for row in rows):
        try:
            shape = tuple(input_shape) if input_shape else None
            macs[network, batch] = capture(network, input_shape=shape, batch=batch).macs
        except SteelyardError:
            macs[network, batch] = 0
    groups: dict[tuple[str, int, int], dict[str, tuple[str, int, float, float | None]]] = {}
    for row in rows:
        if count := macs[row.network, row.batch]:
            error = None if input_shape else published_error(row.network)
            place = groups.setdefault((row.setting, row.batch, row.threads), {})
            place[row.network] = (row.network, count, row.median_s, error)
    return tuple(
        compare_latency(list(found.values()), setting=setting, batch=batch, threads=threads)
        for (setting, batch, threads), found in groups.items()
        if len(found) >= FEWEST
    )


def published_error(source: str) -> float | None:
    """Published top-1 error in percent, ImageNet, one crop, of a SOURCE of the zoo; None where none is known."""
    from steelyard.capture.source import parse_source
    from steelyard.zoo.registry import info

    try:
        parsed = parse_source(source)
        if parsed.kind != "zoo":
            return None
        asked = {f"{key}={value}" for key, value in parsed.config}
        figures = info(parsed.name).published
    except SteelyardError:
        return None
    for figure in figures:
        same = set(filter(None, figure.settings.split(","))) == asked
        if (
            same
            and figure.top1_error is not None
            and (figure.dataset, figure.protocol) == ("ImageNet", "1 crop")
        ):
            return figure.top1_error
    return None
