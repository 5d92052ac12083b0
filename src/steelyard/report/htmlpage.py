"""The frame of every HTML page: head, policy, style, script, header and foot; nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from typing import Any

from steelyard._version import __version__
from steelyard.report.escape import html_text, script_json
from steelyard.report.jsontext import dumps

_SCRIPTS = ("tip.js", "report.js", "plots.js")


def frame(
    body: Iterable[str],
    *,
    title: str,
    created: str,
    units: str,
    provenance: Sequence[tuple[str, str]],
    links: Sequence[tuple[str, str]] = (),
    data: dict[str, Any] | None = None,
) -> str:
    """A whole page.

    Args:
        body: HTML of the main part.
        title: its heading.
        created: date and time, as it is printed.
        units: a sentence on the units, as HTML.
        provenance: (what, value) pairs for the foot of the page.
        links: (id, text) of the sections that the navigation names; none if empty.
        data: what the script needs, as plain data; None for a page without networks and plots.
    """
    given = {"networks": [], "plots": {}} if data is None else data
    return "".join(_page(body, title, created, units, links, provenance, given))


def _page(
    body: Iterable[str],
    title: str,
    created: str,
    units: str,
    links: Sequence[tuple[str, str]],
    provenance: Sequence[tuple[str, str]],
    data: dict[str, Any],
) -> Iterator[str]:
    style, script = _asset("report.css") + _asset("plots.css"), "".join(map(_asset, _SCRIPTS))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="referrer" content="no-referrer">\n'
    yield f'<meta name="generator" content="steelyard {html_text(__version__)}">\n'
    yield f"<title>{html_text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
    yield f"<header><h1>{html_text(title)}</h1>"
    yield f'<p class="soft">Made by steelyard {html_text(__version__)}, {html_text(created)}. '
    yield f"{units}</p>"
    if links:
        yield _navigation(links)
    yield "</header>\n<main>\n"
    yield from body
    yield "</main>\n"
    facts = "".join(f"<dt>{html_text(k)}</dt><dd>{html_text(v)}</dd>" for k, v in provenance)
    yield f'<footer id="provenance"><h2>Where this comes from</h2><dl class="facts">{facts}</dl></footer>\n'
    yield '<noscript><p class="soft">Sorting, filtering, the module map and what the pointer shows '
    yield "need JavaScript.</p></noscript>"
    yield '<div id="tip" role="tooltip" hidden></div><p id="said" role="status"></p>\n'
    yield f'<script type="application/json" id="data">{script_json(dumps(data))}</script>\n'
    yield f"<script>{script}</script>\n</body>\n</html>\n"


def _asset(name: str) -> str:
    return resources.files("steelyard.report").joinpath("assets", name).read_text("utf-8")


def _navigation(links: Sequence[tuple[str, str]]) -> str:
    items = "".join(f'<li><a href="#{name}">{html_text(text)}</a></li>' for name, text in links)
    return f'<nav aria-label="sections"><ul>{items}</ul></nav>'
