"""`save_search`: a search as one HTML page: the front as points, all trials as lines over parallel axes, the tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from math import log10
from pathlib import Path

from steelyard._version import __version__
from steelyard.design.search.goals import Quantity
from steelyard.design.search.layout import quantities_of, search_document, trials_table
from steelyard.design.search.result import SearchResult, Trial
from steelyard.report.escape import html_text
from steelyard.report.files import write_file
from steelyard.report.htmlpage import frame
from steelyard.report.htmltables import table_html
from steelyard.report.pictures import now

_WIDE, _HIGH, _EDGE = 720, 320, 56
_OTHER, _FRONT = "#8a94a0", "#c0504d"
_MOST_LINES, _MOST_AXES = 400, 14


def save_search(result: SearchResult, path: str | os.PathLike[str]) -> Path:
    """Writes the page, completely or not at all.

    Raises:
        InputError: ``path`` cannot be written.
    """
    said = search_document(result)

    def body() -> Iterator[str]:
        for line in said.warnings:
            yield f'<p class="warning"><strong>Note:</strong> {html_text(line)}</p>'
        yield "".join(f"<p>{html_text(line)}</p>" for line in said.lead)
        if len(result.objectives) > 1:
            yield from _scatters(result)
        yield "<h2>Choices and values</h2>"
        yield '<p class="note">Each line is a network; red ones are on the front.</p>'
        yield _parallel(result)
        yield "<h2>Not beaten by any other</h2>"
        yield table_html(said.tables[0], sortable=True)
        yield "<h2>All trials</h2>"
        yield table_html(trials_table(result), sortable=True)
        yield "".join(f'<p class="note">{html_text(line)}</p>' for line in said.notes)

    facts = [
        ("space", f"{result.space.name}, {result.space.kind}, {result.space.size:,} networks"),
        ("objectives", ", ".join(map(str, result.objectives))),
        ("constraints", ", ".join(map(str, result.constraints)) or "none"),
        ("strategy", f"{result.strategy}, seed {result.seed}"),
        *result.facts.items(),
        ("steelyard", __version__),
    ]
    return write_file(
        path,
        frame(
            body(), title=said.title, created=now(), units="All objectives are minimised.", links=(), provenance=facts,
            data={"networks": [], "plots": {}},
        ),
    )  # fmt: skip


Scale = Callable[[float], float]
"""From a value to its place, 0 to 1."""


def scale_over(values: Sequence[float]) -> Scale:
    """Linear from the least to the largest; logarithmic where that is over ten times as much."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high:
        return lambda value: 0.5
    if low > 0 and high / low > 10:
        return lambda value: log10(value / low) / log10(high / low)
    return lambda value: (value - low) / (high - low)


def _scatters(result: SearchResult) -> Iterator[str]:
    """The first objective against each of the others."""
    first, *others = result.objectives
    for other in others:
        yield f"<h2>{html_text(str(other))} against {html_text(str(first))}</h2>"
        yield _scatter(result, first, other)


def _scatter(result: SearchResult, across: Quantity, up: Quantity) -> str:
    xs, ys = ([t.values[str(one)] for t in result.done] for one in (across, up))
    x, y = scale_over(xs), scale_over(ys)
    front = {trial.number for trial in result.front}
    parts = [_frame(across, xs, up, ys)]
    for trial in sorted(result.done, key=lambda t: t.number in front):
        colour = _FRONT if trial.number in front else _OTHER
        left = _EDGE + x(trial.values[str(across)]) * (_WIDE - 2 * _EDGE)
        top = _HIGH - _EDGE - y(trial.values[str(up)]) * (_HIGH - 2 * _EDGE)
        parts.append(
            f'<circle cx="{left:.1f}" cy="{top:.1f}" r="4" fill="{colour}" fill-opacity="0.8">'
            f"<title>{html_text(_tip(result, trial))}</title></circle>"
        )
    return _svg(parts, f"{up} against {across}")


def _frame(across: Quantity, xs: Sequence[float], up: Quantity, ys: Sequence[float]) -> str:
    """Axes with the ends written at them."""
    bottom, right = _HIGH - _EDGE, _WIDE - _EDGE
    lines = f'<path d="M{_EDGE} {_EDGE}V{bottom}H{right}" fill="none" stroke="currentColor" stroke-opacity="0.4"/>'
    if not xs:
        return lines
    texts = [
        (_EDGE, bottom + 18, "start", across.show(min(xs))),
        (right, bottom + 18, "end", across.show(max(xs))),
        ((_EDGE + right) / 2, bottom + 34, "middle", str(across)),
        (_EDGE - 4, bottom, "end", up.show(min(ys))),
        (_EDGE - 4, _EDGE, "end", up.show(max(ys))),
        (_EDGE, _EDGE - 12, "start", str(up)),
    ]
    return lines + "".join(_text(*one) for one in texts)


def _parallel(result: SearchResult) -> str:
    """An axis for each choice with several values, and for each objective."""
    space, shown = result.space, quantities_of(result)
    places = [i for i, choice in enumerate(space.choices) if len(choice.values) > 1]
    places = places[: _MOST_AXES - len(shown)]
    axes = [space.choices[i].name for i in places] + [str(one) for one in shown]
    scales = [scale_over([t.values[str(one)] for t in result.done]) for one in shown]
    front = {trial.number for trial in result.front}
    bottom, step = _HIGH - _EDGE, (_WIDE - 2 * _EDGE) / max(1, len(axes) - 1)
    parts = []
    done = sorted(result.done, key=lambda t: (t.number in front, t.number))[-_MOST_LINES:]
    for trial in done:
        point = space.decode(trial.key)
        vector = space.vector(point)
        heights = [vector[i] for i in places]
        heights += [s(trial.values[str(one)]) for one, s in zip(shown, scales, strict=True)]
        corners = " ".join(
            f"{_EDGE + i * step:.1f},{bottom - h * (bottom - _EDGE):.1f}"
            for i, h in enumerate(heights)
        )
        on = trial.number in front
        parts.append(
            f'<polyline points="{corners}" fill="none" stroke="{_FRONT if on else _OTHER}" '
            f'stroke-opacity="{0.9 if on else 0.25}"><title>{html_text(_tip(result, trial))}</title></polyline>'
        )
    for i, name in enumerate(axes):
        at = _EDGE + i * step
        parts.append(
            f'<path d="M{at:.1f} {_EDGE}V{bottom}" stroke="currentColor" stroke-opacity="0.5"/>'
        )
        parts.append(_text(at, bottom + 14 + 12 * (i % 3), "middle", name))
    return _svg(parts, "choices and values of all networks that were tried")


def _tip(result: SearchResult, trial: Trial) -> str:
    values = (f"{one}: {one.show(trial.values[str(one)])}" for one in quantities_of(result))
    chosen = result.space.values(result.space.decode(trial.key))
    varied = {c.name for c in result.space.choices if len(c.values) > 1}
    choices = (f"{name} {value}" for name, value in chosen.items() if name in varied)
    return "\n".join((f"trial {trial.number}", *values, ", ".join(choices)))


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11" fill="currentColor">'
        f"{html_text(text)}</text>"
    )


def _svg(parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{html_text(label)}" '
        f'style="width:100%;max-width:{_WIDE}px">{"".join(parts)}</svg>'
    )
