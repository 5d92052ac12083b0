"""`ZooTable`: every network of the zoo as a point: accuracy, cost, and the time that a device allows it at best.

Weighing them all takes a minute or two. It begins when it is first asked for, at the lowest urgency, and answers with
what is there so far; what was found is kept on disk for as long as the package stays as it is.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import steelyard
from steelyard.capture.kept import package_digest
from steelyard.errors import SteelyardError, UnknownNameError
from steelyard.hardware.registry import MEASURED
from steelyard.report.files import write_file
from steelyard.report.jsontext import dumps
from steelyard.web.pool import Pool

_PATIENT = 9
_LIMIT_S = 60.0


class ZooTable:
    """The points, by device.

    Args:
        pool: weighs the networks.
        folder: where points are kept.
    """

    def __init__(self, pool: Pool, folder: Path) -> None:
        self._pool, self._folder = pool, folder
        self._points: dict[str, dict[str, Any]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._digest = ""

    async def points(self, device: str) -> dict[str, Any]:
        """What there is so far, schema ``steelyard.zoo/1``: ``points``, of which there will be ``of`` in the end.

        Args:
            device: a name, or "" for none.

        Raises:
            UnknownNameError: no such device.
        """
        if device and device not in steelyard.list_devices():
            raise UnknownNameError(
                "device", device, steelyard.list_devices(), hint="GET /api/devices"
            )
        if device not in self._points:
            self._points[device] = {}
            self._tasks[device] = asyncio.create_task(self._find(device))
        found = self._points[device]
        return {
            "schema": "steelyard.zoo/1",
            "device": device,
            "of": len(steelyard.list_models()),
            "complete": self._tasks[device].done(),
            "points": list(found.values()),
        }

    async def close(self) -> None:
        """Stops weighing."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _find(self, device: str) -> None:
        found = self._points[device]
        path = self._folder / f"{device or 'no-device'}.json"
        if not self._digest:
            self._digest = await asyncio.to_thread(package_digest)
        if device != MEASURED:  # whose figures change
            found |= await asyncio.to_thread(_read, path, self._digest)
        missing = [name for name in steelyard.list_models() if name not in found]
        for name in missing:
            question = {"do": "point", "what": {"source": name}, "device": device}
            with suppress(SteelyardError):
                found[name] = json.loads(await self._pool.ask(question, _LIMIT_S, urgency=_PATIENT))
        if missing and device != MEASURED:
            kept = dumps({"digest": self._digest, "points": found})
            with suppress(SteelyardError, OSError):  # it can be found anew
                await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
                await asyncio.to_thread(write_file, path, kept)


def _read(path: Path, digest: str) -> dict[str, Any]:
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text("utf-8"))
        if kept["digest"] == digest:
            return dict(kept["points"])
    return {}
