"""Charts of `steelyard.report.plotdata` as HTML with inline SVG: they stretch to any width, text does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from steelyard.report.escape import html_text
from steelyard.report.plotdata import Band, Dot, Panel, Scatter, Tick, ceiling_groups

_NARROWEST_BAR = 13
_LONGEST_NAME = 24
_FLAT_CHARACTERS = 150
_HEIGHT = 1000


def tail(name: str, longest: int = _LONGEST_NAME) -> str:
    """The end of a module path, which tells layers apart: ``…denselayer1.conv1``.

    >>> tail("features.denseblock1.denselayer1.conv1")
    '…denselayer1.conv1'
    """
    if len(name) <= longest:
        return name
    kept = name[-longest + 1 :]
    dot = kept.find(".")
    return "…" + (kept[dot + 1 :] if 0 <= dot < len(kept) // 2 else kept)


# ---- bars over layers ----------------------------------------------------------------------


def panels_html(
    panels: Sequence[Panel], names: Sequence[str], *, key: str, title: str, what: str = "layer"
) -> str:
    """Bar charts under one another over the same layers; they scroll together where bars are many.

    Args:
        panels: the charts.
        names: of the layers.
        key: under which the script finds the tips.
        title: what a screen reader calls the charts.
        what: a bar stands for.
    """
    return "".join(_panels(panels, names, key, title, what))


def _panels(
    panels: Sequence[Panel], names: Sequence[str], key: str, title: str, what: str
) -> Iterator[str]:
    number = max(1, len(names))
    yield f'<div class="scroll bare" tabindex="0" role="region" aria-label="{html_text(title)}">'
    yield f'<div class="panels" data-plot="{key}" data-n="{number}" style="--w:{number * _NARROWEST_BAR}px">'
    longest = max((len(tail(name)) for name in names), default=0)
    flat = number * (longest + 2) <= _FLAT_CHARACTERS
    for at, panel in enumerate(panels):
        named = flat or at in (1, len(panels) - 1)
        yield from _panel(panel, names if named else (), number, at, flat, what)
    yield "</div></div>"


def _panel(
    panel: Panel, names: Sequence[str], number: int, at: int, flat: bool, what: str
) -> Iterator[str]:
    yield f'<figure><figcaption>{html_text(panel.title)} <span class="soft">{html_text(panel.note)}'
    yield f"</span>{legend_html([(band.colour, band.title) for band in panel.bands])}</figcaption>"
    yield '<div class="pane">'
    yield _scale(panel.ticks)
    yield f'<div class="area" data-panel="{at}" tabindex="0" role="group" '
    yield f'aria-label="{html_text(panel.title)}: arrow keys go from {what} to {what}">'
    yield _lines(panel.ticks)
    yield f'<svg viewBox="0 0 {number} {_HEIGHT}" preserveAspectRatio="none" role="img" '
    yield f'aria-label="{html_text(panel.title)}"><title>{html_text(panel.title)}</title>'
    yield f"<desc>{html_text(_description(panel, number, what))}</desc>"
    for band in panel.bands:
        yield f'<path style="fill:var(--{band.colour})" d="{_bars(band)}"/>'
    yield '</svg><span class="cursor" hidden></span></div>'
    if names:
        css = "names flat" if flat else "names"
        yield f'<div class="{css}" style="grid-template-columns:repeat({number},minmax(0,1fr))" '
        yield 'aria-hidden="true">'
        yield from (f"<span>{html_text(tail(name))}</span>" for name in names)
        yield "</div>"
    yield "</div></figure>"


def _description(panel: Panel, number: int, what: str) -> str:
    bands = ", ".join(band.title for band in panel.bands)
    order = " in order of execution" if what == "layer" else ""
    return f"{number} bars, one a {what}{order}, of {bands}; {panel.note}"


def _bars(band: Band) -> str:
    """All bars of a series as one path, in a box of one unit a bar and 1000 units of height."""
    parts = []
    for x, (low, high) in enumerate(band.spans):
        bottom, top = round(_HEIGHT * (1 - low), 1), round(_HEIGHT * (1 - high), 1)
        if bottom > top:
            parts.append(f"M{x}.08 {bottom:g}V{top:g}h.84V{bottom:g}z")
    return "".join(parts)


def legend_html(items: Sequence[tuple[str, str]]) -> str:
    """What the colours mean."""
    if not items:
        return ""
    entries = "".join(
        f'<span><i style="background:var(--{colour})"></i>{html_text(text)}</span>'
        for colour, text in items
    )
    return f'<span class="keys">{entries}</span>'


def _scale(ticks: Sequence[Tick]) -> str:
    marks = "".join(
        f'<span style="bottom:{tick.at:.2%}">{html_text(tick.label)}</span>' for tick in ticks
    )
    return f'<div class="ticks" aria-hidden="true">{marks}</div>'


def _lines(ticks: Sequence[Tick]) -> str:
    return "".join(f'<i class="rule" style="bottom:{tick.at:.2%}"></i>' for tick in ticks)


# ---- lying bars ----------------------------------------------------------------------------

LyingBar = tuple[str, list[tuple[str, float]], str]
"""Name, (colour, value) of each piece, and what stands behind it."""


def lying_bars(title: str, bars: Sequence[LyingBar], words: dict[str, str]) -> str:
    """Lying stacked bars with their numbers, all in one scale.

    Args:
        title: of the chart.
        bars: from top to bottom.
        words: what each colour means.
    """
    top = max((sum(value for _, value in parts) for _, parts, _ in bars), default=0.0) or 1.0
    lines = []
    for name, parts, text in bars:
        whole = sum(value for _, value in parts)
        said = ", ".join(f"{words[key]} {v / whole:.0%}" for key, v in parts if v and whole)
        pieces = "".join(
            f'<i style="width:{value / top:.3%};background:var(--{key})"></i>'
            for key, value in parts
            if value
        )
        tip = f"{html_text(name)}&#10;{html_text(text)}&#10;{html_text(said)}"
        lines.append(
            f'<span class="who">{html_text(name)}</span><span class="bar" role="img" '
            f'aria-label="{html_text(f"{name}: {text}, {said}")}" data-tip="{tip}">{pieces}</span>'
            f'<span class="what">{html_text(text)}</span>'
        )
    used = {key for _, parts, _ in bars for key, value in parts if value}
    legend = legend_html([(key, word) for key, word in words.items() if key in used])
    return (
        f"<figure><figcaption>{html_text(title)}{legend}</figcaption>"
        f'<div class="lying">{"".join(lines)}</div></figure>'
    )


# ---- points --------------------------------------------------------------------------------


def scatter_html(chart: Scatter, *, key: str) -> str:
    """Points on two logarithmic axes, with their roof or front.

    Args:
        chart: what to draw.
        key: under which the script finds the tips.
    """
    return "".join(_scatter(chart, key))


def _scatter(chart: Scatter, key: str) -> Iterator[str]:
    yield f'<figure class="xy"><figcaption>{html_text(chart.title)} <span class="soft">'
    yield f"{html_text(chart.note)}</span>{legend_html(chart.legend)}</figcaption>"
    yield f'<p class="ytitle">{html_text(chart.y_title)}</p>'
    yield '<div class="pane">'
    yield _scale(chart.y_ticks)
    yield f'<div class="area" data-dots="{key}" tabindex="0" role="group" '
    yield f'aria-label="{html_text(chart.title)}: arrow keys go from point to point">'
    yield _lines(chart.y_ticks)
    yield "".join(f'<i class="post" style="left:{t.at:.2%}"></i>' for t in chart.x_ticks)
    yield f'<svg viewBox="0 0 {_HEIGHT} {_HEIGHT}" preserveAspectRatio="none" role="img" '
    yield f'aria-label="{html_text(chart.title)}"><title>{html_text(chart.title)}</title>'
    yield f"<desc>{html_text(_points_said(chart))}</desc>"
    if chart.line:
        corners = " ".join(f"{_HEIGHT * x:.1f},{_HEIGHT * (1 - y):.1f}" for x, y in chart.line)
        yield f'<polyline class="roof" points="{corners}"/>'
    yield from _dots(chart.dots)
    yield "</svg>"
    yield from _ceilings(chart)
    if chart.mark:
        yield _mark(*chart.mark)
    yield from _names(chart.dots)
    yield '<span class="ring" hidden></span></div>'
    yield '<div class="xticks" aria-hidden="true">'
    for tick in chart.x_ticks:
        # at the end of the axis to the left of its place: no chart is wider than the screen
        css = ' class="end"' if tick.at > 0.93 else ""
        yield f'<span{css} style="left:{tick.at:.2%}">{html_text(tick.label)}</span>'
    yield f'</div><p class="xtitle">{html_text(chart.x_title)}</p></div></figure>'


def _points_said(chart: Scatter) -> str:
    return f"{len(chart.dots)} points; {chart.x_title} against {chart.y_title}; {chart.note}"


def _dots(dots: Sequence[Dot]) -> Iterator[str]:
    """One path a colour: lines of no length with round ends stay round in a stretched picture."""
    for colour in dict.fromkeys(dot.colour for dot in dots):
        where = "".join(
            f"M{_HEIGHT * dot.x:.1f} {_HEIGHT * (1 - dot.y):.1f}h0"
            for dot in dots
            if dot.colour == colour
        )
        yield f'<path class="dots" style="stroke:var(--{colour})" d="{where}"/>'


def _ceilings(chart: Scatter) -> Iterator[str]:
    if not chart.ceilings:
        return
    shown = ceiling_groups([tick.at for tick in chart.ceilings])
    yield '<div class="ceilings">'
    for at, label in shown:
        yield f'<i style="bottom:{at:.2%}"><b>{html_text(label)}</b></i>'
    yield "</div>"


def _mark(x: float, y: float, text: str) -> str:
    side = f"right:{1 - x:.2%}" if x > 0.5 else f"left:{x:.2%}"
    return (
        f'<span class="mark" style="{side};bottom:{y:.2%}">{html_text(text)}</span>'
        f'<i class="drop" style="left:{x:.2%};height:{y:.2%}"></i>'
    )


def _names(dots: Sequence[Dot], most: int = 6) -> Iterator[str]:
    """The heaviest points' names, where there is room in a chart of usual size."""
    taken: list[tuple[float, float, float, float]] = []
    for dot in sorted(dots, key=lambda dot: -dot.weight)[: 3 * most]:
        name = tail(dot.name)
        wide, high = 0.0075 * len(name) + 0.01, 0.05
        left = dot.x + 0.008 if dot.x + wide < 0.98 else dot.x - wide
        box = (left, left + wide, dot.y - high / 2, dot.y + high / 2)
        if len(taken) < most and not any(_overlap(box, other) for other in taken):
            taken.append(box)
            side = f"left:{dot.x:.2%}" if left > dot.x else f"right:{1 - dot.x:.2%}"
            yield f'<span class="dotname" style="{side};bottom:{dot.y:.2%}" aria-hidden="true">'
            yield f"{html_text(name)}</span>"


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


# ---- what the script needs -----------------------------------------------------------------


def panels_data(
    panels: Sequence[Panel], heads: Sequence[str], indices: Sequence[int] = ()
) -> dict[str, Any]:
    """Tips of `panels_html`, for its script.

    Args:
        panels: the charts.
        heads: first lines of each bar's tip.
        indices: the layers that the bars stand for, if they do.
    """
    tips = [list(panel.tips) for panel in panels]
    return {"layers": list(indices), "heads": list(heads), "tips": tips}


def scatter_data(chart: Scatter, *, lean: bool = False) -> dict[str, Any]:
    """Points of `scatter_html`, for its script.

    Args:
        chart: what is drawn.
        lean: names only, for pages that would be large.
    """
    dots: list[dict[str, Any]] = []
    for dot in chart.dots:
        tip = dot.name if lean else dot.tip
        dots.append({"x": round(dot.x, 4), "y": round(dot.y, 4), "tip": tip, "i": dot.index})
        if dot.lines and not lean:
            dots[-1]["c"] = [round(at, 4) for at in dot.lines]
    return {"network": [round(tick.at, 4) for tick in chart.ceilings], "dots": dots}
