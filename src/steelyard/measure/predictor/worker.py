"""The child process that runs probes: ``python -m steelyard.measure.predictor.worker``, its threads pinned.

It loads PyTorch and forks for each probe; it must never compute in parallel itself, since threads do not survive a
fork. Lines of JSON as in `steelyard.measure.worker`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from steelyard.measure.child import Child, cores_for
from steelyard.measure.session import Job
from steelyard.measure.worker import main

LIMIT_S = 120.0
"""A slice of probes is stopped if it takes that much longer than asked for."""


class Prober(Child):
    """Asks such a process."""

    def __init__(self, backend: str, threads: int) -> None:
        self.backend = backend
        super().__init__(
            Job("", backend, threads=threads),
            cores_for(threads),
            "steelyard.measure.predictor.worker",
        )

    def take(self, seconds: float, first: int) -> list[dict[str, Any]]:
        """As `steelyard.measure.predictor.microbenchmarks.take`."""
        found: list[dict[str, Any]] = self._ask(
            seconds + LIMIT_S,
            do="take",
            backend=self.backend,
            threads=self.job.threads,
            seconds=seconds,
            first=first,
        )
        return found


def respond(state: dict[str, Any], request: dict[str, Any]) -> Any:
    """Answers ``take``."""
    from steelyard.measure.seats import cores_here

    if "cores" not in state:
        state["cores"] = cores_here()  # before PyTorch binds this thread to one of them
    import torch

    from steelyard.measure.predictor.microbenchmarks import (
        eager_probe,
        onnxruntime_probe,
        take,
    )

    if torch.get_num_threads() != request["threads"]:
        torch.set_num_threads(request["threads"])
    one = (
        eager_probe
        if request["backend"] == "eager"
        else partial(onnxruntime_probe, cores=state["cores"])
    )
    return list(take(one, request["seconds"], request["first"]))


if __name__ == "__main__":
    main(respond)
