"""`Memo`: answers that were given before, in memory; who asks for what is being answered waits for that answer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any


class _Flight:
    """An answer on its way."""

    def __init__(self, task: asyncio.Task[bytes]) -> None:
        self.task = task
        self.waiting = 0


class Memo:
    """The answers asked for last, up to so many bytes.

    Errors are not kept. For one event loop.

    Args:
        most: bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._flights: dict[str, _Flight] = {}

    async def get(self, key: str, make: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        """The answer to ``key``, from ``make`` if it is not there.

        If everybody who waits for it is cancelled, so is the work.
        """
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(self._made(key, make())))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._flights.pop(key, None)
                flight.task.cancel()

    async def _made(self, key: str, making: Awaitable[bytes]) -> bytes:
        mine = asyncio.current_task()
        try:
            answer = await making
            self._keep(key, answer)
            return answer
        finally:
            flight = self._flights.get(key)
            if flight is not None and flight.task is mine:
                del self._flights[key]

    def _keep(self, key: str, answer: bytes) -> None:
        if len(answer) > self._most // 4 or key in self._kept:
            return
        self._kept[key] = answer
        self._size += len(answer)
        while self._size > self._most:
            _, old = self._kept.popitem(last=False)
            self._size -= len(old)
