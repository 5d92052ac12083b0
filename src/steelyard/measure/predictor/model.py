"""`Model`: seconds of operators from their sizes: for each kind a sum of simple costs, corrected by boosted trees."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.errors import FileFormatError, MissingExtraError
from steelyard.measure.child import available_cores
from steelyard.measure.predictor.trees import FORESTS, Forest, constant, grown
from steelyard.measure.predictor.work import Floats, Surroundings, Work, amounts, features

FEWEST = 30
"""Samples that trees are grown from; a kind with fewer has its sum of costs alone."""

LEAST_S = 1e-7
"""No operator takes less."""


@dataclass(frozen=True, slots=True)
class KindModel:
    """What one kind of operator costs.

    Attributes:
        costs: seconds of a call, a multiply-accumulate, an element read, written, of a weight, and of a fresh page.
        trees: the logarithm of what to multiply that by.
        count: samples behind it.
    """

    costs: Floats
    trees: Forest
    count: int

    def seconds(self, rows: Floats, sizes: Floats) -> Floats:
        """Of each operator: ``rows`` its features, ``sizes`` its amounts."""
        found: Floats = np.maximum(sizes @ self.costs, LEAST_S) * np.exp(self.trees(rows))
        return found


@dataclass(frozen=True, slots=True)
class Model:
    """Every kind that was met in the calibration."""

    kinds: Mapping[str, KindModel]

    def seconds(
        self, works: Sequence[Work], around: Surroundings | None = None
    ) -> tuple[Floats, tuple[str, ...]]:
        """Of each operator of one network, and the kinds that the calibration never met.

        What was never met costs as much as the like of it: another operator of the same family (the part of the name
        before the dot), in the mean over all its kinds; of no family at all, as reading and writing in any kind does.

        Args:
            works: of the network, or of a part of one.
            around: the network that a part stands in.
        """
        rows, sizes = features(works, around), amounts(works)
        found = np.zeros(len(works))
        names = np.array([work.kind for work in works])
        unknown = []
        for kind in dict.fromkeys(work.kind for work in works):
            here = names == kind
            if kind in self.kinds:
                found[here] = self.kinds[kind].seconds(rows[here], sizes[here])
            else:
                unknown.append(kind)
                found[here] = np.maximum(sizes[here] @ self._like(kind), LEAST_S)
        return found, tuple(unknown)

    def _like(self, kind: str) -> Floats:
        family = kind.partition(".")[0]
        near = [m for name, m in self.kinds.items() if name.partition(".")[0] == family]
        chosen = near or list(self.kinds.values())
        weights = np.array([m.count for m in chosen], dtype=np.float64)
        found: Floats = np.average(np.array([m.costs for m in chosen]), axis=0, weights=weights)
        return found

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays, by ``kind/name``."""
        found: dict[str, NDArray[Any]] = {}
        for kind, model in self.kinds.items():
            parts = {
                "costs": model.costs,
                "count": np.array(model.count),
                **model.trees.to_arrays(),
            }
            found |= {f"{kind}/{name}": array for name, array in parts.items()}
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Model:
        """The inverse of `to_arrays`.

        Raises:
            FileFormatError: arrays that are missing or inconsistent.
        """
        kinds: dict[str, dict[str, NDArray[Any]]] = {}
        for name, array in arrays.items():
            kind, _, part = name.rpartition("/")
            kinds.setdefault(kind, {})[part] = array
        found = {}
        for kind, parts in kinds.items():
            trees = Forest.from_arrays(parts)
            costs = parts.get("costs", np.zeros(0)).astype(np.float64)
            if (
                costs.shape != (6,)
                or not np.isfinite(costs).all()
                or costs.min() < 0
                or "count" not in parts
            ):
                raise FileFormatError(f"costs of {kind} in a calibration", expected="six numbers")
            found[kind] = KindModel(costs, trees, int(parts["count"]))
        return cls(found)


@dataclass(frozen=True, slots=True)
class Sample:
    """One probe: its operators, and the seconds of each."""

    works: tuple[Work, ...]
    seconds: Floats


def fit(samples: Sequence[Sample], forests: int = FORESTS) -> Model:
    """What the probes say of each kind; ``forests`` are averaged for it.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    kinds: dict[str, list[tuple[Floats, Floats, float]]] = {}
    for sample in samples:
        rows, sizes = features(sample.works), amounts(sample.works)
        for place, work in enumerate(sample.works):
            kinds.setdefault(work.kind, []).append(
                (rows[place], sizes[place], float(sample.seconds[place]))
            )
    with ThreadPoolExecutor(
        available_cores()
    ) as pool:  # scikit-learn grows trees outside the interpreter's lock
        return Model(
            dict(
                zip(
                    kinds,
                    pool.map(partial(_fit_kind, forests=forests), kinds.values()),
                    strict=True,
                )
            )
        )


def _fit_kind(found: Sequence[tuple[Floats, Floats, float]], forests: int) -> KindModel:
    rows, sizes, seconds = (np.array(part) for part in zip(*found, strict=True))
    seconds = np.maximum(seconds, LEAST_S)
    costs = _costs(sizes, seconds)
    base = np.maximum(sizes @ costs, LEAST_S)
    if len(seconds) < FEWEST:
        return KindModel(costs, constant(float(np.log(seconds.sum() / base.sum()))), len(seconds))
    trees = grown(rows, np.log(seconds / base), np.ones(len(seconds)), forests=forests)
    said = base * np.exp(trees(rows))
    # the mean of a logarithm is below the logarithm of the mean: sums shall be right
    return KindModel(costs * (seconds.sum() / said.sum()), trees, len(seconds))


def _costs(sizes: Floats, seconds: Floats) -> Floats:
    """Least squares of the relative error, none below 0."""
    try:
        optimize: Any = importlib.import_module("scipy.optimize")
    except ImportError:
        raise MissingExtraError(
            "calibrating the latency predictor", extra="predictor", package="scikit-learn"
        ) from None
    scale = np.maximum(sizes.max(axis=0), 1.0)
    found, _ = optimize.nnls(sizes / scale / seconds[:, None], np.ones(len(seconds)))
    costs: Floats = found / scale
    return costs
