"""`Neighbours`: a network beside those of the zoo, published top-1 error against multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import hypot, log2
from typing import Any, Protocol

from steelyard.report.plotdata import Dot, LogAxis, Scatter, Tick
from steelyard.report.table import Cell, Column, Table
from steelyard.units import format_si

_PLAIN = "multiply-accumulates of convolutions and linear layers"
_TABLE = ("ImageNet", "1 crop")
_CLASSES = (1000, 1001)
_NEAREST = 6
_AGREES = 0.25
"""By how much counts may differ from published ones for the published error to be believed: conventions differ."""
_POINTS_A_DOUBLING = 2.0
"""Percentage points of error that are as far apart as twice the multiply-accumulates."""


class PublishedRow(Protocol):
    """What is read of a row of the zoo's published figures."""

    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def settings(self) -> str: ...  # noqa: D102
    @property
    def macs_m(self) -> float | None: ...  # noqa: D102
    @property
    def params_m(self) -> float | None: ...  # noqa: D102
    @property
    def top1_error(self) -> float | None: ...  # noqa: D102
    @property
    def dataset(self) -> str: ...  # noqa: D102
    @property
    def protocol(self) -> str: ...  # noqa: D102
    @property
    def convention(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A network with what its authors publish: ImageNet, one crop.

    Attributes:
        name: with its settings, as a SOURCE.
        macs, params: of one image; parameters None where none are printed.
        top1_error: percent.
        source: of the figures.
    """

    name: str
    macs: float
    params: float | None
    top1_error: float
    source: str


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A network among those of the zoo.

    Attributes:
        name: of the network.
        macs: of one image, counted.
        top1_error: published, percent; None if it is not known.
        source: of the error; "" without one.
        others: every other network whose multiply-accumulates and error are published.
    """

    name: str
    macs: float
    top1_error: float | None
    source: str
    others: tuple[Neighbour, ...]

    @property
    def nearest(self) -> tuple[Neighbour, ...]:
        """The nearest, by the ratio of multiply-accumulates and, if it is known, by the error; the cheapest first."""

        def far(other: Neighbour) -> float:
            points = 0.0 if self.top1_error is None else other.top1_error - self.top1_error
            return hypot(log2(other.macs / self.macs), points / _POINTS_A_DOUBLING)

        return tuple(sorted(sorted(self.others, key=far)[:_NEAREST], key=lambda one: one.macs))

    @property
    def best(self) -> Neighbour | None:
        """The most accurate that takes no more multiply-accumulates."""
        cheap = [one for one in self.others if one.macs <= self.macs]
        return min(cheap, key=lambda one: (one.top1_error, one.macs), default=None)

    def sentence(self) -> str:
        """Where the network stands, in one sentence."""
        best = self.best
        if best is None:
            return f"No network of the zoo with a published error takes as few MACs as {self.name}."
        other = f"{best.name} ({best.top1_error:.1f} % at {format_si(best.macs)} MACs)"
        if self.top1_error is None:
            return (
                f"The accuracy of {self.name} is not known here; of the zoo's networks with no more MACs, the most "
                f"accurate is {other}."
            )
        own = f"{self.name} has a published top-1 error of {self.top1_error:.1f} % ({self.source})"
        if best.top1_error >= self.top1_error:
            return f"{own}: no network of the zoo is more accurate with no more MACs."
        ahead = sum(
            1 for one in self.others if one.macs <= self.macs and one.top1_error < self.top1_error
        )
        return (
            f"{own}; {ahead} of the zoo's networks {'is' if ahead == 1 else 'are'} more accurate with no more MACs, "
            f"the most accurate {other}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the network, its nearest and the most accurate at no more multiply-accumulates."""
        return {
            "top1_error": self.top1_error,
            "source": self.source,
            "nearest": [asdict(one) for one in self.nearest],
            "best": None if self.best is None else asdict(self.best),
        }


def neighbours(
    name: str,
    macs: float,
    outputs: Iterable[Sequence[int]],
    rows: Iterable[PublishedRow],
    source: str = "",
) -> Neighbours | None:
    """A network among the published ones; None for a network that does not tell ImageNet's classes apart.

    Args:
        name: of the network.
        macs: of one image.
        outputs: shapes of the network's outputs.
        rows: of the zoo's published figures.
        source: SOURCE of the network in the zoo; "" for any other network. Its published error counts only where its
            published multiply-accumulates are about those given: another input size has another error.
    """
    if macs <= 0 or not any(shape and shape[-1] in _CLASSES for shape in outputs):
        return None
    known: dict[str, Neighbour] = {}
    own: PublishedRow | None = None
    for row in rows:
        if row.top1_error is None or (row.dataset, row.protocol) != _TABLE:
            continue
        text = f"{row.model}:{row.settings}" if row.settings else row.model
        if _same(text, source):
            if row.macs_m is None or abs(macs / (row.macs_m * 1e6) - 1) < _AGREES:
                own = own or row
        elif row.macs_m is not None and row.convention.startswith(_PLAIN) and text not in known:
            factor = 2**30 / 1e9 if "2^30" in row.convention else 1.0
            params = None if row.params_m is None else row.params_m * 1e6
            known[text] = Neighbour(
                text, row.macs_m * 1e6 * factor, params, row.top1_error, row.source
            )
    error, where = (own.top1_error, own.source) if own is not None else (None, "")
    return Neighbours(name, macs, error, where, tuple(known.values()))


def _same(a: str, b: str) -> bool:
    """Whether two SOURCEs of the zoo name the same network."""
    return _parts(a) == _parts(b)


def _parts(source: str) -> tuple[str, frozenset[str]]:
    name, _, settings = source.strip().partition(":")
    return name, frozenset(filter(None, (item.strip() for item in settings.split(","))))


# ---- shown -------------------------------------------------------------------------------------

_OTHER, _FRONT, _OWN = "mac", "busy", "stall"


def neighbours_chart(found: Sequence[Neighbours]) -> Scatter:
    """Published error against multiply-accumulates: the zoo, its Pareto front, and the report's networks.

    Args:
        found: one network or several; a network without a known error has a line at its multiply-accumulates.
    """
    own = {one.name for one in found}
    others = {
        other.name: other for one in found for other in one.others if other.name not in own
    }.values()
    known = [(one.name, one.macs, one.top1_error) for one in found if one.top1_error is not None]
    points = [(one.name, one.macs, one.top1_error) for one in others] + known
    across = LogAxis.over([macs for _, macs, _ in points] + [one.macs for one in found])
    low = min((error for _, _, error in points), default=0.0) - 1
    high = max((error for _, _, error in points), default=100.0) + 1

    def height(error: float) -> float:
        return (error - low) / (high - low)

    front = _front(points)
    names = {name for name, _, _ in front}
    near = {other.name for one in found for other in one.nearest}
    dots = tuple(
        Dot(
            across.at(macs),
            height(error),
            name,
            _OWN if name in own else _FRONT if name in names else _OTHER,
            f"{format_si(macs)} MACs, {error:.1f} % top-1 error",
            weight=2.0 if name in own else float(name in near),
        )
        # the report's own last, so that nothing covers them
        for name, macs, error in points
    )
    unknown = next((one for one in found if one.top1_error is None), None)
    mark = (across.at(unknown.macs), 0.97, unknown.name) if unknown is not None else None
    first, step = int(low // 5 + 1) * 5, 5
    return Scatter(
        title="Published top-1 error against MACs",
        note=f"{len(dots)} networks, ImageNet, one crop; the line joins those that none is both cheaper and better than",
        x_title="MACs of one image, logarithmic",
        y_title="top-1 error (%)",
        x_ticks=across.ticks(),
        y_ticks=tuple(Tick(height(e), f"{e} %") for e in range(first, int(high) + 1, step)),
        dots=dots,
        line=tuple((across.at(macs), height(error)) for _, macs, error in front),
        mark=mark,
        legend=((_OWN, "in this report"), (_FRONT, "none is both cheaper and better"), (_OTHER, "others of the zoo")),
    )  # fmt: skip


def _front(points: Sequence[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    """Those that no other beats in both, the cheapest first."""
    front: list[tuple[str, float, float]] = []
    for name, macs, error in sorted(points, key=lambda one: (one[1], one[2])):
        if not front or error < front[-1][2]:
            front.append((name, macs, error))
    return front


def neighbours_table(found: Neighbours) -> Table:
    """The network, then its nearest: what they cost and how often they are wrong."""
    columns = (
        Column("network", "network"),
        Column("macs", "MACs", "count"),
        Column("macs_ratio", "MACs, times", "ratio"),
        Column("params", "params", "count"),
        Column("top1_error", "top-1 error", "ratio", unit="%"),
        Column("error_difference", "difference", "ratio", unit="points", signed=True),
        Column("source", "published in", wrap=True),
    )
    rows: list[tuple[Cell, ...]] = [
        (found.name, found.macs, 1.0, None, found.top1_error, None, found.source or "not known")
    ]
    for one in found.nearest:
        worse = None if found.top1_error is None else one.top1_error - found.top1_error
        figures = (one.macs, one.macs / found.macs, one.params, one.top1_error, worse)
        rows.append((one.name, *figures, one.source))
    return Table(f"{found.name} and its nearest", columns, tuple(rows))
