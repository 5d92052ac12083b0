"""`predict_latency`: how long a network will take on this machine, from its captured workload, without running it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from steelyard._display import Printable
from steelyard.errors import InputError, UsageError
from steelyard.measure.child import available_cores
from steelyard.measure.predictor.calibration import (
    Calibration,
    check_machine,
    find_calibration,
)
from steelyard.measure.predictor.correction import summed
from steelyard.measure.predictor.eager_work import eager_work
from steelyard.measure.predictor.onnx_work import onnxruntime_work
from steelyard.measure.predictor.work import Work
from steelyard.workload import Workload

if TYPE_CHECKING:
    from torch import nn

BACKENDS = ("eager", "onnxruntime")
"""That can be calibrated; in float32, without options."""

LEVEL = 0.8
"""Of the interval."""


@dataclass(frozen=True, slots=True)
class KindShare:
    """What operators of one kind are said to take together.

    Attributes:
        kind: of the calibration.
        operators: how many there are.
        seconds: of all of them.
        known: the calibration met such operators.
    """

    kind: str
    operators: int
    seconds: float
    known: bool


@dataclass(frozen=True)
class LatencyPrediction(Printable):
    """What a network is said to take.

    Attributes:
        network: the source, or the module's class.
        backend: that would run it.
        batch: samples in an inference.
        threads: of the computation.
        seconds: of one inference.
        interval_s: holds the measured time in `LEVEL` of cases, as far as the calibration's own errors tell; wider by what kinds of operators that it never met are said to take.
        kinds: where the time goes, the most first; operators alone, without what the network takes as a whole.
        calibrated_at: when the calibration was made.
        took_s: seconds of the prediction, from the workload on.
        warnings: what speaks against it, each a sentence.
    """

    network: str
    backend: str
    batch: int
    threads: int
    seconds: float
    interval_s: tuple[float, float]
    kinds: tuple[KindShare, ...]
    calibrated_at: str
    took_s: float
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.latency_prediction/1``."""
        return {"schema": "steelyard.latency_prediction/1", "level": LEVEL, **asdict(self)}


@dataclass(frozen=True)
class LatencyPredictions(Printable):
    """Several, in the order asked for."""

    rows: tuple[LatencyPrediction, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.latency_predictions/1``."""
        return {
            "schema": "steelyard.latency_predictions/1",
            "rows": [row.to_dict() for row in self.rows],
        }


def predict_latency(
    network: str | nn.Module | Workload,
    *,
    backend: str = "eager",
    batch: int = 1,
    threads: int | None = None,
    input_shape: Sequence[int] | None = None,
    calibration: Calibration | None = None,
) -> LatencyPrediction:
    """How long one inference will take on this machine, in float32, without running it.

    Args:
        network: a SOURCE, a module, or a workload.
        backend: ``eager`` or ``onnxruntime``.
        batch: samples in an inference; the calibration knows batches of 1, more is said with a warning.
        threads: of the computation; default: one a core.
        input_shape: (N, C, H, W) of one input; default: the network's own.
        calibration: default: the one that `calibrate` made here.

    Raises:
        UsageError: nothing is calibrated yet, or another backend.
        InputError: the calibration is of another machine, or no operator of the network is known.
    """
    if backend not in BACKENDS:
        raise UsageError(
            f"{backend} cannot be predicted", expected=" or ".join(BACKENDS) + ", without options"
        )
    count = threads or available_cores()
    known = calibration or find_calibration(backend, count)
    if (known.record.backend, known.record.threads) != (backend, count):
        raise UsageError(
            f"a calibration of {known.record.backend} with {known.record.threads} threads",
            expected=f"{backend} with {count}",
        )
    slight = check_machine(known)
    load = network if isinstance(network, Workload) else _captured(network, batch, input_shape)
    return predict(load, known, batch, slight)


def predict(
    load: Workload, known: Calibration, batch: int = 1, warnings: Sequence[str] = ()
) -> LatencyPrediction:
    """The same for a workload at hand, on the calibration's own machine."""
    begun = time.perf_counter()
    works, nameless = works_of(load, known.record.backend, known.record.environment)
    if not works:
        raise InputError(f"{load.name} has no operators")
    seconds, unknown = known.model.seconds(works)
    shares = _shares(works, seconds, unknown)
    if all(not share.known for share in shares):
        raise InputError(f"the calibration knows no operator of {load.name}")
    whole = known.correction.seconds(summed(works, seconds), len(works))
    unsure = sum(share.seconds for share in shares if not share.known)
    factor = known.reach(LEVEL)
    said = list(warnings)
    strange = [*dict.fromkeys((*unknown, *nameless))]
    if strange:
        said.append(
            f"never calibrated, and counted as the like of them: {', '.join(strange)}; "
            f"{unsure / float(seconds.sum()):.0%} of the time"
        )
    if batch != 1:
        said.append("calibrated with single samples: larger batches are told less well")
    return LatencyPrediction(
        load.name, known.record.backend, batch, known.record.threads, whole,
        (max(0.0, whole / factor - unsure), whole * factor + unsure),
        shares, known.record.taken_at, time.perf_counter() - begun, tuple(said),
    )  # fmt: skip


def works_of(
    load: Workload, backend: str, machine: Mapping[str, str]
) -> tuple[tuple[Work, ...], tuple[str, ...]]:
    """The operators that a backend executes, and those of the workload that have no known form there."""
    if backend == "eager":
        return eager_work(load), ()
    return onnxruntime_work(load, machine.get("flags", ""))


def _captured(network: str | nn.Module, batch: int, input_shape: Sequence[int] | None) -> Workload:
    from steelyard.capture.api import capture

    shape = tuple(input_shape) if input_shape is not None else None
    return capture(network, input_shape=shape, batch=batch)


def _shares(works: Sequence[Work], seconds: Any, unknown: Sequence[str]) -> tuple[KindShare, ...]:
    found: dict[str, list[float]] = {}
    for work, one in zip(works, seconds, strict=True):
        found.setdefault(work.kind, []).append(float(one))
    shares = [
        KindShare(kind, len(all_), sum(all_), kind not in unknown) for kind, all_ in found.items()
    ]
    return tuple(sorted(shares, key=lambda share: -share.seconds))
