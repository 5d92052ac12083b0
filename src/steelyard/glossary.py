"""`explain`: what a word means here; the entries stand in ``glossary.md`` beside this file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from steelyard.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the glossary; ``str()`` of it is what the command line prints.

    Attributes:
        term: the word.
        also: other words under which it is found.
        text: the explanation, paragraphs separated by an empty line.
    """

    term: str
    also: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        also = f" (also: {', '.join(self.also)})" if self.also else ""
        return f"{self.term}{also}\n\n{self.text}"

    def to_dict(self) -> dict[str, object]:
        """Plain data under the schema ``steelyard.term/1``."""
        return {
            "schema": "steelyard.term/1",
            "term": self.term,
            "also": list(self.also),
            "text": self.text,
        }


@lru_cache(maxsize=1)
def entries() -> tuple[Entry, ...]:
    """All entries, in alphabetical order."""
    source = resources.files("steelyard").joinpath("glossary.md").read_text("utf-8")
    found = []
    for block in re.split(r"^## ", source, flags=re.MULTILINE)[1:]:
        term, _, body = block.partition("\n")
        body = body.strip()
        also: tuple[str, ...] = ()
        if body.startswith("Also: "):
            line, _, body = body.partition("\n")
            also = tuple(name.strip() for name in line.removeprefix("Also: ").split(","))
        # emphasis and code marks are for the page; a terminal prints the words
        found.append(Entry(term.strip(), also, re.sub(r"[`*]", "", body).strip()))
    return tuple(sorted(found, key=lambda entry: entry.term.lower()))


def explain(term: str) -> Entry:
    """The entry of ``term``, found by any of its names; case, spaces, ``-`` and ``_`` do not matter.

    >>> explain("MACs").term, explain("multiply accumulate").term
    ('macs', 'macs')

    Raises:
        UnknownNameError: there is none; the nearest terms are offered.
    """
    exact = {name: entry for entry in entries() for name in (entry.term, *entry.also)}
    if term in exact:  # some differ by case only, such as S and s
        return exact[term]
    loose = {_key(name): entry for name, entry in reversed(exact.items())}
    entry = loose.get(_key(term)) or loose.get(_key(term).removesuffix("s"))
    if entry is None:
        raise UnknownNameError("term", term, exact, hint="steelyard explain")
    return entry


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()
