"""Charts as pure data, positions as fractions of the axes: drawn alike by the page and by matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from steelyard.report.svg import nice_ceiling
from steelyard.units import format_si

COLOURS: dict[str, str] = {
    "lv0": "#1f4e8c",
    "lv1": "#2a9d8f",
    "lv2": "#a3bf4b",
    "lv3": "#e2b93b",
    "lv4": "#e07a3f",
    "links0": "#8a56ac",
    "links1": "#c48fd6",
    "mac": "#6b7785",
    "op-i": "#2f86c9",
    "op-w": "#d9822b",
    "op-o": "#7d4fa6",
    "busy": "#3d8b4f",
    "some": "#a9d3b2",
    "stall": "#c0504d",
    "step1": "#8c98a6",
    "step2": "#8a56ac",
    "step3": "#d8c23a",
    "step4": "#e07a3f",
    "step5": "#2a9d8f",
    "step6": "#1f4e8c",
    "step7": "#c0504d",
}
"""Colours of the hardware charts; the style sheet has the same under these names."""

Span = tuple[float, float]
"""Bottom and top of a piece of a bar, as fractions of the axis."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis (0 to 1) and what stands there."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Band:
    """One series of a bar chart.

    Attributes:
        title: for the legend.
        colour: a key of `COLOURS`.
        spans: for each bar; an empty one draws nothing.
        values: the numbers behind the spans, in the panel's unit.
    """

    title: str
    colour: str
    spans: tuple[Span, ...]
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars over the layers.

    Attributes:
        title, unit: what the height shows.
        note: said behind the title.
        ticks: of the vertical axis.
        bands: drawn in this order.
        tips: what the pointer shows below the bar's name, a text a bar.
    """

    title: str
    unit: str
    note: str
    ticks: tuple[Tick, ...]
    bands: tuple[Band, ...]
    tips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of a scatter chart.

    Attributes:
        x, y: fractions of the axes.
        name: of the layer or variant.
        colour: a key of `COLOURS` or a family of layers.
        tip: what the pointer shows.
        index: the layer it stands for; -1 for none.
        weight: the more, the rather it is named on the chart.
        lines: heights of its own ceilings.
    """

    x: float
    y: float
    name: str
    colour: str
    tip: str
    index: int = -1
    weight: float = 0.0
    lines: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Scatter:
    """Points under a roof, or beside a front.

    Attributes:
        title, note: heading.
        x_title, y_title: with units.
        x_ticks, y_ticks: of the axes.
        dots: the points.
        line: corners of the roof or the front.
        mark: a corner to be named, and its name.
        ceilings: height and label of horizontal lines.
        legend: colour -> words.
        whose: what the ceilings belong to until a point is chosen.
    """

    title: str
    note: str
    x_title: str
    y_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    dots: tuple[Dot, ...]
    line: tuple[tuple[float, float], ...]
    mark: tuple[float, float, str] | None = None
    ceilings: tuple[Tick, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()
    whose: str = ""


def stack(
    series: Sequence[tuple[str, str, Sequence[float]]], top: float | None = None
) -> tuple[tuple[Band, ...], float]:
    """Bands on top of each other, and the top of their axis.

    Args:
        series: title, colour and values of each band, the lowest first.
        top: of the axis; just above the highest bar if not given.
    """
    heights = [sum(values) for values in zip(*(s[2] for s in series), strict=True)]
    limit = nice_ceiling(max(heights, default=0.0)) if top is None else top
    level = [0.0] * len(heights)
    bands = []
    for title, colour, values in series:
        spans = tuple(
            (low / limit, (low + value) / limit) for low, value in zip(level, values, strict=True)
        )
        level = [low + value for low, value in zip(level, values, strict=True)]
        bands.append(Band(title, colour, spans, tuple(values)))
    return tuple(bands), limit


def linear_ticks(top: float, show: Callable[[float], str]) -> tuple[Tick, ...]:
    """Bottom, middle and top."""
    return (Tick(0.0, "0"), Tick(0.5, show(top / 2)), Tick(1.0, show(top)))


@dataclass(frozen=True, slots=True)
class LogAxis:
    """A logarithmic axis from 10**low to 10**high."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float], least_room: float = 0.15) -> LogAxis:
        """The axis that holds all ``values`` above 0, with some room on both sides, in powers of ten."""
        known = [log10(value) for value in values if 0 < value < float("inf")] or [0.0]
        low, high = min(known), max(known)
        room = max(least_room, 0.06 * (high - low))
        return cls(low - room, high + room)

    def at(self, value: float) -> float:
        """Where ``value`` stands, from 0 to 1; outside values at the ends."""
        if value <= 0:
            return 0.0
        return min(1.0, max(0.0, (log10(value) - self.low) / (self.high - self.low)))

    def ticks(self, unit: str = "") -> tuple[Tick, ...]:
        """Powers of ten; 1, 2 and 5 where there are few of them; equal steps on an axis shorter than ten to one."""
        span = self.high - self.low
        bottom, top = 10**self.low, 10**self.high
        if span < 1:
            step = _round_step((top - bottom) / 5)
            values = [step * n for n in range(ceil(bottom / step), floor(top / step) + 1)]
            digits = max(2, 1 + floor(log10(top)) - floor(log10(step)))
        else:
            steps, every, digits = (1, 2, 5) if span < 2.5 else (1,), ceil(span / 7), 2
            powers = range(floor(self.low), ceil(self.high) + 1)
            values = [step * 10.0**p for p in powers if p % every == 0 for step in steps]
        return tuple(
            Tick(self.at(value), _label(value, unit, digits))
            for value in values
            if bottom <= value <= top
        )


def _label(value: float, unit: str, digits: int) -> str:
    """``20 µJ``, without zeros behind the point."""
    number, _, rest = format_si(value, unit, digits=digits).partition(" ")
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{number} {rest}".strip()


def _round_step(least: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** floor(log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


def ceiling_groups(heights: Sequence[float]) -> list[tuple[float, str]]:
    """Height and label of the ceilings that can be told apart; those off the top of the axis are left out.

    >>> ceiling_groups([1.0, 0.8, 0.8, 0.5])
    [(0.8, 'steps 2–3'), (0.5, 'step 4')]
    """
    groups: list[list[int]] = []
    for step, height in enumerate(heights):
        if height >= 1.0:
            continue
        if groups and heights[groups[-1][0]] - height < 0.02:
            groups[-1].append(step)
        else:
            groups.append([step])
    return [
        (
            heights[group[-1]],
            f"step {group[0] + 1}" if len(group) == 1 else f"steps {group[0] + 1}–{group[-1] + 1}",
        )
        for group in groups
    ]
