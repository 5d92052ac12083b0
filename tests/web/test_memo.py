"""Answers are made once, kept up to so many bytes, and not made for nobody."""

import asyncio

import pytest

from steelyard.errors import InputError
from steelyard.web.memo import Memo


def test_who_asks_at_the_same_time_gets_one_answer() -> None:
    async def run() -> tuple[list[bytes], int]:
        memo, made = Memo(1000), 0
        begin = asyncio.Event()

        async def make() -> bytes:
            nonlocal made
            made += 1
            await begin.wait()
            return b"answer"

        asked = [asyncio.create_task(memo.get("key", make)) for _ in range(5)]
        await asyncio.sleep(0)
        asked[0].cancel()  # one who leaves does not take it from the others
        await asyncio.sleep(0)
        begin.set()
        found = await asyncio.gather(*asked[1:])
        return [*found, await memo.get("key", make)], made

    assert asyncio.run(run()) == ([b"answer"] * 5, 1)


def test_the_work_ends_when_nobody_waits() -> None:
    async def run() -> bool:
        memo, ended = Memo(1000), asyncio.Event()

        async def make() -> bytes:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return b""

        asked = [asyncio.create_task(memo.get("key", make)) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task in asked:
            task.cancel()
        await asyncio.wait_for(ended.wait(), 60)
        return True

    assert asyncio.run(run())


def test_the_oldest_go_and_errors_are_not_kept() -> None:
    async def run() -> list[str]:
        memo, made = Memo(100), list[str]()

        async def ask(key: str, size: int = 25) -> bytes:
            async def make() -> bytes:
                made.append(key)
                if size < 0:
                    raise InputError("no such thing")
                return b"x" * size

            return await memo.get(key, make)

        for _ in range(2):
            with pytest.raises(InputError):
                await ask("wrong", -1)
        for key in "abcd":
            await ask(key)
        await ask("a")  # now b is the oldest
        await ask("e")
        for key in "acdeb":
            await ask(key)
        await ask("large", 26)  # over a quarter of all
        await ask("large", 26)
        return made

    assert asyncio.run(run()) == ["wrong", "wrong", *"abcde", "b", "large", "large"]
