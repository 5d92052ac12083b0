"""The first screen of a network in the HTML report: in plain words, what changed against an earlier report, its scorecards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from steelyard.report.against import Against, layers_table, quantities_table
from steelyard.report.cardwords import figure_words, value_words
from steelyard.report.escape import html_text
from steelyard.report.htmltables import table_html
from steelyard.report.inshort import in_short
from steelyard.report.parts import Parts

if TYPE_CHECKING:
    from steelyard.metrics import Metric, Scorecard


_HEADS = ("figure", "computed from", "to be stated beside it", "not known")


def short_html(parts: Parts) -> Iterator[str]:
    """The questions and their answers."""
    answers = "".join(
        f"<dt>{html_text(question)}</dt><dd>{html_text(answer)}</dd>"
        for question, answer in in_short(parts)
    )
    yield f'<dl class="short">{answers}</dl>'


def against_html(found: Against) -> Iterator[str]:
    """What changed, in numbers."""
    yield f"<h3>Against {html_text(found.old)}</h3>"
    yield table_html(quantities_table(found))
    if found.layers:
        yield table_html(layers_table(found))


def card_html(card: Scorecard) -> Iterator[str]:
    """The eight metrics on one device: the figure, what it is computed from, what must stand beside it, what is missing."""
    name = f"Scorecard of {card.network} on {card.device}"
    yield f"<h3>{html_text(name)}</h3>"
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="{html_text(name)}">'
    # the roles are said, since on a narrow screen its parts are laid out as blocks
    yield f'<table class="card" role="table"><caption>The eight metrics, batch {card.batch}; what is not known is '
    yield 'named, never guessed</caption><thead role="rowgroup"><tr role="row">'
    yield "".join(
        f'<th scope="col" role="columnheader">{head}</th>' for head in ("metric", *_HEADS)
    )
    yield '</tr></thead><tbody role="rowgroup">'
    for metric in card.metrics:
        yield f'<tr role="row"><th scope="row" role="rowheader">{html_text(metric.name)}</th>'
        cells = (
            _figures(metric),
            _origin(metric),
            _list(f"{what}: {text}" for what, text in metric.stated),
            _list(f"{what}: {why}" for what, why in metric.gaps),
        )
        for number, (head, cell) in enumerate(zip(_HEADS, cells, strict=True)):
            label = f' data-label="{head}"' if number else ""
            yield f'<td role="cell"{label}>{cell}</td>'
        yield "</tr>"
    yield "</tbody></table></div>"
    for note in card.notes:
        yield f'<p class="note">{html_text(note)}</p>'


def _figures(metric: Metric) -> str:
    first = f"<strong>{html_text(figure_words(metric.figure))}</strong>"
    others = [f"{one.name}: {figure_words(one)}" for one in metric.others if one.value is not None]
    return first + _list(others)


def _origin(metric: Metric) -> str:
    factors = [
        f"{'÷ ' if factor.divides else ''}{factor.name} {value_words(factor.value, factor.unit)}"
        for factor in metric.factors
    ]
    return html_text(metric.equation) + _list(factors)


def _list(items: Iterable[str]) -> str:
    entries = "".join(f"<li>{html_text(item)}</li>" for item in items)
    return f"<ul>{entries}</ul>" if entries else ""
