"""`Field`: a place in a foreign JSON document, read with its type checked and errors that name the place."""

from __future__ import annotations

import json
from collections.abc import Iterator

from steelyard.errors import FileFormatError

MAX_CONTAINERS = 1_000_000  # some 18,000 operators; what is read takes under 5 s and 1 GB
MAX_SEPARATORS = 5_000_000
MAX_INT = 2**63 - 1


class Field:
    """A value and where it stands, e.g. ``models/model.json: graph.nodes[3].inputs[1]``."""

    __slots__ = ("_key", "_parent", "value")

    def __init__(self, value: object, key: str | int, parent: Field | None = None) -> None:
        self.value = value
        self._key = key
        self._parent = parent

    @property
    def place(self) -> str:
        """The path from the document down to this value."""
        keys: list[str | int] = []
        field = self
        while field._parent is not None:
            keys.append(field._key)
            field = field._parent
        path = "".join(f"[{k}]" if isinstance(k, int) else f".{k[:200]}" for k in reversed(keys))
        return f"{field._key}: {path.removeprefix('.')}" if path else str(field._key)

    @property
    def root(self) -> Field:
        """The document that this value is in."""
        field = self
        while field._parent is not None:
            field = field._parent
        return field

    def wrong(self, given: str, *, expected: str = "", hint: str = "") -> FileFormatError:
        """An error at this place."""
        return FileFormatError(f"{self.place} {given}", expected=expected, hint=hint)

    def _is_not(self, what: str) -> FileFormatError:
        text = repr(self.value)
        return self.wrong(f"is {text if len(text) <= 60 else text[:57] + '...'}", expected=what)

    # ---- containers ----

    def get(self, key: str) -> Field:
        """The value of ``key`` in this object."""
        field = self.find(key)
        if field is None:
            raise self.wrong(f"has no key {key!r}")
        return field

    def find(self, key: str) -> Field | None:
        """The value of ``key``, or None where it is missing or null."""
        value = self.object().get(key)
        return None if value is None else Field(value, key, self)

    def object(self) -> dict[str, object]:
        """This value as a JSON object."""
        if not isinstance(self.value, dict):
            raise self._is_not("an object")
        return self.value

    def items(self) -> Iterator[tuple[str, Field]]:
        """Keys and values of this object."""
        for key, value in self.object().items():
            yield key, Field(value, key, self)

    def elements(self) -> Iterator[Field]:
        """The elements of this list."""
        if not isinstance(self.value, list):
            raise self._is_not("a list")
        for i, value in enumerate(self.value):
            yield Field(value, i, self)

    def union(self) -> tuple[str, Field]:
        """The tag and value of an object with exactly one key, as ``{"as_int": 3}``."""
        filled = self.object()
        if len(filled) != 1 or None in filled.values():  # some writers fill in the other keys
            filled = {k: v for k, v in filled.items() if v is not None}
        if len(filled) != 1:
            raise self._is_not("an object with one key that tells its type")
        tag, value = next(iter(filled.items()))
        return tag, Field(value, tag, self)

    # ---- scalars ----

    def text(self) -> str:
        """This value as a string."""
        if not isinstance(self.value, str):
            raise self._is_not("a string")
        return self.value

    def integer(self, low: int = -MAX_INT - 1, high: int = MAX_INT) -> int:
        """This value as an integer within bounds."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self._is_not("an integer")
        if not low <= self.value <= high:
            raise self._is_not(f"an integer from {low} to {high}")
        return self.value

    def number(self) -> float:
        """This value as a number; infinities are written as strings."""
        if isinstance(self.value, (int, float)) and not isinstance(self.value, bool):
            return float(self.integer()) if isinstance(self.value, int) else self.value
        if self.value in ("Infinity", "-Infinity", "NaN"):
            return float(str(self.value))
        raise self._is_not("a number")

    def boolean(self) -> bool:
        """This value as true or false."""
        if not isinstance(self.value, bool):
            raise self._is_not("true or false")
        return self.value


def parse(data: bytes, label: str) -> Field:
    """The document in ``data``, called ``label`` in errors.

    Raises:
        FileFormatError: not JSON in UTF-8, nested too deeply, or so many parts that reading it would
            take more than about 1 GB.
    """
    containers = data.count(b"{") + data.count(b"[")
    separators = data.count(b",")
    if containers > MAX_CONTAINERS or separators > MAX_SEPARATORS:
        raise FileFormatError(
            f"{label} has {containers} objects and lists and {separators} commas",
            expected=f"at most {MAX_CONTAINERS} and {MAX_SEPARATORS}",
        )
    try:
        return Field(json.loads(data.decode("utf-8")), label)
    except RecursionError:
        raise FileFormatError(f"{label} is nested too deeply") from None
    except (
        ValueError
    ) as error:  # JSONDecodeError, UnicodeDecodeError, an integer of over 4300 digits
        raise FileFormatError(f"{label} is not JSON: {error}") from None
