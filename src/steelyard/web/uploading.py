"""Endpoints for files that users hand in."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from steelyard.web.bench import Workbench, told
from steelyard.web.bodies import Identifier
from steelyard.web.describing import answers

FileName = Annotated[
    str,
    Query(min_length=1, max_length=255, description="The file's name; its ending says what it is."),
]
_BINARY = {"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}


def routes(bench: Workbench) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api", tags=["uploads"])

    @router.get("/uploads", responses=answers("steelyard.uploads/1"))
    async def uploads() -> Response:
        """The files that are kept, the newest first."""
        found = [asdict(upload) for upload in bench.uploads.all()]
        return told({"schema": "steelyard.uploads/1", "uploads": found})

    @router.post(
        "/uploads", status_code=201, openapi_extra=_BINARY,
        responses=answers("steelyard.upload/1", status=201),
    )  # fmt: skip
    async def upload(request: Request, name: FileName) -> Response:
        """Keeps an ONNX file, a torch.export archive (.pt2) or a workload (.json); nothing in it is run."""
        announced = request.headers.get("content-length", "")
        length = int(announced) if announced.isdecimal() and len(announced) < 19 else None
        made = await bench.uploads.add(name, request.stream(), length)
        return told({"schema": "steelyard.upload/1", **asdict(made)}, 201)

    @router.get("/uploads/{name}", responses=answers("steelyard.upload/1"))
    async def one(name: Identifier) -> Response:
        """A file that is kept."""
        return told({"schema": "steelyard.upload/1", **asdict(bench.uploads.find(name))})

    @router.delete("/uploads/{name}", responses=answers("steelyard.upload/1"))
    async def forget(name: Identifier) -> Response:
        """Deletes a file."""
        gone = await bench.uploads.delete(name)
        return told({"schema": "steelyard.upload/1", **asdict(gone)})

    return router
