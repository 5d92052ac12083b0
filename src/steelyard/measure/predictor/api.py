"""`calibrate`: runs random networks in a runtime for a minute or two, and learns what its operators cost here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np

from steelyard.errors import BackendError, UsageError
from steelyard.measure.api import measure
from steelyard.measure.backend import backend as backend_named
from steelyard.measure.child import available_cores
from steelyard.measure.environment import environment, load_average
from steelyard.measure.predictor.calibration import Calibration, Record
from steelyard.measure.predictor.correction import Reference, summed
from steelyard.measure.predictor.model import Model, Sample, fit
from steelyard.measure.predictor.prediction import BACKENDS, works_of
from steelyard.measure.predictor.work import Floats
from steelyard.measure.predictor.worker import Prober

SECONDS = {"eager": 90.0, "onnxruntime": 50.0}
"""Of probes, unless told otherwise."""

SLICE_S = 4.0
"""Probes are asked for in slices, so that progress can be told."""

FOLDS, FEWEST, BUSY = 3, 8, 0.13
"""Parts of the probes of which each is told by the others; least probes; cores that other programs may keep busy while
a probe runs, or it is left out."""

REFERENCES = (
    "resnet18",
    "mobilenet_v2",
    "squeezenet1_1",
    "shufflenet_v2_x1_0",
    "densenet121",
    "vgg11",
    "resnext50_32x4d",
    "efficientnet_b0",
    "googlenet",
    "mobilenet_v3_small",
)
"""Of as many families."""

Progress = Callable[[str, float], None]


def calibrate(
    backend: str = "eager",
    *,
    threads: int | None = None,
    seconds: float | None = None,
    references: Sequence[str] = REFERENCES,
    progress: Progress | None = None,
    keep: bool = True,
) -> Calibration:
    """Learns how long operators take in a backend on this machine; `predict_latency` then uses it.

    Random networks (see `steelyard.measure.predictor.probes`) run in a process of their own with pinned threads, and
    every operator is timed in its place. Nothing is kept of a calibration that is interrupted.

    Args:
        backend: ``eager`` or ``onnxruntime``, in float32.
        threads: of the computation; default: one a core.
        seconds: of probes; learning takes some 20 more.
        references: networks of the zoo that are measured as a whole afterwards, to learn what they take beyond the sum
            of their operators.
        progress: told what is being done, and which share of all is done.
        keep: write it where `predict_latency` finds it.

    Raises:
        UsageError: another backend, or too little time.
        BackendError: the backend is missing, or nearly all probes failed.
        MissingExtraError: scikit-learn is not installed.
    """
    limit = _seconds(backend, seconds)
    count = threads or available_cores()
    tell = progress or (lambda doing, share: None)
    begun, before = time.perf_counter(), load_average()
    rows = _taken(backend, count, limit, tell)
    tell("learning", 0.7)
    samples = quiet_samples(backend, rows)
    if len(samples) < FEWEST:
        raise BackendError(
            f"only {len(samples)} of {len(rows)} probes ran undisturbed",
            expected=f"at least {FEWEST}",
            hint="a quiet machine, or more --seconds",
        )
    model, errors = learnt(samples)
    networks = _measured(backend, count, model, references, tell)
    record = Record(
        backend, count, datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter() - begun,
        (before, load_average()), len(samples), sum(len(s.works) for s in samples), errors, networks, environment(),
    )  # fmt: skip
    found = Calibration(record, model)
    if keep:
        found.save()
    return found


def _seconds(backend: str, asked: float | None) -> float:
    """Of probes."""
    if backend not in BACKENDS:
        raise UsageError(f"{backend} cannot be calibrated", expected=" or ".join(BACKENDS))
    if reason := backend_named(backend).missing():
        raise BackendError(reason)
    limit = SECONDS[backend] if asked is None else asked
    if not limit > 0:
        raise UsageError(f"{limit} seconds of probes", expected="more than 0")
    return limit


def _taken(backend: str, threads: int, limit: float, tell: Progress) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    begun = time.perf_counter()
    with closing(Prober(backend, threads)) as prober:
        first = 0
        while (over := time.perf_counter() - begun) < limit:
            tell(f"timing operators of random networks in {backend}", 0.7 * over / limit)
            rows += prober.take(min(SLICE_S, limit - over), first)
            first = max((row["seed"] for row in rows), default=first) + 1
    return rows


def _measured(
    backend: str, threads: int, model: Model, networks: Sequence[str], tell: Progress
) -> tuple[Reference, ...]:
    """The references, measured as `measure` does; one that cannot be is left out."""
    found = []
    for number, name in enumerate(networks):
        tell(f"measuring {name}", 0.85 + 0.15 * number / len(networks))
        with suppress(BackendError):
            run = measure(name, backend=backend, threads=threads, budget_s=0.5)
            found.append(reference(name, backend, run.median_s, model))
    return tuple(found)


def reference(
    network: str, backend: str, measured_s: float, model: Model, family: str = ""
) -> Reference:
    """A network of the zoo that was measured."""
    from steelyard.capture.api import capture
    from steelyard.zoo.registry import info

    works, _ = works_of(capture(network), backend, environment())
    sums = summed(works, model.seconds(works)[0])
    return Reference(network, family or info(network).family, sums, len(works), measured_s)


def quiet_samples(backend: str, rows: Sequence[dict[str, Any]]) -> list[Sample]:
    """Operators and seconds of the probes that ran while others hardly did."""
    found = []
    for row in rows:
        if (row["others"] or 0.0) > BUSY:
            continue
        sample = eager_sample(row) if backend == "eager" else onnxruntime_sample(row)
        if sample is not None:
            found.append(sample)
    return found


def eager_sample(row: dict[str, Any]) -> Sample | None:
    """The operators of a probe, each a layer of its workload, and the medians of their times."""
    from steelyard.capture.api import capture
    from steelyard.measure.predictor.eager_work import eager_work
    from steelyard.measure.predictor.heap import LEAST
    from steelyard.measure.predictor.probes import probe

    model, shape = probe(row["seed"], filled=False)
    works = eager_work(capture(model, input_shape=shape), max(LEAST, row["freed"]))
    return (
        Sample(works, _typical(np.array(row["ns"]) * 1e-9))
        if len(works) == len(row["ns"][0])
        else None
    )


def onnxruntime_sample(row: dict[str, Any]) -> Sample:
    """The operators that ONNX Runtime ran, and their times, which add up to those of inferences without the profiler.

    What the profiler costs is the same for each operator; what is left of an operator is a fifth at least.
    """
    from steelyard.measure.predictor.onnx_layout import block_of
    from steelyard.measure.predictor.onnx_work import ran_work

    block = block_of(environment().get("flags", ""))
    works = tuple(ran_work(op[0], op[1], op[2], op[3], block) for op in row["ops"])
    times = np.median(np.array(row["us"]) * 1e-6, axis=0)
    alone = float(np.median(row["alone"])) * 1e-9
    less = max(0.0, float(times.sum()) - alone) / len(works)
    left = np.maximum(times - less, times / 5)
    return Sample(works, left * (alone / left.sum()))


def _typical(times: Floats) -> Floats:
    """Of each operator over the inferences: medians, scaled to add up to the median of the whole."""
    each = np.median(times, axis=0)
    found: Floats = each * (np.median(times.sum(axis=1)) / each.sum())
    return found


def learnt(samples: Sequence[Sample]) -> tuple[Model, tuple[float, ...]]:
    """A model of all probes; and for each probe how far off one is that has not seen it."""
    errors: list[float] = []
    for fold in range(FOLDS):
        model = fit([s for i, s in enumerate(samples) if i % FOLDS != fold], forests=1)
        errors += [
            float(model.seconds(sample.works)[0].sum() / sample.seconds.sum() - 1)
            for sample in samples[fold::FOLDS]
        ]
    return fit(samples), tuple(errors)
