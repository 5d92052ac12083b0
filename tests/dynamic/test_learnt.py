"""The learnt policy: its regression beside scikit-learn's, and better than chance where confidence says nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from steelyard.dynamic.exit_outputs import ExitOutputs, softmax
from steelyard.dynamic.learnt import Learnt, fit_learnt, logistic
from steelyard.errors import InputError, UsageError

Made = Callable[..., ExitOutputs]


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
def test_regression_is_scikit_learns(penalty: float) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 4)) * [1, 5, 0.1, 2] + [0, 3, 1, -1]
    outcome = rng.random(300) < 1 / (1 + np.exp(-(features @ [1, -0.3, 4, 0.2])))
    scaled = StandardScaler().fit_transform(features)
    theirs = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000).fit(scaled, outcome)
    ours = logistic(np.column_stack([features, np.ones(300)]), outcome, penalty)
    expected = theirs.decision_function(scaled)
    np.testing.assert_allclose(
        np.column_stack([features, np.ones(300)]) @ ours, expected, rtol=1e-4, atol=1e-4
    )


def test_outcomes_all_alike_and_features_that_do_not_vary() -> None:
    features = np.column_stack([np.ones(20), np.full(20, 0.3), np.ones(20)])
    found = logistic(features, np.ones(20, dtype=bool), 1.0)
    assert np.isfinite(found).all()
    assert found[:2].tolist() == [0, 0]
    assert found[2] > 5


def test_separable_outcomes_end() -> None:
    values = np.linspace(-1, 1, 50)
    found = logistic(np.column_stack([values, np.ones(50)]), values > 0, 1e-3)
    assert np.isfinite(found).all()


def test_no_rows_and_bad_features() -> None:
    for features in (np.zeros((0, 2)), np.array([[np.nan, 1.0]])):
        with pytest.raises(InputError, match="no finite features"):
            logistic(features, np.zeros(len(features), dtype=bool), 1.0)


def test_it_lets_hopeless_images_go() -> None:
    """Half of the images nobody knows: their flat outputs are not worth going on for, sure as no exit is of them."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=2000)
    hopeless = rng.random(2000) < 0.5
    first = rng.normal(size=(2000, 3)) * 0.05
    first[~hopeless] += 1.0 * np.eye(3)[rng.integers(3, size=(~hopeless).sum())]
    last = np.where(hopeless[:, None], rng.normal(size=(2000, 3)), 5 * np.eye(3)[labels])
    outputs = ExitOutputs.of([first, last], labels)
    score = fit_learnt(outputs).score([softmax(outputs.logits[0])])
    assert score[hopeless].mean() > score[~hopeless].mean() + 0.2


def test_refused(made: Made) -> None:
    with pytest.raises(UsageError, match="1 exits"):
        fit_learnt(made(exits=1))
    with pytest.raises(UsageError, match="penalty=0"):
        fit_learnt(made(), penalty=0)
    learnt = fit_learnt(made(exits=2))
    history = [np.full((2, 5), 0.2)] * 3
    assert learnt.score(history[:2]).tolist() == [1, 1]
    with pytest.raises(UsageError, match="exit 3 of a policy that was fitted on 2"):
        learnt.score(history)


def test_plain_data(made: Made) -> None:
    learnt = fit_learnt(made())
    assert Learnt.from_dict(learnt.to_dict()) == learnt
