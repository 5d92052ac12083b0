"""`Archive`: members of a foreign zip file, read into memory within limits and never extracted."""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from steelyard.capture.files import open_descriptor
from steelyard.errors import FileFormatError, SteelyardError

MAX_ENTRIES = 100_000
MAX_DIRECTORY_BYTES = 64 * 2**20
MAX_RATIO = 200
_CHUNK = 2**20


class Archive:
    """A zip archive whose members are read into memory, within limits; use it in a ``with``.

    Nothing is ever extracted. An archive is refused when a member's name leaves the archive (``..``,
    absolute, backslash), appears twice or is encrypted, or when it has more than `MAX_ENTRIES` members.

    Raises:
        FileFormatError: not a readable zip archive, or refused.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file = os.fdopen(open_descriptor(self.path, None), "rb")
        try:
            with self._readable("its directory of members"):
                self._check_directory()
                self._zip = zipfile.ZipFile(self._file)
            self._members = self._checked_members()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()
        self._file.close()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the members, in the archive's order."""
        return tuple(self._members)

    def size(self, name: str) -> int:
        """Bytes that the archive claims for a member, 0 where there is none."""
        return self._members[name].file_size if name in self._members else 0

    def read(self, name: str, *, max_bytes: int) -> bytes:
        """The bytes of one member.

        Raises:
            FileFormatError: no such member, larger than ``max_bytes``, damaged, or it expands more
                than `MAX_RATIO` times.
        """
        info = self._members.get(name)
        if info is None:
            raise FileFormatError(f"{self._label} has no member {name!r}")
        place = f"member {name!r} of {self._label}"
        if info.file_size > max_bytes:
            raise FileFormatError(
                f"{place} has {info.file_size} bytes", expected=f"at most {max_bytes} bytes"
            )
        if info.file_size > _CHUNK and info.file_size > MAX_RATIO * max(1, info.compress_size):
            raise FileFormatError(
                f"{place} expands from {info.compress_size} to {info.file_size} bytes",
                expected=f"at most {MAX_RATIO} times its compressed size (is it a zip bomb?)",
            )
        parts: list[bytes] = []
        total = 0
        with self._readable(f"member {name!r}"), self._zip.open(info) as member:
            while chunk := member.read(_CHUNK):
                total += len(chunk)
                if total > max_bytes:
                    raise FileFormatError(
                        f"{place} expands beyond its limit", expected=f"at most {max_bytes} bytes"
                    )
                parts.append(chunk)
        return b"".join(parts)

    @property
    def _label(self) -> str:
        return repr(str(self.path))

    @contextmanager
    def _readable(self, what: str) -> Iterator[None]:
        """Turns whatever a damaged archive makes the zip reader raise into a FileFormatError."""
        try:
            yield
        except SteelyardError:
            raise
        except (
            zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, EOFError,
            OSError, ValueError, LookupError, ArithmeticError, AssertionError, TypeError,
        ) as error:  # fmt: skip
            raise FileFormatError(
                f"{self._label} is a damaged zip archive: {what} cannot be read ({error})",
                expected="a complete archive",
            ) from None

    def _check_directory(self) -> None:
        """Bounds the directory of members before all of it is read into memory."""
        entries, size = _directory_claims(self._file)
        if entries > MAX_ENTRIES or size > MAX_DIRECTORY_BYTES:
            raise FileFormatError(
                f"{self._label} has {entries} members in a directory of {size} bytes",
                expected=f"at most {MAX_ENTRIES} members and {MAX_DIRECTORY_BYTES} bytes",
            )
        self._file.seek(0)

    def _checked_members(self) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            name = info.orig_filename
            problem = _name_problem(name)
            if name in members:
                problem = "appears twice"
            elif info.flag_bits & 0x1:
                problem = "is encrypted"
            elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                problem = f"is compressed by method {info.compress_type}, not stored or deflated"
            if problem:
                raise FileFormatError(
                    f"{self._label} is refused: its member {name[:200]!r} {problem}",
                    expected="an archive as torch.export.save writes it",
                )
            members[name] = info
        return members


def _name_problem(name: str) -> str:
    parts = name.split("/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if "\\" in name or "\x00" in name:
        return "has a backslash or NUL in its name"
    return "leads out of the archive" if ".." in parts else ""


def _directory_claims(file: BinaryIO) -> tuple[int, int]:
    """(members, bytes of the directory) from the end-of-central-directory record.

    PKWARE APPNOTE 6.3.10, sections 4.3.14 to 4.3.16.
    """
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - 65_557)
    file.seek(start)
    tail = file.read(65_557)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        raise zipfile.BadZipFile("no end-of-directory record; the file may be cut off")
    entries, length = struct.unpack("<HI", tail[at + 10 : at + 16])
    locator = tail[max(0, at - 20) : at]
    if locator[:4] == b"PK\x06\x07" and len(locator) == 20:
        file.seek(struct.unpack("<Q", locator[8:16])[0])
        record = file.read(56)
        if record[:4] == b"PK\x06\x06" and len(record) == 56:
            entries, length = struct.unpack("<QQ", record[32:48])
    return entries, length
