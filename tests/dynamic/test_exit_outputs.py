"""Outputs of exits: what is refused, and with which words; softmax beside torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike

from steelyard.dynamic.exit_outputs import ExitOutputs, checked_costs, softmax
from steelyard.errors import InputError, ShapeError

LOGITS = np.arange(12.0).reshape(2, 2, 3)


def test_what_is_right() -> None:
    found = ExitOutputs.of([[[1, 2], [3, 0]], [[2, 1], [0, 0]]], [1, 0])
    assert (found.exits, found.samples, found.classes) == (2, 2, 2)
    assert found.correct.tolist() == [[True, True], [False, True]]
    assert found.rows(np.array([1])).correct.tolist() == [[True], [True]]


@pytest.mark.parametrize(
    ("logits", "labels", "said"),
    [
        ([], [], "no exits"),
        (np.zeros((2, 0, 3)), [], "0 images of 3 classes"),
        (np.where(LOGITS == 7, np.nan, LOGITS), [0, 1], "the logits of image 0 at exit 2 of 2 are NaN"),
        (np.where(LOGITS == 5, np.inf, LOGITS), [0, 1], "the logits of image 1 at exit 1 of 2 are infinite"),
        (LOGITS, [0, 3], "image 1 has the label 3, the exits have 3 classes"),
        (LOGITS, [0.0, 1.0], "labels of type float64"),
    ],
)  # fmt: skip
def test_bad_values(logits: np.ndarray, labels: ArrayLike, said: str) -> None:
    with pytest.raises(InputError, match=said):
        ExitOutputs.of(logits, labels)


def test_exits_that_disagree_in_classes() -> None:
    with pytest.raises(
        ShapeError, match=r"exit 2 has logits of shape \(2, 4\), exit 1 of \(2, 3\)"
    ):
        ExitOutputs.of([np.zeros((2, 3)), np.zeros((2, 4))], [0, 1])


def test_labels_of_another_number() -> None:
    with pytest.raises(ShapeError, match="2 images and labels of shape"):
        ExitOutputs.of(LOGITS, [0])


def test_softmax_is_torchs() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 7)) * 30
    theirs = torch.softmax(torch.from_numpy(logits) / 1.7, -1).numpy()
    np.testing.assert_allclose(softmax(logits, 1.7), theirs, rtol=1e-12)


def test_softmax_of_a_row_does_not_depend_on_the_others() -> None:
    logits = np.random.default_rng(1).normal(size=(67, 10)).astype(np.float32)
    whole = softmax(logits)
    for rows in (slice(0, 1), slice(3, 8), slice(1, 67, 3)):
        assert (softmax(logits[rows]) == whole[rows]).all()


@pytest.mark.parametrize("costs", [[1, 1, 2], [0, 1, 2], [3, 2, 1], [1, np.nan, 3], [1, 2, np.inf]])
def test_costs_that_do_not_grow(costs: list[float]) -> None:
    with pytest.raises(InputError, match="costs"):
        checked_costs(costs, 3)


def test_costs_of_another_number() -> None:
    with pytest.raises(ShapeError, match="3 exits and costs of shape"):
        checked_costs([1, 2], 3)
