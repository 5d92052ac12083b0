"""The protobuf wire format: `Source` (the bytes of a file, with limits) and `fields` of a message.

Why not ``onnx.load``: it reads every weight into memory (VGG-19: 575 MB, twice), it expands two bytes
of a crafted file into hundreds, and the shape inference that would follow is C++ that can crash or
hang. The wire format is small (https://protobuf.dev/programming-guides/encoding/), so it is read here
in plain Python: tensor contents are skipped over and never leave the disk (only small ones that
shapes are computed from are fetched later), nesting and the number of fields are bounded, and nothing
native sees the file. So no child process is needed, and neither is the ``onnx`` package.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from typing import BinaryIO

from steelyard.errors import FileFormatError, TimeLimitError

MAX_NESTING = 100
"""Messages within messages; the limit of protobuf's own parsers."""

MAX_FIELDS = 1_500_000
"""Fields in a file, a message counting as three; ten thousand nodes have some five hundred thousand."""

_WHOLE = 1 << 20  # messages up to this size are read at once, larger ones field by field
_HEADER = 20  # a key and a length take at most this many bytes

Field = tuple[int, int, int, int]
"""(number, wire type, value or start, end)."""


class Source:
    """The bytes of a file, read in windows, with the limits that hold while it is parsed."""

    def __init__(self, file: BinaryIO, what: str, deadline: float) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        self.what = what
        self.deadline = deadline
        self.fields_left = MAX_FIELDS
        self._window = b""
        self._start = 0

    def read(self, start: int, end: int) -> bytes:
        """The bytes from ``start`` to ``end``."""
        low = start - self._start
        if low < 0 or end - self._start > len(self._window):
            self._file.seek(start)
            self._window = self._file.read(max(end - start, 1 << 16))
            self._start = start
            low = 0
        data = self._window[low : low + end - start]
        if len(data) != end - start:
            raise self.damaged(start, "the file ends within a field")
        return data

    def text(self, start: int, end: int) -> str:
        """A string field; bytes that are no UTF-8 become U+FFFD."""
        if end - start > _WHOLE:
            raise self.damaged(start, f"a name of {end - start} bytes")
        return self.read(start, end).decode("utf-8", "replace")

    def spend(self, count: int = 1) -> None:
        """Counts fields against the limits.

        Raises:
            FileFormatError: too many.
            TimeLimitError: out of time.
        """
        self.fields_left -= count
        if self.fields_left < 0:
            raise FileFormatError(
                f"{self.what} has more than {MAX_FIELDS} fields", expected="a network, not a bomb"
            )
        if self.fields_left % 1024 < count and time.monotonic() > self.deadline:
            raise TimeLimitError(f"{self.what} could not be read within the deadline")

    def damaged(self, position: int, why: str) -> FileFormatError:
        """The error for a file that is no ONNX or was cut."""
        return FileFormatError(
            f"{self.what} is not an ONNX file or is damaged at byte {position}: {why}",
            expected="a serialized ModelProto",
        )


def fields(src: Source, start: int, end: int) -> Iterator[Field]:
    """The fields of the message at ``start`` to ``end``; contents of long ones are not read."""
    src.spend(2)
    if start == end:
        return
    whole = src.read(start, end) if end - start <= _WHOLE else None
    position = start
    while position < end:
        if whole is None:
            data, base = src.read(position, min(position + _HEADER, end)), position
        else:
            data, base = whole, start
        key, at = _varint(src, data, position - base, base)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise src.damaged(position, "field number 0")
        if wire == 0:
            value, at = _varint(src, data, at, base)
            stop = position = base + at
        elif wire == 2:
            length, at = _varint(src, data, at, base)
            value = base + at
            stop = position = value + length
        elif wire in (1, 5):
            value = base + at
            stop = position = value + (8 if wire == 1 else 4)
        else:
            raise src.damaged(position, f"wire type {wire}")
        if stop > end:
            raise src.damaged(base + at, f"a field of {stop - value} bytes ends beyond its message")
        src.spend()
        yield number, wire, value, stop


def _varint(src: Source, data: bytes, at: int, base: int) -> tuple[int, int]:
    if at < len(data) and data[at] < 0x80:  # most are one byte
        return data[at], at + 1
    result = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise src.damaged(base + at, "an integer does not end")
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFFFFFFFFFFFFFF, at
        shift += 7


def signed(value: int) -> int:
    """A varint as the int64 that it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def span(src: Source, entry: Field) -> tuple[int, int]:
    """Where a message, string or list begins and ends."""
    if entry[1] != 2:
        raise src.damaged(entry[2], f"field {entry[0]} has wire type {entry[1]}")
    return entry[2], entry[3]


def as_text(src: Source, entry: Field) -> str:
    """A string field."""
    return src.text(*span(src, entry))


def as_int(src: Source, entry: Field) -> int:
    """An integer or enumeration field."""
    if entry[1] != 0:
        raise src.damaged(entry[3], f"field {entry[0]} has wire type {entry[1]}")
    return signed(entry[2])


def as_ints(src: Source, entry: Field) -> list[int]:
    """One entry of a repeated integer field, packed or not."""
    if entry[1] != 2:
        return [as_int(src, entry)]
    return unpack_varints(src, entry[2], entry[3])


def unpack_varints(src: Source, start: int, end: int) -> list[int]:
    """A packed repeated integer field."""
    if end - start > _WHOLE:
        raise src.damaged(start, f"a list of integers of {end - start} bytes")
    data = src.read(start, end)
    values: list[int] = []
    at = 0
    while at < len(data):
        value, at = _varint(src, data, at, start)
        values.append(signed(value))
    src.spend(len(values))
    return values


def as_float(src: Source, entry: Field) -> float:
    """A float field."""
    if entry[1] != 5:
        raise src.damaged(entry[3], f"field {entry[0]} has wire type {entry[1]}")
    return as_floats(src, entry)[0]


def as_floats(src: Source, entry: Field) -> list[float]:
    """One entry of a repeated float field, packed or not."""
    if entry[1] == 5:
        return [struct.unpack("<f", src.read(entry[2], entry[3]))[0]]
    start, end = span(src, entry)
    if (end - start) % 4 or end - start > _WHOLE:
        raise src.damaged(start, f"a list of floats of {end - start} bytes")
    src.spend((end - start) // 4)
    return [v for (v,) in struct.iter_unpack("<f", src.read(start, end))]


def deeper(src: Source, entry: Field, depth: int) -> int:
    """``depth`` + 1 within the limit."""
    if depth >= MAX_NESTING:
        raise FileFormatError(
            f"{src.what} nests messages more than {MAX_NESTING} deep",
            expected=f"at most {MAX_NESTING}, the limit of protobuf itself",
        )
    return depth + 1
