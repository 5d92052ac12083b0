"""Figures that papers publish about networks, each with its source: the reader of ``catalog/<family>.csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Published:
    """One row of published figures; None where the source states none.

    Attributes:
        model: the network's name in `list_models`.
        settings: what `create` takes besides, e.g. ``width=0.5,resolution=192``; "" for the defaults.
        params_m: parameters in millions, as printed.
        macs_m: multiply-accumulates of one image in millions, as printed.
        top1_error, top5_error: percent.
        dataset: what the errors were measured on.
        protocol: how the errors were measured: crops, scales, ensemble.
        convention: what the counts include.
        source: paper, table or repository.
        evidence: ``repository`` or ``transcription`` (read there), or ``recalled`` (from memory of the paper, not re-read).
        note: what else a reader must know.
        reason: why a faithful count differs from the printed one; "" where they agree.
    """

    model: str
    settings: str
    params_m: float | None
    macs_m: float | None
    top1_error: float | None
    top5_error: float | None
    dataset: str
    protocol: str
    convention: str
    source: str
    evidence: str
    note: str
    reason: str


@lru_cache(maxsize=1)
def published_figures() -> Mapping[str, tuple[Published, ...]]:
    """All rows of the families' tables, by the network's name."""
    rows: dict[str, tuple[Published, ...]] = {}
    for table in sorted(resources.files("steelyard.zoo.catalog").iterdir(), key=lambda f: f.name):
        if table.name.endswith(".csv"):
            for row in csv.DictReader(table.read_text("utf-8").splitlines()):
                figure = _figure(row)
                rows[figure.model] = (*rows.get(figure.model, ()), figure)
    return MappingProxyType(rows)


def _figure(row: Mapping[str, str]) -> Published:
    return Published(
        model=row["model"],
        settings=row["settings"],
        params_m=_number(row["params_M"]),
        macs_m=_number(row["macs_M"]),
        top1_error=_number(row["top1_error"]),
        top5_error=_number(row["top5_error"]),
        dataset=row["dataset"],
        protocol=row["protocol"],
        convention=row["convention"],
        source=row["source"],
        evidence=row["evidence"],
        note=row["note"],
        reason=row["reason"],
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
