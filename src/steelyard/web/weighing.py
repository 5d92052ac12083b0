"""Endpoints that weigh networks: cost, graph, what-if, bounds on a device, comparison, report."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request, Response

from steelyard.web.bench import Workbench, while_there
from steelyard.web.bodies import CompareQuery, CostQuery, EstimateQuery, PlacedQuery, ReportQuery
from steelyard.web.describing import ERRORS, answers

_FIRST = 0
"""Urgency of what a user waits for with the finger on a slider, and of the figures beside it."""

_PATIENT = 5


def routes(bench: Workbench) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api", tags=["weighing"])

    async def placed(query: PlacedQuery | EstimateQuery) -> dict[str, Any]:
        what = await bench.resolve(query.what)
        return {"what": what, "device": query.device, "device_knobs": query.device_knobs}

    @router.post("/cost", responses=answers("steelyard.cost/1"))
    async def cost(request: Request, query: CostQuery) -> Response:
        """What a network costs, as `steelyard cost --train --findings --json` tells it."""
        question = {"do": "cost", "what": await bench.resolve(query.what)}
        return await bench.answer(request, question, urgency=_FIRST)

    @router.post("/graph", responses=answers("steelyard.graph/1"))
    async def graph(request: Request, query: PlacedQuery) -> Response:
        """A network as blocks that open into layers, with what each costs; with a device, how long each takes at least."""
        question = {"do": "graph", **await placed(query)}
        return await bench.answer(request, question)

    @router.post("/whatif", responses=answers("steelyard.whatif/1"))
    async def whatif(request: Request, query: PlacedQuery) -> Response:
        """Totals of a network with its knobs turned, and of the same network as it is by default."""
        asked = await placed(query)
        question = {"do": "whatif", **asked, "base": bench.plain(asked["what"])}
        return await bench.answer(request, question, urgency=_FIRST)

    @router.post("/estimate", responses=answers("steelyard.placed/1"))
    async def estimate(request: Request, query: EstimateQuery) -> Response:
        """The shortest time that a device allows a network, by layer; a whole mapping is a job."""
        question = {"do": "estimate", **await placed(query)}
        return await bench.answer(request, question)

    @router.post("/compare", responses=answers("steelyard.comparisons/1"))
    async def compare(request: Request, query: CompareQuery) -> Response:
        """Up to six networks side by side, and each against the first as `steelyard compare --json` tells it."""
        whats = [await bench.resolve(what) for what in query.whats]
        return await bench.answer(request, {"do": "compare", "whats": whats})

    @router.post(
        "/report",
        responses={
            200: {"description": "One HTML file.", "content": {"text/html": {}}},
            **ERRORS,
        },
    )
    async def report(request: Request, query: ReportQuery) -> Response:
        """The static report of networks on devices, one file to keep or send."""
        question = {
            "do": "report",
            "whats": [await bench.resolve(what) for what in query.whats],
            "devices": query.devices,
            "title": query.title,
        }
        limit = bench.settings.limits.report_s
        body = await while_there(request, bench.pool.ask(question, limit, urgency=_PATIENT))
        return Response(
            json.loads(body)["html"],
            media_type="text/html",
            headers={"Content-Disposition": 'attachment; filename="steelyard-report.html"'},
        )

    return router
