"""`Kept`: texts by key in a SQLite file that several processes share, of which none is ever trusted blindly.

Each text carries a checksum: what a damaged disk changed is not read. A file that is damaged, or of another
format, is set aside and a new one begun. A file that cannot be used (read-only, no room, a network folder
without locks) is not asked again. All is said in `Kept.notes`.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from typing import TypeVar

from steelyard.errors import InputError

_WAIT_S = 10.0
"""Others hold the file for milliseconds; who holds it longer will not let go."""

_AT_ONCE = 500
"""Keys of one query; SQLite allows 999."""

_DAMAGED = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""SQLite's codes for a file that is none, or has a table of this name with other columns."""

_Result = TypeVar("_Result")


class Kept:
    """Reads and writes texts; never fails, at worst it forgets.

    Args:
        path: the file; made, with its folder, by the first text that is kept.
        what: what is kept, in the plural, for the notes; the table's name.
        begin_anew: False for a file that the user named: then one that cannot be used is an error.
        most: texts that are kept, the oldest go; None: all.

    Raises:
        InputError: see ``begin_anew``; in all methods.
    """

    def __init__(
        self, path: Path, what: str, *, begin_anew: bool = True, most: int | None = None
    ) -> None:
        self.path, self.what, self.begin_anew, self.most = path, what, begin_anew, most
        self.notes: list[str] = []
        self.usable = True
        self._lock = Lock()

    def get(self, keys: Sequence[str]) -> dict[str, str]:
        """The texts that are there."""
        if not self.path.exists():
            return {}

        def read(base: sqlite3.Connection) -> list[tuple[object, object]]:
            rows = []
            for start in range(0, len(keys), _AT_ONCE):
                part = keys[start : start + _AT_ONCE]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, answer FROM {self.what} WHERE key IN ({marks})"  # noqa: S608 (only marks)
                rows += base.execute(query, part).fetchall()
            return rows

        return self._sound(self._do(read), "found anew")

    def all(self) -> dict[str, str]:
        """Every text that is there, sorted by key."""
        if not self.path.exists():
            return {}
        query = f"SELECT key, answer FROM {self.what} ORDER BY key"  # noqa: S608
        return self._sound(self._do(lambda base: base.execute(query).fetchall()), "left out")

    def _sound(self, rows: list[tuple[object, object]] | None, remedy: str) -> dict[str, str]:
        """The texts whose checksums are right."""
        found = {}
        for key, sealed in rows or []:
            text = _opened(str(key), str(sealed))
            if text is None:
                self.notes.append(f"some kept {self.what} were damaged and are {remedy}")
            else:
                found[str(key)] = text
        return found

    def put(self, key: str, text: str) -> None:
        """Keeps a text."""
        statement = f"INSERT OR REPLACE INTO {self.what} (key, answer) VALUES (?, ?)"  # noqa: S608
        newest = f"(SELECT max(rowid) FROM {self.what})"  # noqa: S608

        def write(base: sqlite3.Connection) -> None:
            base.execute(statement, (key, _sealed(key, text)))
            if self.most is not None:
                old = f"DELETE FROM {self.what} WHERE rowid <= {newest} - ?"  # noqa: S608
                base.execute(old, (self.most,))

        self._do(write)

    def _do(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result | None:
        with self._lock:
            for _ in range(2):
                if not self.usable:
                    return None
                file = _identity(self.path)
                try:
                    return self._transaction(work)
                except (OSError, sqlite3.DatabaseError, UnicodeDecodeError) as error:
                    # a damaged file's table may have a name that is no text
                    damaged = not isinstance(error, OSError) and _code(error) in _DAMAGED
                    if damaged and self.begin_anew:
                        self._set_aside(file)
                    else:
                        self._stop(error)
            return None

    def _transaction(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=_WAIT_S)) as base, base:
            base.text_factory = lambda raw: raw.decode("utf-8", "replace")
            base.execute(
                f"CREATE TABLE IF NOT EXISTS {self.what} (key TEXT PRIMARY KEY, answer TEXT NOT NULL)"
            )
            return work(base)

    def _set_aside(self, file: tuple[int, int] | None) -> None:
        """Renames the file that was found damaged, if no other process has done so."""
        if _identity(self.path) != file:
            return
        aside = self.path.with_suffix(".damaged")
        try:
            self.path.replace(aside)
            with suppress(FileNotFoundError):
                Path(f"{self.path}-journal").replace(f"{aside}-journal")
        except OSError as error:
            self._stop(error)
            return
        self.notes.append(
            f"{self.path} was damaged; it was set aside as {aside.name} and begun anew"
        )

    def _stop(self, error: Exception) -> None:
        if not self.begin_anew:
            raise InputError(
                f"cannot use {self.path} to keep {self.what}: {error}",
                expected="a file that steelyard made, or none",
            ) from error
        self.usable = False
        self.notes.append(
            f"{self.path} cannot be used: {error}; {self.what} are not kept "
            "(the variable STEELYARD_CACHE names another folder)"
        )


def _code(error: Exception) -> int:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _sealed(key: str, text: str) -> str:
    return hashlib.sha256(f"{key} {text}".encode()).hexdigest() + text


def _opened(key: str, sealed: str) -> str | None:
    text = sealed[64:]
    return text if _sealed(key, text) == sealed else None
