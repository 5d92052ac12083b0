"""`create_app`: the server put together: endpoints under ``/api``, the page beside them, the guard around both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from steelyard._version import __version__
from steelyard.web import job_routes, networks, problems, uploading, weighing
from steelyard.web.bench import Workbench
from steelyard.web.guard import Guard
from steelyard.web.jobs import Jobs
from steelyard.web.memo import Memo
from steelyard.web.pool import Pool
from steelyard.web.settings import Settings
from steelyard.web.uploads import Uploads

STATIC = Path(__file__).with_name("static")
"""The page."""


def create_app(settings: Settings) -> FastAPI:
    """The server as an ASGI application; its processes begin and end with its lifespan."""
    limits = settings.limits
    bench = Workbench(
        settings,
        Pool(settings.workers, limits.worker_bytes, limits.pending),
        Memo(limits.memo_bytes),
        Uploads(settings.store / "uploads", limits),
        Jobs(settings.store / "jobs", limits),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        bench.uploads.open()
        bench.jobs.start()
        bench.pool.start()
        try:
            yield
        finally:
            await bench.jobs.close()
            await bench.pool.close()

    app = FastAPI(
        title="steelyard workbench",
        version=__version__,
        description="The same numbers as the command line's, as JSON. Every request needs the header X-Steelyard-Token.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    for room in (networks, weighing, uploading, job_routes):
        app.include_router(room.routes(bench))
    app.mount("/", StaticFiles(directory=STATIC, html=True, check_dir=False))
    problems.install(app)
    app.add_middleware(Guard, token=settings.token, body_bytes=limits.body_bytes)
    return app
