"""`result_page`: a page of one result: its warnings, its pictures and tables, its notes, and what it depends on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from steelyard._version import __version__
from steelyard.report.escape import html_text
from steelyard.report.htmlpage import frame
from steelyard.report.pictures import now
from steelyard.report.table import Document


def result_page(
    said: Document, body: Iterable[str], *, units: str, facts: Sequence[tuple[str, str]]
) -> str:
    """The HTML of it.

    Args:
        said: its title, warnings and notes.
        body: HTML between them.
        units: a sentence on the units, as HTML.
        facts: (what, value) pairs for the foot of the page; the version is added.
    """

    def whole() -> Iterator[str]:
        for line in said.warnings:
            yield f'<p class="warning"><strong>Note:</strong> {html_text(line)}</p>'
        yield from body
        yield "".join(f'<p class="note">{html_text(line)}</p>' for line in said.notes)

    return frame(
        whole(),
        title=said.title,
        created=now(),
        units=units,
        provenance=[*facts, ("steelyard", __version__)],
    )
