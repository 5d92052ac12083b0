"""Engines: `on_processes` and `on_ray` run one function over many jobs and hand out results as they are done.

Both take the function, the jobs by name, and where to run them; what is done is handed out once, in any order.
A job whose process was killed is run again.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import re
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any, Literal, TypeVar, get_args

from steelyard._version import __version__
from steelyard.errors import BackendError, MissingExtraError, SteelyardError, UsageError

Engine = Literal["local", "ray"]
ENGINES: tuple[Engine, ...] = get_args(Engine)

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")

_TRIES = 3
"""So often all processes may be killed without one result in between."""

_AHEAD = 1000
"""Jobs handed to a cluster before their results are there."""

_CONNECT_S = 10.0


# ---- processes of this machine ---------------------------------------------------------------


def on_processes(
    work: Callable[[_Job], _Result], jobs: Mapping[str, _Job], workers: int
) -> Generator[tuple[str, _Result], None, None]:
    """Runs the jobs on processes of this machine, which end when this one does, however it ends.

    Args:
        work: a function at the top of a module, or a `functools.partial` of one.
        jobs: by name.
        workers: processes; with one, or one job, everything happens in this process.

    Raises:
        BackendError: the processes are killed again and again.
    """
    if workers == 1 or len(jobs) < 2:
        yield from ((name, work(job)) for name, job in jobs.items())
        return
    left, tries = dict(jobs), 0
    while left:
        try:
            for name, result in _pool(work, dict(left), workers):
                del left[name]
                tries = 0
                yield name, result
        except BrokenProcessPool as error:
            tries += 1
            if tries == _TRIES:
                raise BackendError(
                    f"the worker processes were killed {_TRIES} times with {len(left)} jobs left",
                    expected="enough memory for them, and in a script `if __name__ == '__main__':`",
                    hint="--workers 1, or fewer than now; what is done is kept",
                ) from error


def _pool(
    work: Callable[[_Job], _Result], jobs: dict[str, _Job], workers: int
) -> Generator[tuple[str, _Result], None, None]:
    # spawned: this process may have threads
    context = multiprocessing.get_context("spawn")
    leash, end = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=context, initializer=on_leash, initargs=(leash,)
    )
    try:
        with interrupts_blocked():
            futures: dict[Future[_Result], str] = {
                pool.submit(work, job): name for name, job in jobs.items()
            }
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BaseException:
        end.close()  # ends the processes; their jobs are not waited for
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        end.close()
        leash.close()


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Processes started here never hear of Ctrl-C, which a terminal sends to all."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def on_leash(leash: Connection) -> None:
    """Ends this process as soon as the one that holds the other end of the pipe lets go of it or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(leash,), daemon=True).start()


def _end_with(leash: Connection) -> None:
    with suppress(EOFError, OSError):
        leash.recv()
    os._exit(1)


# ---- a Ray cluster ---------------------------------------------------------------------------


def on_ray(
    work: Callable[[_Job], _Result],
    jobs: Mapping[str, _Job],
    address: str = "auto",
    workers: int | None = None,
) -> Generator[tuple[str, _Result], None, None]:
    """Runs the jobs on a Ray cluster, whose machines have this version of steelyard installed.

    Args:
        work, jobs: as for `on_processes`.
        address: ``auto`` (the cluster that this machine is part of, or ``$RAY_ADDRESS``), ``local`` (one made for
            this call), ``HOST:PORT`` of a head whose cluster this machine is part of, or ``ray://HOST:PORT``.
        workers: CPUs of ``local``; None: all.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: no such form of address.
        BackendError: the cluster does not answer or gave up a job.
    """
    _check_address(address)
    if not jobs:
        return
    with ray_cluster(address, workers) as ray:
        yield from _stream(ray, work, jobs)


@contextmanager
def ray_cluster(address: str = "auto", workers: int | None = None) -> Iterator[Any]:
    """Ray, connected to a cluster within: the module `ray`.

    Args:
        address, workers: as for `on_ray`.

    Raises:
        MissingExtraError, UsageError, BackendError: as `on_ray`; what the caller does with Ray is looked after, too.
    """
    _check_address(address)
    _prepare(address)
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError as error:
        raise MissingExtraError("the engine ray", extra="distributed", package="ray") from error
    mine = not ray.is_initialized()
    if mine:
        _connect(ray, address, workers)
    try:
        yield ray
    except (ray.exceptions.RayError, ConnectionError) as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, SteelyardError):
            raise cause from error
        raise BackendError(
            f"Ray gave up: {_last_line(error)}",
            expected=f"a cluster whose machines have steelyard {__version__} installed",
            hint="the same command again; what is done is kept",
        ) from error
    finally:
        if mine:
            ray.shutdown()


def _check_address(address: str) -> None:
    if address not in ("auto", "local") and _host(address) is None:
        raise UsageError(
            f"the address {address!r} of a Ray cluster",
            expected="auto, local, HOST:PORT or ray://HOST:PORT",
        )


def _prepare(address: str) -> None:
    """What Ray reads when it is imported: no usage statistics; a cluster of our own lets nobody else in."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == "local" and "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _host(address: str) -> tuple[str, int] | None:
    found = re.fullmatch(r"(?:ray://)?([\w.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", address)
    return (found[1].strip("[]"), int(found[2])) if found else None


def _connect(ray: Any, address: str, workers: int | None) -> None:
    options: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False}
    end = signal.getsignal(signal.SIGTERM)
    try:
        if (host := _host(address)) is not None:
            socket.create_connection(host, _CONNECT_S).close()
        ray.init(
            address=address,
            logging_level="ERROR",
            log_to_driver=False,
            **(options if address == "local" else {}),
        )
    except (OSError, RuntimeError, ValueError, ImportError, ray.exceptions.RayError) as error:
        raise BackendError(
            f"no Ray cluster answers at {address!r}: {_last_line(error)}",
            expected="a cluster that runs: ray start --head",
            hint="--address HOST:PORT or ray://HOST:10001, or --address local",
        ) from error
    finally:
        # Ray puts a handler of its own there
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, end)


def on_nodes(ray: Any, work: Callable[[_Job], _Result]) -> Callable[[_Job], Any]:
    """Begins a job somewhere in the cluster, where that machine has this version; gives Ray's reference to the result."""
    shared = ray.put(work)
    run = ray.remote(_remote)
    return lambda job: run.remote(__version__, shared, job)


def _stream(
    ray: Any, work: Callable[[_Job], _Result], jobs: Mapping[str, _Job]
) -> Generator[tuple[str, _Result], None, None]:
    begin = on_nodes(ray, work)
    waiting = iter(jobs.items())
    running: dict[Any, str] = {}
    while True:
        for name, job in islice(waiting, _AHEAD - len(running)):
            running[begin(job)] = name
        if not running:
            return
        done, _ = ray.wait([*running], num_returns=1)
        for reference in done:
            name = running.pop(reference)
            yield name, ray.get(reference)


def _remote(version: str, work: Callable[[_Job], _Result], job: _Job) -> _Result:
    if version != __version__:
        raise BackendError(
            f"a machine of the cluster has steelyard {__version__}, this one {version}",
            expected="the same version on all",
        )
    return work(job)


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"
