"""`Job` and `JobStore`: what was started, in a folder each: ``job.json``, ``result.json``, ``log.txt``, ``progress.json``.

``job.json`` is written at every change of state, completely or not at all. What cannot be written (a full disk) stays
in memory and is written at the next occasion.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from steelyard.errors import SteelyardError
from steelyard.report.escape import printable
from steelyard.report.files import write_file
from steelyard.report.jsontext import dumps
from steelyard.web.disk import clear, remove, room

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
STATES = ("queued", "running", "done", "failed", "cancelled", "interrupted")
SCHEMA = "steelyard.job/1"

_LOG_TAIL = 8192
_LARGEST_RESULT = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Job:
    """A job.

    Attributes:
        id: its name.
        verb: what it does.
        title: the same in words.
        arguments: the request, as it came.
        line: what follows ``steelyard`` on its command line.
        state: ``interrupted``: the server ended while it ran.
        created, started, ended: UTC, ISO 8601; "" before.
        exit_code: of its process; None while there is none, negative: the signal that ended it.
        message: why it failed.
        process: number of its process and when that began, by which it is known again.
    """

    id: str
    verb: str
    title: str
    arguments: dict[str, Any]
    line: tuple[str, ...]
    state: State = "queued"
    created: str = ""
    started: str = ""
    ended: str = ""
    exit_code: int | None = None
    message: str = ""
    process: tuple[int, str] | None = field(default=None)

    @property
    def over(self) -> bool:
        """Whether nothing more happens."""
        return self.state not in ("queued", "running")


def now() -> str:
    """UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class JobStore:
    """The jobs of one store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jobs: dict[str, Job] = {}
        self._unsaved: set[str] = set()

    def open(self) -> None:
        """Looks what is there; a job whose file is damaged is shown as such."""
        clear(self._folder)
        for path in sorted(self._folder.glob("*/job.json")):
            found = _read(path)
            if found is not None:
                self._jobs[found.id] = found

    def folder(self, name: str) -> Path:
        """Where a job's files are."""
        return self._folder / name

    def get(self, name: str) -> Job | None:
        """The job of that name."""
        return self._jobs.get(name)

    def all(self) -> list[Job]:
        """What there is, the newest first."""
        return sorted(self._jobs.values(), key=lambda job: (job.created, job.id), reverse=True)

    def add(self, job: Job, files: Mapping[str, Path]) -> None:
        """Keeps a new job and the files that it needs.

        Raises:
            Refused: there is no room.
        """
        folder = self.folder(job.id)
        try:
            with room("the job"):
                folder.mkdir(parents=True)
                for name, path in files.items():
                    os.link(path, folder / name)
                write_file(folder / "job.json", _text(job))
        except BaseException:
            remove(folder)
            raise
        self._jobs[job.id] = job

    def change(self, job: Job) -> None:
        """Keeps a job's new state; never fails, see the module."""
        self._jobs[job.id] = job
        self._unsaved.add(job.id)
        for name in tuple(self._unsaved):
            with suppress(SteelyardError):
                write_file(self.folder(name) / "job.json", _text(self._jobs[name]))
                self._unsaved.discard(name)

    def delete(self, job: Job) -> None:
        """Forgets a job and its files."""
        self._jobs.pop(job.id, None)
        self._unsaved.discard(job.id)
        remove(self.folder(job.id))

    def told(self, job: Job, *, fully: bool = False) -> dict[str, Any]:
        """A job as the API tells it; ``fully``: with the end of its log and its result."""
        folder = self.folder(job.id)
        parts = asdict(job)
        del parts["process"]
        found = {"schema": SCHEMA, **parts, "line": list(job.line)}
        found["progress"] = _progress(folder, job)
        found["file"] = "report.html" if (folder / "report.html").is_file() else None
        if fully:
            found["log"] = _log(folder / "log.txt")
            found["result"], found["unavailable"] = _result(folder / "result.json")
        return found


def _text(job: Job) -> str:
    return dumps({"schema": SCHEMA, **asdict(job)})


def _read(path: Path) -> Job | None:
    try:
        data = json.loads(path.read_text("utf-8"))
        del data["schema"]
        if data["id"] != path.parent.name or data["state"] not in STATES:
            raise LookupError
        process = data.pop("process")
        known = tuple(process) if process else None
        return Job(**{**data, "line": tuple(data["line"])}, process=known)
    except (OSError, ValueError, TypeError, LookupError):
        name = path.parent.name
        if not name.isalnum():
            return None
        damaged = Job(name, "", "a damaged job", {}, (), state="failed")
        return replace(damaged, message="its file is damaged")


def _progress(folder: Path, job: Job) -> dict[str, Any]:
    if job.state == "done":
        return {"share": 1.0, "words": ""}
    with suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads((folder / "progress.json").read_text("utf-8"))
        share = found["share"]
        share = None if share is None else min(1.0, max(0.0, float(share)))
        return {"share": share, "words": printable(str(found["words"]))[:200]}
    return {"share": None, "words": ""}


def _log(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LOG_TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(printable(line) for line in text.split("\n"))


def _result(path: Path) -> tuple[Any, str]:
    """What the job found, or why that cannot be told."""
    try:
        if path.stat().st_size > _LARGEST_RESULT:
            return None, f"the result has over {_LARGEST_RESULT >> 20} MiB; it lies in the store"
        return json.loads(path.read_text("utf-8")), ""
    except FileNotFoundError:
        return None, ""
    except (OSError, ValueError, RecursionError):
        return None, "the result is damaged"
