"""`Forest`: boosted regression trees as plain arrays, grown by scikit-learn and evaluated by NumPy."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.errors import FileFormatError, MissingExtraError
from steelyard.measure.predictor.work import COLUMNS, Floats

FORESTS, TREES, DEPTH, RATE, SHARE, LEAF = 3, 120, 5, 0.1, 0.6, 4
"""Forests that are averaged, since each is grown from chosen samples; trees of a forest, their depth, the learning rate, the share of samples and columns that each sees, least samples
of a leaf."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Forest:
    """Nodes of all trees one after the other; a leaf's children are itself.

    Attributes:
        roots: node at which each tree begins.
        column: of `COLUMNS`, that a node asks for.
        threshold: values up to it go left.
        left, right: nodes.
        value: of a leaf.
        start: what the trees add to.
    """

    roots: Ints
    column: Ints
    threshold: Floats
    left: Ints
    right: Ints
    value: Floats
    start: float

    def __call__(self, rows: Floats) -> Floats:
        """The forest's answer for each row of features."""
        if not len(self.roots):
            return np.full(len(rows), self.start)
        at = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        line = np.arange(len(rows))[:, None]
        for _ in range(DEPTH):
            at = np.where(
                rows[line, self.column[at]] <= self.threshold[at], self.left[at], self.right[at]
            )
        found: Floats = self.start + self.value[at].sum(axis=1)
        return found

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """As few bytes as the numbers need."""
        return {
            "roots": self.roots.astype(np.int32),
            "column": self.column.astype(np.int16),
            "threshold": self.threshold,
            "left": self.left.astype(np.int32),
            "right": self.right.astype(np.int32),
            "value": self.value,
            "start": np.array(self.start),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Forest:
        """The inverse of `to_arrays`.

        Raises:
            FileFormatError: arrays that are missing, of another kind or that lead nowhere.
        """
        try:
            roots, column, left, right = (
                arrays[k].astype(np.int64) for k in ("roots", "column", "left", "right")
            )
            threshold, value = (arrays[k].astype(np.float64) for k in ("threshold", "value"))
            start = float(arrays["start"])
        except (KeyError, ValueError, TypeError) as error:
            raise FileFormatError(f"trees of a calibration: {error}") from None
        count = len(column)
        same = {len(part) for part in (threshold, left, right, value)} <= {count}
        links = np.concatenate([roots, left, right])
        sane = same and all(
            part.ndim == 1 for part in (roots, column, left, right, threshold, value)
        )
        if (
            not sane
            or (links.size and not 0 <= links.min() <= links.max() < count)
            or (count and not 0 <= column.min() <= column.max() < len(COLUMNS))
            or not all(np.isfinite(part).all() for part in (threshold, value, np.array(start)))
        ):
            raise FileFormatError("trees of a calibration are inconsistent")
        return cls(roots, column, threshold, left, right, value, start)


def constant(start: float) -> Forest:
    """No trees at all."""
    none, nothing = np.zeros(0, np.int64), np.zeros(0)
    return Forest(none, none, nothing, none, none, nothing, start)


def grown(
    rows: Floats, targets: Floats, weights: Floats, seed: int = 0, forests: int = FORESTS
) -> Forest:
    """A forest that tells ``targets`` from ``rows`` (gradient boosting, Friedman 2001; squared error).

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        ensemble: Any = importlib.import_module("sklearn.ensemble")
    except ImportError:
        raise MissingExtraError(
            "calibrating the latency predictor", extra="predictor", package="scikit-learn"
        ) from None
    roots, parts, count = [], [], 0
    for number in range(forests):
        made = ensemble.GradientBoostingRegressor(
            n_estimators=TREES, learning_rate=RATE, max_depth=DEPTH, subsample=SHARE, max_features=SHARE,
            min_samples_leaf=LEAF, random_state=forests * seed + number,
        ).fit(rows, targets, weights)  # fmt: skip
        for (tree,) in made.estimators_:
            nodes = tree.tree_
            own = np.arange(nodes.node_count)
            leaf = nodes.children_left < 0
            roots.append(count)
            parts.append((
                np.where(leaf, 0, nodes.feature), np.where(leaf, 0.0, nodes.threshold),
                count + np.where(leaf, own, nodes.children_left), count + np.where(leaf, own, nodes.children_right),
                np.where(leaf, RATE / forests * nodes.value[:, 0, 0], 0.0),
            ))  # fmt: skip
            count += nodes.node_count
    column, threshold, left, right, value = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    start = float(np.average(targets, weights=weights))
    return Forest(np.array(roots), column, threshold, left, right, value, start)
