"""`Work`: one operator that a runtime executes, as the predictor sees it; and the numbers that its time is learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Work:
    """One operator.

    Attributes:
        kind: the operators that share a model, e.g. ``conv.depthwise``.
        macs: multiply-accumulates.
        read: elements of the activations that it reads, each once.
        written: elements that it writes.
        weights: elements of its parameters.
        channels, filters: of a convolution, in all groups; else of the input and the output.
        groups: of a convolution, else 1.
        taps: elements of one filter's plane or of a pool's window, else 1.
        tall: rows of that plane.
        stride, dilation: of the outermost axis.
        rows: height of the output, 1 if it has none.
        columns: width of the output.
        operands: activations that it reads.
        fused: how many other operators are computed in the same go.
        fresh: pages of memory that the system has to provide first.
    """

    kind: str
    macs: float = 0.0
    read: float = 0.0
    written: float = 0.0
    weights: float = 0.0
    channels: int = 1
    filters: int = 1
    groups: int = 1
    taps: int = 1
    tall: int = 1
    stride: int = 1
    dilation: int = 1
    rows: int = 1
    columns: int = 1
    operands: int = 1
    fused: int = 0
    fresh: float = 0.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The network that an operator stands in, as far as it decides what is found in caches.

    Attributes:
        weights: elements of all parameters.
        largest: elements of the largest activation.
        moved: elements of all activations.
    """

    weights: float
    largest: float
    moved: float


def surroundings(works: Sequence[Work]) -> Surroundings:
    """Of the operators of one network."""
    return Surroundings(
        sum(w.weights for w in works),
        max((w.written for w in works), default=0.0),
        sum(w.written for w in works),
    )


COLUMNS = (
    "macs", "read", "written", "weights", "channels", "filters", "per_group", "filters_per_group", "groups", "taps",
    "tall", "stride", "dilation", "rows", "columns", "operands", "fused", "intensity", "channels_16", "filters_16", "columns_16",
    "all_weights", "largest", "all_moved", "before", "before_read", "fresh",
)  # fmt: skip
"""What the numbers of `features` mean; sizes are logarithms to base 2."""


def features(works: Sequence[Work], around: Surroundings | None = None) -> Floats:
    """A row for each operator of one network: its sizes, those of the network, and what ran just before.

    Args:
        works: of the whole network, or of a part of one.
        around: the network that a part stands in; default: the operators are all of it.
    """
    around = around or surroundings(works)
    whole = [around.weights, around.largest, around.moved]
    rows = []
    written = read = 0.0
    for w in works:
        moved = w.read + w.written + w.weights
        rows.append([
            *_log([w.macs, w.read, w.written, w.weights, w.channels, w.filters]),
            *_log([w.channels / w.groups, w.filters / w.groups, w.groups]),
            w.taps, w.tall, w.stride, w.dilation, *_log([w.rows, w.columns]), w.operands, w.fused,
            *_log([w.macs / max(moved, 1.0)]), w.channels // w.groups % 16, w.filters // w.groups % 16, w.columns % 16,
            *_log(whole), *_log([written, read, w.fresh]),
        ])  # fmt: skip
        written, read = w.written, w.read
    return np.array(rows, dtype=np.float64).reshape(len(works), len(COLUMNS))


def amounts(works: Sequence[Work]) -> Floats:
    """A row for each operator: one, multiply-accumulates, elements read, written, of weights, fresh pages."""
    rows = [[1.0, w.macs, w.read, w.written, w.weights, w.fresh] for w in works]
    return np.array(rows, dtype=np.float64).reshape(len(works), 6)


def _log(values: Sequence[float]) -> list[float]:
    return [float(np.log2(1.0 + value)) for value in values]
