"""`Workbench`: what the endpoints share: the processes that answer, the answers that are kept, uploads and jobs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from steelyard.report.jsontext import dumps
from steelyard.web.bodies import What
from steelyard.web.jobs import Jobs
from steelyard.web.knobs import BITS
from steelyard.web.memo import Memo
from steelyard.web.naming import zoo_source
from steelyard.web.pool import Pool
from steelyard.web.problems import Refused
from steelyard.web.settings import Settings
from steelyard.web.uploads import Uploads
from steelyard.web.zoo_table import ZooTable

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Workbench:
    """One server.

    Attributes:
        settings: where and how much.
        pool: answers questions.
        memo: keeps the answers.
        uploads: the files that users handed in.
        jobs: what was started.
        zoo: every network as a point.
    """

    settings: Settings
    pool: Pool
    memo: Memo
    uploads: Uploads
    jobs: Jobs
    zoo: ZooTable

    async def resolve(self, what: What) -> dict[str, Any]:
        """The network that a request names, as `steelyard.web.answers` takes it.

        Raises:
            Refused: no such upload.
            SteelyardError: no such network, or a setting that it does not take.
        """
        found: dict[str, Any] = {}
        if what.upload is not None:
            found = await self.uploads.workload(what.upload, what.resolution)
        elif what.model is not None:
            found["source"] = zoo_source(what.model, what.knobs, resolution=what.resolution)
        if what.rewrite is not None:
            found["rewrite"] = what.rewrite
        if what.batch is not None:
            found["batch"] = what.batch
        if what.bits is not None:
            found["dtype"] = BITS[what.bits]
        return found

    def plain(self, resolved: dict[str, Any]) -> dict[str, Any]:
        """The same network as it is by default."""
        if "source" in resolved:
            return {"source": resolved["source"].partition(":")[0]}
        return {"file": resolved["plain"], "plain": resolved["plain"], "name": resolved["name"]}

    async def answer(
        self, request: Request, question: dict[str, Any], *, urgency: int = 1, limit_s: float = 0.0
    ) -> Response:
        """The answer to a question, from memory or from a process, as long as somebody waits for it."""
        key = json.dumps(question, sort_keys=True)
        limit_s = limit_s or self.settings.limits.answer_s

        def make() -> Coroutine[Any, Any, bytes]:
            return self.pool.ask(question, limit_s, urgency=urgency)

        return told(await while_there(request, self.memo.get(key, make)))

    async def fresh(self, request: Request, question: dict[str, Any]) -> Response:
        """The answer to a question about files that change, which is not kept."""
        limit_s = self.settings.limits.answer_s
        return told(await while_there(request, self.pool.ask(question, limit_s)))

    async def thread(self, key: str, make: Callable[[], object]) -> Response:
        """What is quickly computed here, in a thread, and kept."""

        async def made() -> bytes:
            return await asyncio.to_thread(lambda: dumps(make()).encode())

        return told(await self.memo.get(key, made))


def told(body: bytes | object, status: int = 200) -> Response:
    """A response with JSON; bytes are JSON already."""
    content = body if isinstance(body, bytes) else dumps(body).encode()
    return Response(content, status, media_type="application/json")


async def while_there(request: Request, work: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of ``work``, which is given up when the client goes away.

    Raises:
        Refused: the client has gone.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return await task
        raise Refused(499, "Gone", "the client has gone")
    finally:
        task.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
