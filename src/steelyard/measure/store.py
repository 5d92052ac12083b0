"""Measurements kept on disk, with the machine that each was made on: what ``measure --history`` shows.

One SQLite file beside the caches, see `steelyard._kept`: several processes may write at once, a damaged file is set
aside and a new one begun, one that cannot be written to is said and the measurement stands without it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from steelyard._cache import cache_folder
from steelyard._display import Printable
from steelyard._kept import Kept
from steelyard.measure.environment import environment, machine_key
from steelyard.measure.measurement import Measurement

SCHEMA = "steelyard.measurement/1"


@dataclass(frozen=True, slots=True)
class Past:
    """A measurement of the past.

    Attributes:
        taken_at: UTC, ISO 8601.
        machine: key of the environment.
        network: the source.
        setting: backend and options.
        batch: samples in an inference.
        threads: of the computation.
        median_s: seconds.
        interval_s: of the median; None for a single sample.
        change: of the median against the one before in the same setting on the same machine; None for the first.
    """

    taken_at: str
    machine: str
    network: str
    setting: str
    batch: int
    threads: int
    median_s: float
    interval_s: tuple[float, float] | None
    change: float | None = None


@dataclass(frozen=True, slots=True)
class History(Printable):
    """Measurements of the past, oldest first.

    Attributes:
        rows: one each.
        machines: environment by key.
        notes: what could not be read.
    """

    rows: tuple[Past, ...]
    machines: dict[str, dict[str, str]]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.history/1``."""
        return {"schema": "steelyard.history/1", **asdict(self)}


def store_path() -> Path:
    """The file."""
    return cache_folder() / "measurements.sqlite"


def keep(rows: Iterable[Measurement], path: Path | None = None) -> tuple[str, ...]:
    """Adds measurements; returns what went wrong, in words, and never fails."""
    kept = Kept(path or store_path(), "measurements")
    facts = environment()
    for row in rows:
        text = json.dumps({"row": row.to_dict(), "environment": facts}, allow_nan=False)
        kept.put(f"{row.taken_at} {secrets.token_hex(4)}", text)
    return tuple(dict.fromkeys(kept.notes))


def measurement_history(networks: Sequence[str] = (), path: Path | None = None) -> History:
    """What was measured before.

    Args:
        networks: only these; all if empty.
        path: the file; None: the usual place.
    """
    kept = Kept(path or store_path(), "measurements")
    rows: list[Past] = []
    machines: dict[str, dict[str, str]] = {machine_key(environment()): environment()}
    last: dict[tuple[object, ...], float] = {}
    unread = 0
    for text in kept.all().values():
        try:
            data = json.loads(text)
            past = _past(data["row"])
            facts = {str(key): str(value) for key, value in data["environment"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            unread += 1
            continue
        machines[past.machine] = facts
        place = (past.machine, past.network, past.setting, past.batch, past.threads)
        before = last.get(place)
        last[place] = past.median_s
        if not networks or past.network in networks:
            change = None if before is None else past.median_s / before - 1
            rows.append(replace(past, change=change))
    notes = list(dict.fromkeys(kept.notes))
    if unread:
        notes.append(f"{unread} kept measurements have another format and are left out")
    return History(tuple(rows), machines, tuple(notes))


def _past(row: dict[str, Any]) -> Past:
    if row["schema"] != SCHEMA:
        raise ValueError(row["schema"])
    interval = row["interval_s"]
    return Past(
        str(row["taken_at"]), str(row["machine"]), str(row["network"]), str(row["setting"]),
        int(row["batch"]), int(row["threads"]), float(row["median_s"]),
        None if interval is None else (float(interval[0]), float(interval[1])),
    )  # fmt: skip
