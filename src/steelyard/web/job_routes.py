"""Endpoints for jobs: what takes longer than a question may."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from starlette.responses import FileResponse

from steelyard.errors import UsageError
from steelyard.web.bench import Workbench, told
from steelyard.web.bodies import Identifier, What
from steelyard.web.describing import ERRORS, answers
from steelyard.web.job_verbs import REPORT, Estimate, Job, Search, command_line, whats_of
from steelyard.web.problems import Refused


def routes(bench: Workbench) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api", tags=["jobs"])
    jobs = bench.jobs

    @router.get("/jobs", responses=answers("steelyard.jobs/1"))
    async def every() -> Response:
        """All jobs that are kept, the newest first, without logs and results."""
        found = await asyncio.to_thread(lambda: [jobs.store.told(job) for job in jobs.store.all()])
        return told({"schema": "steelyard.jobs/1", "jobs": found})

    @router.post("/jobs", status_code=201, responses=answers("steelyard.job/1", status=201))
    async def submit(job: Annotated[Job, Body()]) -> Response:
        """Has a job wait for its turn; one runs at a time."""
        files: dict[str, Path] = {}
        sources = [await _source(bench, what, job, files) for what in whats_of(job)]
        line = await asyncio.to_thread(command_line, job, sources)
        title = _title(job, [str(source["label"]) for source in sources])
        made = jobs.submit(job.verb, title, job.model_dump(mode="json"), line, files)
        return told(jobs.store.told(made), 201)

    @router.get("/jobs/{name}", responses=answers("steelyard.job/1"))
    async def one(name: Identifier) -> Response:
        """A job: state, progress, the end of its log, and its result as the command line's `--json`."""
        job = jobs.find(name)
        return told(await asyncio.to_thread(jobs.store.told, job, fully=True))

    @router.get(
        "/jobs/{name}/report",
        responses={200: {"description": "One HTML file.", "content": {"text/html": {}}}, **ERRORS},
    )
    async def report(name: Identifier) -> Response:
        """The file that a job of the verb report has written."""
        path = jobs.store.folder(jobs.find(name).id) / REPORT
        if not path.is_file():
            raise Refused(404, "NotFound", f"job {name} has no report")
        return FileResponse(path, media_type="text/html", filename="steelyard-report.html")

    @router.delete("/jobs/{name}", responses=answers("steelyard.job/1"))
    async def cancel(name: Identifier) -> Response:
        """Cancels a job that waits or runs; deletes one that is over."""
        job = await jobs.cancel(name)
        return told(jobs.store.told(job))

    return router


async def _source(bench: Workbench, what: What, job: Any, files: dict[str, Path]) -> dict[str, Any]:
    """A network of a job: ``source`` for its command line, ``label`` in words; files that it needs join ``files``."""
    found = await bench.resolve(what)
    if what.upload is None:
        return {**found, "label": found["source"]}
    if what.resolution is not None:
        raise UsageError("an uploaded file at another resolution", expected="its own, in a job")
    # what only weighs takes what was read already; what runs needs the file
    path = Path(found["plain"]) if isinstance(job, Estimate) else bench.uploads.file(what.upload)
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", Path(found["name"]).stem)[:60]
    name = f"{stem or 'network'}{len(files) or ''}{path.suffix}"
    files[name] = path
    return {**found, "source": name, "label": found["name"]}


def _title(job: Any, labels: list[str]) -> str:
    if isinstance(job, Search):
        return f"search {job.space} for {', '.join(job.objectives)}"
    devices = ", ".join(getattr(job, "devices", []))
    return f"{job.verb} {', '.join(labels)}" + (f" on {devices}" if devices else "")
