"""The record of a run: one JSON object a line, cut back to a checkpoint when training resumes there."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelyard.errors import FileFormatError

__all__ = ["Record", "read_rows"]


class Record:
    """A file of JSON lines that grows.

    Args:
        path: the file.
        size: bytes of it that are to stay; what stands behind them is cut off.
        sha256: of those bytes; "" where nothing is known.

    Raises:
        FileFormatError: the bytes are not there, or others.
    """

    def __init__(self, path: Path, size: int = 0, sha256: str = "") -> None:
        self.path = path
        kept = path.read_bytes()[:size] if size else b""
        self._hash = hashlib.sha256(kept)
        if len(kept) < size or (sha256 and self._hash.hexdigest() != sha256):
            raise FileFormatError(
                f"{path} is not as it was when the checkpoint was written",
                expected=f"{size} bytes that have its hash",
                hint="train anew in another folder",
            )
        self._file = path.open("r+b" if size else "wb")
        self._file.truncate(size)
        self._file.seek(size)
        self.size = size

    def add(self, row: Mapping[str, Any]) -> None:
        """Writes a row; on the disk it is after `flush`."""
        line = json.dumps(row, allow_nan=False).encode() + b"\n"
        self._file.write(line)
        self._file.flush()
        self._hash.update(line)
        self.size += len(line)

    def flush(self) -> tuple[int, str]:
        """Makes sure that all rows are on the disk.

        Returns:
            The bytes written since the beginning, and their sha256.
        """
        os.fsync(self._file.fileno())
        return self.size, self._hash.hexdigest()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_rows(path: Path, kind: str = "") -> list[dict[str, Any]]:
    """The rows of a record, of one kind or all; a last line that was never finished is left out.

    Raises:
        FileFormatError: no such file, or a line that is no JSON object.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror or error}") from error
    rows = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise FileFormatError(f"{path}, line {number}, is no JSON object")
        rows.append(row)
    return [row for row in rows if not kind or row.get("kind") == kind]
