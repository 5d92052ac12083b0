"""Endpoints about what there is: the server itself, the networks of the zoo, the devices."""

from __future__ import annotations

import platform
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

import steelyard
from steelyard._version import __version__
from steelyard.errors import UnknownNameError
from steelyard.web.bench import Workbench, told
from steelyard.web.bodies import Name
from steelyard.web.describing import answers
from steelyard.web.devices import all_devices
from steelyard.web.knobs import BITS, network_knobs

Pattern = Annotated[str, Query(max_length=100, description="A shell pattern: resnet*.")]


def routes(bench: Workbench) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api", tags=["what there is"])

    @router.get("/about", responses=answers("steelyard.about/1"))
    async def about() -> Response:
        """Version, limits and what a request may hold."""
        return told(_about(bench))

    @router.get("/models", responses=answers("steelyard.models/1"))
    async def models(pattern: Pattern = "*") -> Response:
        """The networks of the zoo as `steelyard models --json` lists them, each with its knobs."""
        return await bench.thread(f"models {pattern}", lambda: _models(pattern))

    @router.get("/models/{name}", responses=answers("steelyard.model/1"))
    async def model(name: Name) -> Response:
        """One network: settings, published figures, weights, and its knobs with type, default and range."""
        return await bench.thread(f"model {name}", lambda: _model(name))

    @router.get("/devices", responses=answers("steelyard.devices/1"))
    async def devices() -> Response:
        """The devices as `steelyard devices --json` lists them."""
        return await bench.thread("devices", all_devices)

    @router.get("/devices/{name}", responses=answers("steelyard.device-knobs/1"))
    async def device(request: Request, name: Name) -> Response:
        """One device as `steelyard devices NAME --json` tells it, and its knobs. `cpu` is measured, the first time."""
        return await bench.answer(request, {"do": "device", "name": name})

    return router


def _about(bench: Workbench) -> dict[str, Any]:
    limits = bench.settings.limits
    return {
        "schema": "steelyard.about/1",
        "steelyard": __version__,
        "python": platform.python_version(),
        "runs": bench.settings.runs is not None,
        "workers": bench.settings.workers,
        "limits": {
            "body_bytes": limits.body_bytes,
            "upload_bytes": limits.upload_bytes,
            "uploads_bytes": limits.uploads_bytes,
            "uploads": limits.uploads,
            "jobs": limits.jobs,
            "queued": limits.queued,
            "answer_s": limits.answer_s,
            "compare": 6,
        },
        "bits": list(BITS),
    }


def _models(pattern: str) -> dict[str, Any]:
    infos = [steelyard.info(name) for name in steelyard.list_models(pattern)]
    return {
        "schema": "steelyard.models/1",
        "models": [{**info.to_dict(), "knobs": network_knobs(info.name)} for info in infos],
    }


def _model(name: str) -> dict[str, Any]:
    if name not in steelyard.list_models():
        raise UnknownNameError("network", name, steelyard.list_models(), hint="GET /api/models")
    found = steelyard.info(name).to_dict()
    return {**found, "schema": "steelyard.model/1", "knobs": network_knobs(name)}
