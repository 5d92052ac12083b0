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

_OTHER, _FRONT = "#8a94a0", "#d0534f"
_MOST_LINES, _MOST_AXES = 400, 14
_LETTER = 7.0
"""Width of a letter of 12 pixels, about."""

_STEP, _TALL, _TOP, _BOTTOM = 68, 370, 46, 278
"""Between parallel axes; height of the picture, and where they begin and end."""

_SPREAD = 0.07
"""By which networks of equal choices lie apart, of an axis."""


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
        yield '<p class="note">Each line is a network; red ones are on the front. Equal choices lie a little apart.</p>'
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
            body(),
            title=said.title,
            created=now(),
            units="All objectives are minimised.",
            provenance=facts,
        ),
    )


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
    yield "<h2>Front</h2>"
    yield '<p class="note">Each point is a network; no other beats the red ones in all objectives.</p>'
    yield '<div style="display:flex;flex-wrap:wrap;gap:12px">'
    for other in others:
        yield _scatter(result, first, other)
    yield "</div>"


def _scatter(result: SearchResult, across: Quantity, up: Quantity) -> str:
    xs, ys = ([t.values[str(one)] for t in result.done] for one in (across, up))
    x, y = scale_over(xs), scale_over(ys)
    ends = [up.show(f(ys)) for f in (min, max)] if ys else [""]
    left, right, top, bottom = 10 + _LETTER * max(map(len, ends)), 444.0, 34.0, 250.0
    parts = [_frame(across, xs, up, ys, (left, right, top, bottom))]
    front = {trial.number for trial in result.front}
    places = {
        trial.number: (
            left + x(trial.values[str(across)]) * (right - left),
            bottom - y(trial.values[str(up)]) * (bottom - top),
        )
        for trial in result.done
    }
    if len(result.objectives) == 2 and front:
        parts.append(_steps(sorted(places[number] for number in front)))
    for trial in sorted(result.done, key=lambda t: t.number in front):
        colour = _FRONT if trial.number in front else _OTHER
        cx, cy = places[trial.number]
        parts.append(
            f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="4" fill="{colour}" fill-opacity="0.8">'
            f"<title>{html_text(_tip(result, trial))}</title></circle>"
        )
    return _svg(parts, f"{up} against {across}", 456, 292, "flex:1 1 320px;max-width:520px")


def _steps(corners: Sequence[tuple[float, float]]) -> str:
    """What the front of two objectives leaves to others."""
    (x, y), *rest = corners
    steps = "".join(f"H{x:.1f}V{y:.1f}" for x, y in rest)
    return f'<path d="M{x:.1f} {y:.1f}{steps}" fill="none" stroke="{_FRONT}" stroke-opacity="0.5"/>'


def _frame(
    across: Quantity,
    xs: Sequence[float],
    up: Quantity,
    ys: Sequence[float],
    box: tuple[float, float, float, float],
) -> str:
    """Axes with the ends written at them."""
    left, right, top, bottom = box
    lines = (
        f'<path d="M{left:.1f} {top}V{bottom}H{right}" fill="none" stroke="currentColor" '
        'stroke-opacity="0.4"/>'
    )
    if not xs:
        return lines
    texts = [
        (left, bottom + 18, "start", across.show(min(xs))),
        (right, bottom + 18, "end", across.show(max(xs))),
        ((left + right) / 2, bottom + 34, "middle", str(across)),
        (left - 5, bottom, "end", up.show(min(ys))),
        (left - 5, top + 8, "end", up.show(max(ys))),
        (left, top - 14, "start", str(up)),
    ]
    return lines + "".join(_text(*one) for one in texts)


def _parallel(result: SearchResult) -> str:
    """An axis for each choice with several values, and for each objective."""
    space, shown = result.space, quantities_of(result)
    places = [i for i, choice in enumerate(space.choices) if len(choice.values) > 1]
    places = places[: _MOST_AXES - len(shown)]
    values = [[t.values[str(one)] for t in result.done] for one in shown]
    axes = [(space.choices[i].name, [str(v) for v in space.choices[i].values]) for i in places]
    axes += [
        (str(one), [one.show(min(row)), one.show(max(row))] if row else [])
        for one, row in zip(shown, values, strict=True)
    ]
    scales = [scale_over(row) for row in values]
    front = {trial.number for trial in result.front}
    parts = []
    for trial in sorted(result.done, key=lambda t: (t.number in front, t.number))[-_MOST_LINES:]:
        apart = (trial.number * 0.618 % 1 - 0.5) * _SPREAD
        vector = space.vector(space.decode(trial.key))
        heights = [vector[i] + apart for i in places]
        heights += [s(trial.values[str(one)]) for one, s in zip(shown, scales, strict=True)]
        parts.append(_line(heights, _tip(result, trial), on=trial.number in front))
    parts += [_axis(i, name, marks) for i, (name, marks) in enumerate(axes)]
    wide = _STEP * len(axes) + _STEP
    picture = _svg(
        parts, "choices and values of all networks that were tried", wide, _TALL, f"width:{wide}px"
    )
    return f'<div style="overflow-x:auto" tabindex="0" role="group">{picture}</div>'


def _at(i: int) -> float:
    return _STEP * (i + 0.9)


def _line(heights: Sequence[float], tip: str, *, on: bool) -> str:
    corners = " ".join(
        f"{_at(i):.1f},{_BOTTOM - h * (_BOTTOM - _TOP):.1f}" for i, h in enumerate(heights)
    )
    return (
        f'<polyline points="{corners}" fill="none" stroke="{_FRONT if on else _OTHER}" '
        f'stroke-opacity="{0.9 if on else 0.3}"><title>{html_text(tip)}</title></polyline>'
    )


def _axis(i: int, name: str, marks: Sequence[str]) -> str:
    """With its first value below and its last above; names take turns in three lines."""
    at = _at(i)
    parts = [
        f'<path d="M{at:.1f} {_TOP - 8}V{_BOTTOM + 8}" stroke="currentColor" stroke-opacity="0.5"/>'
    ]
    if marks:
        parts += [
            _text(at, _BOTTOM + 21 + 13 * (i % 2), "middle", marks[0]),
            _text(at, _TOP - 14 - 13 * (i % 2), "middle", marks[-1]),
        ]
    return "".join([*parts, _text(at, _BOTTOM + 52 + 13 * (i % 3), "middle", name)])


def _tip(result: SearchResult, trial: Trial) -> str:
    values = (f"{one}: {one.show(trial.values[str(one)])}" for one in quantities_of(result))
    chosen = result.space.values(result.space.decode(trial.key))
    varied = {c.name for c in result.space.choices if len(c.values) > 1}
    choices = (f"{name} {value}" for name, value in chosen.items() if name in varied)
    return "\n".join((f"trial {trial.number}", *values, ", ".join(choices)))


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12" fill="currentColor">'
        f"{html_text(text)}</text>"
    )


def _svg(parts: Sequence[str], label: str, wide: float, high: float, style: str) -> str:
    return (
        f'<svg viewBox="0 0 {wide:g} {high:g}" role="img" aria-label="{html_text(label)}" style="{style}">'
        f"{''.join(parts)}</svg>"
    )
