"""How a calibration and a prediction are printed."""

from __future__ import annotations

import numpy as np

from steelyard.measure.predictor.calibration import Calibration
from steelyard.measure.predictor.correction import GROUPS
from steelyard.measure.predictor.prediction import (
    LEVEL,
    LatencyPrediction,
    LatencyPredictions,
)
from steelyard.report.document import document
from steelyard.report.table import Column, Document, Table

_SHARES = (
    Column("kind", "kind"),
    Column("operators", "operators", "count"),
    Column("milliseconds", "time", "ratio", unit="ms"),
    Column("share", "share", "share", bar=True),
)
_ROWS = (
    Column("network", "network"),
    Column("backend", "backend"),
    Column("batch", "batch", "count"),
    Column("threads", "threads", "count", rank=1),
    Column("predicted_ms", "predicted", "ratio", unit="ms"),
    Column("interval_ms", "interval", unit="ms"),
)
_KINDS = (Column("kind", "kind"), Column("samples", "operators timed", "count"))


@document.register
def prediction_document(result: LatencyPrediction) -> Document:
    """The time, its interval, and where it goes."""
    low, high = result.interval_s
    rows = tuple(
        (
            s.kind if s.known else f"{s.kind} (not calibrated)",
            s.operators,
            s.seconds * 1e3,
            s.seconds / result.seconds,
        )
        for s in result.kinds
    )
    total = ("sum", sum(s.operators for s in result.kinds), result.seconds * 1e3, 1.0)
    plural = "s" if result.threads != 1 else ""
    return Document(
        title=f"{result.network} is predicted to take {result.seconds * 1e3:.3g} ms",
        lead=(
            f"{result.backend}, float32, batch {result.batch}, {result.threads} thread{plural}; "
            f"{low * 1e3:.3g} to {high * 1e3:.3g} ms in {LEVEL:.0%} of cases",
        ),
        tables=(Table("", _SHARES, rows, total=total),),
        notes=(
            f"Not run: told from the workload in {result.took_s * 1e3:.0f} ms by the calibration of "
            f"{result.calibrated_at.replace('T', ' ')}.",
        ),
        warnings=result.warnings,
    )


@document.register
def predictions_document(result: LatencyPredictions) -> Document:
    """A row each."""
    rows = tuple(
        (
            r.network, r.backend, r.batch, r.threads, r.seconds * 1e3,
            f"{r.interval_s[0] * 1e3:.3g} .. {r.interval_s[1] * 1e3:.3g}",
        )
        for r in result.rows
    )  # fmt: skip
    warnings = [f"{r.network}, {r.backend}: {said}" for r in result.rows for said in r.warnings]
    return Document(
        title=f"{len(rows)} predicted times",
        tables=(Table("", _ROWS, rows),),
        notes=(
            f"Nothing was run. The measured time lies in the interval in {LEVEL:.0%} of cases.",
        ),
        warnings=tuple(warnings),
    )


@document.register
def calibration_document(result: Calibration) -> Document:
    """What was learnt, and how well it tells probes that it had not seen."""
    record = result.record
    errors = np.abs(np.array(record.errors))
    factor = result.reach(LEVEL)
    kinds = sorted(result.model.kinds.items(), key=lambda item: -item[1].count)
    loads = " and ".join("unknown" if load is None else f"{load:.1f}" for load in record.load)
    return Document(
        title=f"{record.backend} calibrated with {record.threads} thread{'s' if record.threads != 1 else ''}",
        lead=(
            f"{record.operators:,} operators in {record.probes} random networks, {record.duration_s:.0f} s in all",
        ),
        tables=(Table("", _KINDS, tuple((kind, model.count) for kind, model in kinds)),),
        notes=(
            f"A random network that the model has not seen is told {errors.mean():.1%} off on average, "
            f"{np.mean(errors <= 0.1):.0%} of them within 10 %; and {LEVEL:.0%} of networks take {1 / factor:.2f} to {factor:.2f} of what is said.",
            *_references(result),
            f"The load of the machine was {loads}, before and after.",
        ),
    )


def _references(result: Calibration) -> tuple[str, ...]:
    found = result.record.references
    if not found:
        return ()
    correction = result.correction
    names = ", ".join(r.network for r in found)
    slopes = ", ".join(f"{s:.2f} ({g})" for s, g in zip(correction.slopes, GROUPS, strict=True))
    return (
        f"Whole networks ({names}) take {slopes} times the sum of such operators and {correction.call_s * 1e6:.1f} us for each.",
    )
