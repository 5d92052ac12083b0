"""Mappings found before, kept on disk by content: layer, device, objective, constraints.

One SQLite file in the cache folder. Several processes may use it at once. A damaged file is set aside and a new
one begun; what cannot be read is searched again. Both are said in `MappingCache.notes`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any

from steelyard._cache import cache_folder
from steelyard.hardware.device import Accelerator
from steelyard.hardware.evaluate import Access, Crossing, Evaluation
from steelyard.hardware.mapper import Found
from steelyard.hardware.mapping import Loop, Mapping
from steelyard.hardware.mapspace import Constraints
from steelyard.hardware.problem import Problem

MODEL = 1
"""Raised when counts, energies or the mapspace change, so that old answers are not used."""

_WAIT_S = 30.0


def key(problem: Problem, device: Accelerator, objective: str, constraints: Constraints) -> str:
    """What an answer depends on, as one word."""
    content = [MODEL, asdict(problem), device.digest, objective, asdict(constraints)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class MappingCache:
    """Reads and writes found mappings; never fails, at worst it forgets.

    Args:
        path: the file; None: the usual place.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or cache_folder() / "mappings.sqlite"
        self.notes: list[str] = []
        self._lock = Lock()

    def get(self, keys: list[str]) -> dict[str, Found]:
        """The answers that are there."""
        found: dict[str, Found] = {}
        if not self.path.exists():
            return found
        rows: list[tuple[str, str]] = []
        with self._guard(), self._open() as base:
            for start in range(0, len(keys), 500):
                part = keys[start : start + 500]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, answer FROM mappings WHERE key IN ({marks})"  # noqa: S608 (only marks)
                rows += base.execute(query, part).fetchall()
        for name, text in rows:
            try:
                found[name] = _read(json.loads(text))
            except (ValueError, KeyError, TypeError, AttributeError):
                self.notes.append("a kept mapping could not be read and was searched again")
        return found

    def put(self, name: str, answer: Found) -> None:
        """Keeps an answer that is proven."""
        if not answer.optimal:
            return
        with self._guard():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as base:
                text = json.dumps(asdict(answer))
                base.execute("INSERT OR REPLACE INTO mappings VALUES (?, ?)", (name, text))
                base.commit()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=_WAIT_S)) as base:
            base.execute("CREATE TABLE IF NOT EXISTS mappings (key TEXT PRIMARY KEY, answer TEXT)")
            yield base

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.OperationalError as error:  # locked, read-only, no space
                self.notes.append(f"mappings were not kept: {error}")
            except sqlite3.DatabaseError:
                with suppress(OSError):
                    self.path.replace(self.path.with_suffix(".damaged"))
                self.notes.append(
                    f"{self.path} was damaged; it was set aside and its mappings are searched again"
                )
            except OSError as error:
                self.notes.append(f"mappings were not kept: {error}")


def _read(data: dict[str, Any]) -> Found:
    mapping = data["mapping"]
    loops = tuple(tuple(Loop(**loop) for loop in level) for level in mapping["loops"])
    keep = tuple((operand, tuple(names)) for operand, names in mapping["keep"])
    evaluation = data["evaluation"]
    evaluation["accesses"] = tuple(Access(**a) for a in evaluation["accesses"])
    evaluation["crossings"] = tuple(Crossing(**c) for c in evaluation["crossings"])
    data = {**data, "mapping": Mapping(loops, keep), "evaluation": Evaluation(**evaluation)}
    return Found(**data)
