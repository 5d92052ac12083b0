"""Endpoints about what there is: the server itself, the networks of the zoo, the devices."""

from __future__ import annotations

import platform
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

import steelyard
from steelyard._version import __version__
from steelyard.errors import UnknownNameError
from steelyard.web.bench import Workbench, told
from steelyard.web.bodies import REWRITES, Identifier, Name
from steelyard.web.describing import answers
from steelyard.web.devices import all_devices
from steelyard.web.job_memory import limits_hold
from steelyard.web.job_verbs import OBJECTIVES, spaces
from steelyard.web.knobs import BITS, network_knobs
from steelyard.web.problems import Refused

Pattern = Annotated[str, Query(max_length=100, description="A shell pattern: resnet*.")]


def routes(bench: Workbench) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api", tags=["what there is"])

    @router.get("/about", responses=answers("steelyard.about/1"))
    async def about() -> Response:
        """Version, limits and what a request may hold."""
        return await bench.thread("about", lambda: _about(bench))

    @router.get("/models", responses=answers("steelyard.models/1"))
    async def models(request: Request, pattern: Pattern = "*") -> Response:
        """The networks of the zoo as `steelyard models --json` lists them."""
        return await bench.answer(request, {"do": "models", "pattern": pattern})

    @router.get("/models/{name}", responses=answers("steelyard.model/1"))
    async def model(name: Annotated[Name, Path(examples=["lenet5"])]) -> Response:
        """One network: settings, published figures, weights, and its knobs with type, default and range."""
        return await bench.thread(f"model {name}", lambda: _model(name))

    @router.get("/devices", responses=answers("steelyard.devices/1"))
    async def devices() -> Response:
        """The devices as `steelyard devices --json` lists them."""
        return await bench.thread("devices", all_devices)

    @router.get("/devices/{name}", responses=answers("steelyard.device-knobs/1"))
    async def device(
        request: Request, name: Annotated[Name, Path(examples=["eyeriss"])]
    ) -> Response:
        """One device as `steelyard devices NAME --json` tells it, and its knobs. `cpu` is measured, the first time."""
        return await bench.answer(request, {"do": "device", "name": name})

    @router.get("/zoo", responses=answers("steelyard.zoo/1"))
    async def zoo(device: Annotated[Name | None, Query()] = None) -> Response:
        """Every network of the zoo as a point; what is not weighed yet is missing until `complete`: ask again."""
        return told(await bench.zoo.points(device or ""))

    @router.get("/runs", responses=answers("steelyard.runs/1"))
    async def runs(request: Request) -> Response:
        """The training runs in the folder that the server was started with."""
        if bench.settings.runs is None:
            return told({"schema": "steelyard.runs/1", "runs": []})
        return await bench.fresh(request, {"do": "runs", "folder": str(bench.settings.runs)})

    @router.get("/runs/{name}", responses=answers("steelyard.run-view/1"))
    async def run(request: Request, name: Identifier) -> Response:
        """A training run: recipe, the rows of its epochs and steps."""
        if bench.settings.runs is None:
            raise Refused(404, "NotFound", "no runs are shown", hint="steelyard serve --runs runs")
        question = {"do": "run", "folder": str(bench.settings.runs), "key": name}
        return await bench.fresh(request, question)

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
            "job_memory_bytes": limits.job_memory_bytes if limits_hold() else None,
            "answer_s": limits.answer_s,
            "compare": 6,
        },
        "bits": list(BITS),
        "rewrites": list(REWRITES),
        "backends": list(steelyard.list_backends()),
        "spaces": spaces(),
        "objectives": list(OBJECTIVES),
    }


def _model(name: str) -> dict[str, Any]:
    if name not in steelyard.list_models():
        raise UnknownNameError("network", name, steelyard.list_models(), hint="GET /api/models")
    found = steelyard.info(name).to_dict()
    return {**found, "schema": "steelyard.model/1", "knobs": network_knobs(name)}
