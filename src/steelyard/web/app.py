"""`create_app`: the server put together: endpoints under ``/api``, the page beside them, the guard around both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from steelyard._version import __version__
from steelyard.web import job_routes, networks, problems, uploading, weighing
from steelyard.web.bench import Workbench
from steelyard.web.guard import Guard
from steelyard.web.jobs import Jobs
from steelyard.web.memo import Memo
from steelyard.web.page import mount_page
from steelyard.web.pool import Pool
from steelyard.web.settings import Settings
from steelyard.web.uploads import Uploads
from steelyard.web.zoo_table import ZooTable


def create_app(settings: Settings) -> FastAPI:
    """The server as an ASGI application; its processes begin and end with its lifespan."""
    limits = settings.limits
    pool = Pool(settings.workers, limits.worker_bytes, limits.pending)
    bench = Workbench(
        settings,
        pool,
        Memo(limits.memo_bytes),
        Uploads(settings.store / "uploads", limits),
        Jobs(settings.store / "jobs", limits),
        ZooTable(pool, settings.store / "zoo"),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        bench.uploads.open()
        bench.jobs.start()
        bench.pool.start()
        try:
            yield
        finally:
            await bench.zoo.close()
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
    mount_page(app)
    problems.install(app)
    app.add_middleware(Guard, token=settings.token, body_bytes=limits.body_bytes)
    return app
