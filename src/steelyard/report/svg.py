"""Bar charts and the memory timeline as HTML with inline SVG: they stretch to any width, text does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, floor, log10

from steelyard.cost import CostReport, PeakMemory
from steelyard.report.chartdata import METRICS, Bar, Metric, metric
from steelyard.report.describe import FAMILIES
from steelyard.report.escape import html_text
from steelyard.units import format_bytes, format_si

_MOST_LABELS = 24
_FLAT_CHARACTERS = 70
_HEIGHT = 1000


def nice_ceiling(value: float) -> float:
    """The next of 1, 1.2, 1.6, 2, 3, 4, 5, 6, 8 times a power of ten: the top of an axis.

    >>> nice_ceiling(223_948_800), nice_ceiling(0)
    (300000000.0, 1.0)
    """
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    for step in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8):
        if value <= step * power * (1 + 1e-9):
            return step * power
    return 10 * power


def show(value: float, which: Metric) -> str:
    """A number of one of the three metrics with its unit."""
    return format_bytes(value) if which == "memory" else format_si(value)


def bar_charts(report: CostReport, bars: Sequence[Bar], *, lean: bool = False) -> str:
    """Three bar charts over the same layers: memory, parameters, MACs; one legend.

    Args:
        report: of the network.
        bars: its layers.
        lean: bars do not tell their numbers when they are pointed at.
    """
    parts = [legend({bar.family for bar in bars})]
    for number, which in enumerate(METRICS):
        last = number == len(METRICS) - 1
        parts.append("".join(_bar_chart(report, bars, which, labels=last, lean=lean)))
    return "".join(parts)


def legend(families: set[str]) -> str:
    """What the colours mean, for the families that occur."""
    items = "".join(
        f'<li><i style="background:var(--{key})"></i>{html_text(title)}</li>'
        for key, title in FAMILIES.items()
        if key in families
    )
    return f'<ul class="legend">{items}</ul>'


def _bar_chart(
    report: CostReport, bars: Sequence[Bar], which: Metric, *, labels: bool, lean: bool
) -> Iterator[str]:
    title, unit = METRICS[which]
    values = [metric(bar.cost, which) for bar in bars]
    total = metric(report.total, which)
    top = nice_ceiling(max(values, default=0))
    heading = f"{title[0].upper()}{title[1:]} per layer" + (f" ({unit})" if unit else "")
    largest = max(bars, key=lambda bar: metric(bar.cost, which), default=None)
    note = ""
    if largest is not None and metric(largest.cost, which):
        note = f"largest: {largest.name}, {show(metric(largest.cost, which), which)}"
    yield f'<figure><figcaption>{html_text(heading)} <span class="soft">{html_text(note)}</span>'
    yield '</figcaption><div class="chart">'
    yield _scale(top, which)
    summary = html_text(f"bar chart, {heading}; {note}")
    yield f'<div class="plot"><svg viewBox="0 0 {max(1, len(bars))} {_HEIGHT}" '
    yield f'preserveAspectRatio="none" role="img" aria-label="{summary}">'
    for x, (bar, value) in enumerate(zip(bars, values, strict=True)):
        height = value / top * _HEIGHT
        yield f'<rect x="{x + 0.1:.2f}" y="{_HEIGHT - height:.2f}" width="0.8" '
        yield f'height="{height:.2f}" style="fill:var(--{bar.family})" data-layer="{bar.index}"/>'
        if not lean:
            share = f", {value / total:.1%}" if total else ""
            tip = html_text(bar.name) + "&#10;" + html_text(bar.operator) + "&#10;"
            tip += html_text(f"{show(value, which)} {title}{share}")
            yield f'<rect class="hit" x="{x}" y="0" width="1" height="{_HEIGHT}" '
            yield f'data-layer="{bar.index}" data-tip="{tip}"/>'
    yield "</svg></div>"
    if labels:
        yield from _labels(bars)
    yield "</div></figure>"


def _scale(top: float, which: Metric) -> str:
    marks = "".join(f"<span>{html_text(show(v, which))}</span>" for v in (top, top / 2, 0))
    return f'<div class="scale" aria-hidden="true">{marks}</div>'


def _labels(bars: Sequence[Bar]) -> Iterator[str]:
    """Layer names below the bars; every k-th where there are many."""
    every = max(1, ceil(len(bars) / _MOST_LABELS))
    flat = " flat" if sum(len(bar.name) + 2 for bar in bars) <= _FLAT_CHARACTERS else ""
    yield f'<div class="labels{flat}" style="grid-template-columns:repeat({max(1, len(bars))},1fr)" '
    yield 'aria-hidden="true">'
    for x, bar in enumerate(bars):
        yield f"<span>{html_text(bar.name) if x % every == 0 else ''}</span>"
    yield "</div>"
    if every > 1:
        yield f'<div class="axis"><span>layers in order of execution, {len(bars)} in all'
        yield f"</span><span>one in {every} is named</span></div>"


def timeline(report: CostReport, memory: PeakMemory, *, lean: bool = False) -> str:
    """Bytes of activations that are live while each layer runs, the peak marked.

    Args:
        report: of the network.
        memory: its activations.
        lean: layers do not tell their numbers when they are pointed at.
    """
    return "".join(_timeline(report, memory, lean=lean))


def _timeline(report: CostReport, memory: PeakMemory, *, lean: bool) -> Iterator[str]:
    live = memory.timeline
    if not live:
        return
    top = nice_ceiling(1.12 * memory.peak_bytes)  # room for the label
    peak_at = live.index(memory.peak_bytes)
    points = [f"0,{_HEIGHT}"]
    for x, value in enumerate(live):
        y = _HEIGHT - value / top * _HEIGHT
        points += [f"{x},{y:.2f}", f"{x + 1},{y:.2f}"]
    points.append(f"{len(live)},{_HEIGHT}")
    text = f"peak {format_bytes(memory.peak_bytes)} at {memory.at_layer}"
    yield "<figure><figcaption>Live activation memory (B) while each layer runs "
    yield f'<span class="soft">{html_text(text)}</span></figcaption><div class="chart">'
    yield _scale(top, "memory")
    yield f'<div class="plot"><svg viewBox="0 0 {len(live)} {_HEIGHT}" preserveAspectRatio="none" '
    yield f'role="img" aria-label="{html_text("memory timeline, " + text)}">'
    yield f'<polygon points="{" ".join(points)}" style="fill:var(--accent);opacity:.55"/>'
    pairs = () if lean else zip(live, report.rows, strict=True)
    for x, (value, row) in enumerate(pairs):
        tip = html_text(row.name) + "&#10;" + html_text(f"{format_bytes(value)} live")
        yield f'<rect class="hit" x="{x}" y="0" width="1" height="{_HEIGHT}" '
        yield f'data-layer="{x}" data-tip="{tip}"/>'
    yield "</svg>"
    share = (peak_at + 0.5) / len(live)
    side = f"right:{1 - share:.2%}" if share > 0.5 else f"left:{share:.2%}"
    yield f'<span class="peakline" style="left:{share:.2%}"></span>'
    yield f'<span class="peaklabel" style="{side}">{html_text(text)}</span></div>'
    yield '<div class="axis"><span>first layer</span><span>order of execution</span>'
    yield "<span>last layer</span></div></div></figure>"
