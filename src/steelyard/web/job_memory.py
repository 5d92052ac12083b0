"""What memory a job holds and may hold: `exceeded` watches all of its processes together, where the system tells.

Limits that the system keeps (``RLIMIT_AS``, ``RLIMIT_DATA``) hold for each process by itself and count what is merely
reserved; who runs into one dies of whatever its libraries make of that. So the server looks, on Linux in ``/proc``.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_GROUP = Path("/sys/fs/cgroup/memory.max")
_EVERY_S = 0.2
_HELD = ("RssAnon:", "RssShmem:", "VmSwap:")
"""What is in memory for a process alone; code and files that it maps can be read again."""


def held_bytes(leader: int) -> int | None:
    """Memory that the processes of a session hold; None where the system does not tell.

    Args:
        leader: number of the process that began the session.
    """
    if not (_PROC / "self/status").is_file():
        return None
    found = (int(path.name) for path in _PROC.iterdir() if path.name.isdecimal())
    return sum(_held(pid) for pid in found if _session(pid) == leader)


async def exceeded(leader: int, limit_bytes: int) -> None:
    """Waits until the processes of a session hold more than they may; for ever where the system does not tell."""
    while True:
        held = await asyncio.to_thread(held_bytes, leader)
        if held is not None and held > limit_bytes:
            return
        await asyncio.sleep(_EVERY_S)


def limits_hold() -> bool:
    """Whether this system tells what its processes hold."""
    return held_bytes(os.getpid()) is not None


def half_of_memory() -> int:
    """Half of what this machine has, or the container that we are in; of 8 GiB where that is not known."""
    found = [8 * 2**30]
    with suppress(AttributeError, OSError, ValueError):
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError):  # "max": no limit
        found.append(int(_GROUP.read_text("ascii")))
    return min(found) // 2


def _session(pid: int) -> int:
    with suppress(OSError):  # it ended meanwhile
        return os.getsid(pid)
    return -1


def _held(pid: int) -> int:
    held = 0
    with suppress(OSError, ValueError, IndexError):
        for line in (_PROC / str(pid) / "status").read_text("utf-8", "replace").splitlines():
            if line.startswith(_HELD):
                held += int(line.split()[1]) * 1024
    return held
