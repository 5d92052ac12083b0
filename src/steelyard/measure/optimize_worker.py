"""The child process that tries recipes: one network, built, exported and computed once, in many settings.

``python -m steelyard.measure.optimize_worker``; lines of JSON as in `steelyard.measure.worker`. `respond` is also
called in person, for a module that cannot be sent to a child.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.errors import BackendError
from steelyard.measure.worker import main

if TYPE_CHECKING:
    from steelyard.measure.optimize_network import Likeness

REFERENCE = "reference.npz"

LONG_S = 1.0
"""Where the run that was compared took longer, it is the sample: what a first run does besides is small beside it."""


def respond(state: dict[str, Any], request: dict[str, Any]) -> Any:
    """Answers ``open``, ``try``, ``sample``, ``drop`` and ``check``; ``state`` is kept in between."""
    what = request["do"]
    if what == "open":
        return _open(state, request)
    if what == "try":
        return _try(state, request["setting"], request["agreement"], request["trial_s"])
    if what == "sample":
        return state["sessions"][request["setting"]].samples(
            request["at_least_s"], request["count"]
        )
    if what == "check":
        from steelyard.measure.optimize_files import deviation_of_file

        _threads(request["threads"])
        return deviation_of_file(Path(request["path"]), request["setting"], Path(request["folder"]))
    session = state["sessions"].pop(request["setting"], None)
    if session is not None:
        session.close()
    return None


def _threads(count: int | None) -> None:
    import torch

    if count is not None:
        torch.set_num_threads(count)


def _open(state: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    from steelyard.measure.memory import keep_freed_memory
    from steelyard.measure.seats import cores_here
    from steelyard.measure.session import Job

    asked = dict(request["job"])
    asked["input_shape"] = tuple(asked["input_shape"]) if asked["input_shape"] else None
    job = Job(**asked)
    if job.keep_freed:
        keep_freed_memory()
    # before PyTorch binds this thread to one of them; a module's own process is left as it is
    state["cores"] = frozenset() if "model" in state else cores_here()
    _threads(job.threads)
    from steelyard.measure.optimize_network import Task, expected_of_samples, subject

    found = subject(Task(job, tuple(request["photos"]), request["weights"]), state.get("model"))
    state |= {"job": job, "subject": found, "sessions": {}}
    state["expected"] = expected_of_samples(found) if found.samples else []
    _keep_reference(found.network, Path(job.folder))
    return {
        "name": found.network.program.name,
        "weights": found.weights,
        "has_module": found.network.program.model is not None,
        "shapes": [list(x.shape) for x in found.network.program.inputs],
    }


def _keep_reference(network: Any, folder: Path) -> None:
    """Inputs and outputs, for the check of a saved file."""
    import numpy as np

    arrays = {f"in{i}": x.numpy() for i, x in enumerate(network.program.inputs)}
    arrays |= {f"out{i}": x for i, x in enumerate(network.expected)}
    with (folder / REFERENCE).open("wb") as file:
        np.savez(file, **arrays)


def _try(
    state: dict[str, Any], setting: str, least_agreement: float, trial_s: float
) -> dict[str, Any]:
    """Loads, compares, and takes a few samples; the session stays open."""
    from steelyard.measure.optimize_network import likeness
    from steelyard.measure.session import Session

    begun = time.perf_counter()
    session = Session(
        replace(state["job"], setting=setting),
        network=state["subject"].network,
        cores=state["cores"],
    )
    try:
        prepared = session.prepare()
        deviation, agrees = prepared.deviation, None
        if state["expected"] and setting == "eager":
            agrees = 1.0  # it is the reference, and was compared with itself
        elif state["expected"]:
            alike = likeness(session.loaded()[1], state["subject"], state["expected"])
            deviation, agrees = max(deviation, alike.deviation), alike.agreement
            _judge(alike, least_agreement, prepared.tolerance)
        long = prepared.first_s > LONG_S
        samples = [prepared.first_s] if long else session.samples(trial_s, 1)
    except BaseException:
        with suppress(Exception):
            session.close()
        raise
    state["sessions"][setting] = session
    return {
        "ran": prepared.ran,
        "deviation": deviation,
        "agreement": agrees,
        "samples_s": list(samples),
        "took_s": time.perf_counter() - begun,
    }


def _judge(alike: Likeness, least_agreement: float, tolerance: float) -> None:
    if not alike.deviation <= tolerance:
        raise BackendError(
            f"outputs on the photographs differ from float32 in PyTorch by {alike.deviation:.2g} of the largest",
            expected=f"at most {tolerance:.2g}",
        )
    if alike.agreement < least_agreement:
        raise BackendError(
            f"the most probable class is that of float32 for {alike.agreement:.0%} of the photographs",
            expected=f"at least {least_agreement:.0%}",
        )


if __name__ == "__main__":
    main(respond)
