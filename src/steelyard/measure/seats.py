"""Which cores a thread of ours sits on: PyTorch binds the one that calls it, and other runtimes must not inherit that.

With ``OMP_PROC_BIND`` libgomp binds the calling thread to the first core as soon as PyTorch is imported. Threads that
ONNX Runtime and OpenVINO make afterwards inherit it, and would all share that core.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_BOUND_BY_PYTORCH = ("eager", "compile")


def cores_here() -> frozenset[int]:
    """The cores that the calling thread may use; empty where the system does not say."""
    affinity = getattr(os, "sched_getaffinity", None)
    return frozenset(affinity(0)) if affinity is not None else frozenset()


@contextmanager
def seated(backend: str, cores: frozenset[int]) -> Iterator[None]:
    """Within it the calling thread may use ``cores``, unless PyTorch computes, which has its own places.

    Args:
        backend: that runs.
        cores: of the whole process; empty: nothing is changed.
    """
    before = cores_here()
    if not cores or backend in _BOUND_BY_PYTORCH or before == cores:
        yield
        return
    with suppress(OSError):
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, before)
