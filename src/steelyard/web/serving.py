"""`serve`: runs the workbench on this machine until it is interrupted."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from steelyard._cache import cache_folder
from steelyard._sole import sole
from steelyard.errors import InputError, UsageError
from steelyard.web.app import create_app
from steelyard.web.settings import Limits, Settings

HOST = "127.0.0.1"


def serve(
    *,
    port: int,
    store: Path | None,
    runs: Path | None,
    ready: Callable[[str], None],
    job_memory_bytes: int | None = None,
) -> None:
    """Listens until Ctrl-C or SIGTERM.

    Args:
        port: of this machine; 0: any that is free.
        store: folder of uploads and jobs; None: in the cache folder.
        runs: folder of training runs.
        ready: called with the address, token included, once requests are answered.
        job_memory_bytes: that a job may hold; None: half of the machine's.

    Raises:
        UsageError: the port is taken, or another server has the store.
        InputError: the store cannot be written.
    """
    folder = store if store is not None else cache_folder() / "workbench"
    doing = f"serves the workbench from {folder}"
    with (
        sole(folder / "lock", doing, "steelyard serve --store ANOTHER"),
        _listening(port) as listener,
    ):
        limits = Limits() if job_memory_bytes is None else Limits(job_memory_bytes=job_memory_bytes)
        settings = Settings(folder.resolve(), _token(folder), runs, _workers(), limits)
        url = f"http://{HOST}:{listener.getsockname()[1]}/#token={settings.token}"
        config = uvicorn.Config(
            create_app(settings), log_level="warning", lifespan="on", http="h11", loop="asyncio", ws="none",
            access_log=False, server_header=False, timeout_graceful_shutdown=2, timeout_keep_alive=30,
        )  # fmt: skip
        _Server(config, lambda: ready(url)).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _listening(port: int) -> socket.socket:
    # with the protocol named asyncio sends small answers at once; else each waits 40 ms for the one before
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"port {port} of this machine cannot be used: {error.strerror or error}",
            expected="a port that is free",
            hint="steelyard serve --port 0",
        ) from error
    return listener


def _token(folder: Path) -> str:
    """The store's token, readable by its user only; the same after a restart, so that open pages go on."""
    path = folder / "token"
    try:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            found = path.read_text("ascii").strip()
            if len(found) >= 32:
                return found
            handle = os.open(path, os.O_WRONLY | os.O_TRUNC)
        token = secrets.token_urlsafe(32)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(token)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot keep the token in {path}: {error}") from error
    return token


def _workers() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, min(cores, 4))
