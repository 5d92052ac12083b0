"""`Settings` and `Limits`: where the workbench keeps things, who may use it, and how much anybody may ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from steelyard.web.job_memory import half_of_memory

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes on; beyond it a request is refused in words.

    Attributes:
        body_bytes: of a request that is no upload.
        upload_bytes: of one file.
        uploads_bytes: of all files that are kept.
        uploads: files that are kept.
        answer_s: seconds that a question may take.
        report_s: seconds that a report may take.
        parse_s: seconds that reading an uploaded file may take.
        worker_bytes: address space of a process that answers questions.
        parse_bytes: address space of a process that reads an uploaded file.
        pending: questions that wait.
        memo_bytes: of answers that are kept in memory.
        jobs: jobs that are kept.
        queued: jobs that wait.
        job_bytes: of a file that a job writes.
        job_memory_bytes: that a job's processes may hold together.
    """

    body_bytes: int = _MIB
    upload_bytes: int = 256 * _MIB
    uploads_bytes: int = 2048 * _MIB
    uploads: int = 100
    answer_s: float = 20.0
    report_s: float = 120.0
    parse_s: float = 60.0
    worker_bytes: int = 8192 * _MIB
    parse_bytes: int = 3072 * _MIB
    pending: int = 500
    memo_bytes: int = 128 * _MIB
    jobs: int = 500
    queued: int = 20
    job_bytes: int = 4096 * _MIB
    job_memory_bytes: int = field(default_factory=half_of_memory)


@dataclass(frozen=True, slots=True)
class Settings:
    """One server.

    Attributes:
        store: folder of uploads and jobs.
        token: what every request must bring.
        runs: folder of training runs that are shown; None: none.
        workers: processes that answer questions.
        limits: what it takes on.
    """

    store: Path
    token: str
    runs: Path | None = None
    workers: int = 2
    limits: Limits = field(default_factory=Limits)
