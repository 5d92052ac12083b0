"""YAML from strangers as a tree of nodes that know their file, line and path; nothing in it is run or expanded.

Read from the parser's events: no tags, no anchors and aliases (with which few lines make a "bomb"), no
duplicate keys, one document, bounded size and depth. Words such as ``no`` and ``on`` are text, ``1e9`` is a
number.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.errors import FileFormatError, nearest

MAX_BYTES = 256 * 1024
"""Larger files describe no device."""

MAX_DEPTH = 16
"""Deeper nesting describes no device."""

_INTEGER = re.compile(r"[-+]?[0-9]{1,30}\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,30}|[0-9]{1,30}(\.[0-9]{0,30})?)([eE][-+]?[0-9]{1,3})?\Z")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands.

    Attributes:
        value: a scalar, a list of nodes, or a mapping to nodes.
        path: keys from the top, ``levels.glb.read_pj``; "" at the top.
        line: from 1.
        file: what the user calls the file.
    """

    value: Scalar | list[Node] | dict[str, Node]
    path: str
    line: int
    file: str

    def error(self, given: str, *, expected: str = "", hint: str = "") -> FileFormatError:
        """The error to raise for this node."""
        where = f"{self.file}, line {self.line}"
        where += f", {self.path}" if self.path else ""
        return FileFormatError(f"{where}: {given}", expected=expected, hint=hint)

    @property
    def shown(self) -> str:
        """The value for an error message, never long."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        if self.value is None:
            return "nothing"
        text = repr(self.value)
        return text if len(text) <= 60 else text[:57] + "..."

    def mapping(self) -> dict[str, Node]:
        """The entries of a mapping.

        Raises:
            FileFormatError: it is something else.
        """
        if not isinstance(self.value, dict):
            raise self.error(f"{self.shown} stands here", expected="a mapping, key: value")
        return self.value

    def items(self) -> list[Node]:
        """The items of a list.

        Raises:
            FileFormatError: it is something else.
        """
        if not isinstance(self.value, list):
            raise self.error(f"{self.shown} stands here", expected="a list, [a, b]")
        return self.value

    def text(self) -> str:
        """A text of at least one character.

        Raises:
            FileFormatError: it is something else.
        """
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.error(f"{self.shown} stands here", expected="a text")
        return self.value

    def known(self, keys: Iterable[str], required: Iterable[str] = ()) -> dict[str, Node]:
        """The entries of a mapping all of whose keys are among ``keys``.

        Raises:
            FileFormatError: a key is unknown (the nearest is named) or missing.
        """
        entries, allowed = self.mapping(), list(keys)
        for key, node in entries.items():
            if key not in allowed:
                near = nearest(key, allowed, n=1)
                raise node.error(
                    f"unknown key {key!r}",
                    expected="one of " + ", ".join(allowed),
                    hint=f"{near[0]}:" if near else "",
                )
        if missing := [key for key in required if key not in entries]:
            raise self.error(f"no {', no '.join(missing)}", expected="keys " + ", ".join(required))
        return entries


def read_tree(path: str | Path) -> Node:
    """The document in a file.

    Raises:
        FileFormatError: the file cannot be read, is too large, is not UTF-8, or `parse_tree` refuses it.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileFormatError(
            f"{str(path)!r} cannot be read: {error.strerror or error}", expected="a YAML file"
        ) from error
    except ValueError as error:
        raise FileFormatError(f"{str(path)!r} is no file name: {error}") from error
    if len(raw) > MAX_BYTES:
        raise FileFormatError(
            f"{str(path)!r} is larger than {MAX_BYTES // 1024} KiB", expected="a device as YAML"
        )
    try:
        return parse_tree(raw.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{str(path)!r} is not UTF-8: {error.reason} at byte {error.start}",
            expected="a text file",
        ) from error


def parse_tree(text: str, file: str = "text") -> Node:
    """The one document that ``text`` holds.

    Raises:
        FileFormatError: not YAML, several documents, or one of the things that this module refuses.
    """
    yaml: Any = importlib.import_module("yaml")
    events = yaml.parse(text, Loader=yaml.SafeLoader)
    try:
        return _Builder(yaml, events, file).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
        raise FileFormatError(f"{file}{line}: {problem}", expected="valid YAML") from error


class _Builder:
    """Makes nodes from events; its calls nest as deep as the document, which is bounded."""

    def __init__(self, yaml: Any, events: Iterator[Any], file: str) -> None:
        self.yaml, self.events, self.file = yaml, events, file

    def document(self) -> Node:
        yaml = self.yaml
        top: Node | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if top is not None:
                    raise self.refusal(event, "a second document begins", "one document")
                top = self.node(next(self.events), "", 0)
        if top is None:
            raise FileFormatError(f"{self.file} is empty", expected="a device as YAML")
        return top

    def refusal(self, event: Any, given: str, expected: str) -> FileFormatError:
        line = event.start_mark.line + 1
        return FileFormatError(f"{self.file}, line {line}: {given}", expected=expected)

    def node(self, event: Any, path: str, depth: int) -> Node:
        yaml, line = self.yaml, event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self.refusal(event, "an anchor or alias (& or *)", "every value written out")
        if event.tag is not None:
            raise self.refusal(event, f"the tag {event.tag!r}", "plain values without tags")
        if depth > MAX_DEPTH:
            raise self.refusal(event, f"nested deeper than {MAX_DEPTH}", "a device as YAML")
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event.value) if event.implicit[0] else event.value
            return Node(value, path, line, self.file)
        if isinstance(event, yaml.SequenceStartEvent):
            return Node(self.sequence(path, depth), path, line, self.file)
        return Node(self.entries(path, depth), path, line, self.file)

    def sequence(self, path: str, depth: int) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := next(self.events), self.yaml.SequenceEndEvent):
            items.append(self.node(event, f"{path}[{len(items)}]", depth + 1))
        return items

    def entries(self, path: str, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(self.events), self.yaml.MappingEndEvent):
            if not isinstance(event, self.yaml.ScalarEvent):
                raise self.refusal(event, "a key that is not a word", "key: value")
            self.node(event, path, depth)  # refuses tags and anchors
            key = event.value
            if key in entries:
                raise self.refusal(event, f"the key {key!r} stands twice", "each key once")
            inner = f"{path}.{key}" if path else key
            entries[key] = self.node(next(self.events), inner, depth + 1)
        return entries


def _scalar(text: str) -> Scalar:
    """What a plain scalar means: YAML 1.2's core schema without octal, hexadecimal and .inf."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text
