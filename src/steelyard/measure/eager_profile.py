"""`eager_runs`: inferences in PyTorch under its profiler, as operators in order of execution."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from steelyard.errors import BackendError
from steelyard.measure.joining import Event, Run

_RUN = "steelyard.run"


def eager_runs(run: Callable[[], object], count: int) -> tuple[Run, ...]:
    """Each of ``count`` inferences, by PyTorch's profiler (kineto), CPU time only.

    Raises:
        BackendError: the profiler lost an inference.
    """
    from torch.profiler import ProfilerActivity, profile, record_function

    with _silent(), profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(count):
            with record_function(_RUN):
                run()
    roots = [event for event in profiler.events() or () if event.name == _RUN]
    if len(roots) != count:
        raise BackendError(f"the profiler saw {len(roots)} of {count} inferences")
    roots.sort(key=_begin)
    return tuple(Run(_seconds(root), tuple(map(_event, _children(root)))) for root in roots)


def _event(found: Any) -> Event:
    inner = tuple((_name(part), _seconds(part)) for part in _below(found))
    return Event(_name(found), _seconds(found), inner)


def _below(found: Any) -> Iterator[Any]:
    for child in _children(found):
        yield child
        yield from _below(child)


def _children(found: Any) -> list[Any]:
    return sorted(found.cpu_children, key=_begin)


def _begin(found: Any) -> float:
    return float(found.time_range.start)


def _seconds(found: Any) -> float:
    return float(found.time_range.end - found.time_range.start) * 1e-6


def _name(found: Any) -> str:
    return str(found.name).replace("::", ".")


@contextmanager
def _silent() -> Iterator[None]:
    """The profiler's library writes its own news to standard error."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
