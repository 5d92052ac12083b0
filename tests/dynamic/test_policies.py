"""Policies: their scores by definition, and the same stage by stage as on whole arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import entropy

from steelyard.dynamic.exit_outputs import ExitOutputs, softmax
from steelyard.dynamic.learnt import fit_learnt
from steelyard.dynamic.policies import PLAIN, Policy, named_policy, scores
from steelyard.dynamic.thresholds import Thresholds, scored
from steelyard.errors import InputError, UnknownNameError, UsageError

Made = Callable[..., ExitOutputs]
NAMES = (*PLAIN, "learnt")


def policy(name: str, outputs: ExitOutputs) -> Policy:
    return fit_learnt(outputs) if name == "learnt" else named_policy(name)


def test_by_definition() -> None:
    shares = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    assert named_policy("confidence").score([shares]) == pytest.approx([0.7, 1, 1 / 3])
    assert named_policy("margin").score([shares]) == pytest.approx([0.5, 1, 0])
    theirs = 1 - entropy(shares, base=3, axis=1)
    assert named_policy("entropy").score([shares]) == pytest.approx(theirs)


def test_patience_counts_agreeing_exits_in_a_row() -> None:
    chosen = [[0, 0, 1], [1, 0, 0], [1, 0, 1], [1, 0, 1]]
    history = [softmax(9 * np.eye(2)[row]) for row in chosen]
    counts = [np.floor(row) for row in scores(named_policy("patience"), history)]
    assert [row.tolist() for row in counts] == [[1, 1, 1], [1, 2, 1], [2, 3, 1], [3, 4, 2]]


def test_whole_thresholds_are_patience(made: Made) -> None:
    outputs = made(exits=6, samples=300)
    ends = Thresholds(named_policy("patience"), (3.0,) * 5).decide(outputs)
    chosen = outputs.logits.argmax(-1)
    for sample in range(outputs.samples):
        run, end = 1, 0
        for end in range(1, 6):
            run = run + 1 if chosen[end, sample] == chosen[end - 1, sample] else 1
            if run == 3:
                break
        assert ends[sample] == end


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("temperatures", [(), (0.7, 1.1, 2.0, 1.3)])
def test_stage_by_stage_is_as_on_whole_arrays(
    name: str, temperatures: tuple[float, ...], made: Made
) -> None:
    outputs = made()
    chosen = policy(name, made(seed=1))
    values = np.median(scored(chosen, outputs, temperatures)[:-1], axis=1)
    thresholds = Thresholds(chosen, tuple(values), temperatures)
    whole = thresholds.decide(outputs)
    for batch in (1, 7, 400):
        ends = np.full(outputs.samples, -1)
        for start in range(0, outputs.samples, batch):
            left = np.arange(start, min(start + batch, outputs.samples))
            history: list[np.ndarray] = []
            for stage in range(thresholds.exits):
                logits = outputs.logits[stage, left].astype(np.float64)
                history.append(thresholds.probabilities(stage, logits))
                leaving = thresholds.leaves(history)
                ends[left[leaving]] = stage
                left = left[~leaving]
                history = [one[~leaving] for one in history]
        assert (ends == whole).all()
    assert len(set(whole.tolist())) == 4
    alone = [stopped(thresholds, outputs, sample) for sample in range(outputs.samples)]
    assert alone == whole.tolist()


def stopped(thresholds: Thresholds, outputs: ExitOutputs, sample: int) -> int:
    """Where one image leaves by itself."""
    said = [one[sample : sample + 1] for one in outputs.logits]
    return next(stage for stage in range(thresholds.exits) if thresholds.stops(said[: stage + 1]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("heat", [1.0, 1e-3])
def test_one_image_at_its_very_scores_is_as_on_whole_arrays(
    name: str, heat: float, made: Made
) -> None:
    outputs = made(exits=3, samples=60, classes=10)
    chosen = policy(name, made(exits=3, seed=1))
    temperatures = (1.3 * heat, heat, 1.0)
    exact = scored(chosen, outputs, temperatures)[:-1]
    below, above = np.nextafter(exact, -np.inf), np.nextafter(exact, np.inf)
    for edge in (exact, below, above, exact - 1e-9, exact + 1e-9):
        for sample in range(outputs.samples):
            thresholds = Thresholds(chosen, tuple(edge[:, sample]), temperatures)
            whole = thresholds.decide(outputs.rows(slice(sample, sample + 1)))
            assert stopped(thresholds, outputs, sample) == whole[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("classes", [1, 3, 300])
def test_one_image_without_numbers_is_refused(
    name: str, bad: float, classes: int, made: Made
) -> None:
    thresholds = Thresholds(policy(name, made(exits=2, seed=1)), (0.5,))
    fine = np.zeros((1, classes), dtype=np.float32)
    for at in {0, classes - 1}:
        logits = fine.copy()
        logits[0, at] = bad
        for said in ([logits], [fine, logits]):
            with pytest.raises(InputError, match=f"logits of exit {len(said)} are not finite"):
                thresholds.stops(said)
    with pytest.raises(UsageError, match="exit 3 of 2"):
        thresholds.stops([fine] * 3)
    with pytest.raises(UsageError, match="0 exits"):
        thresholds.stops([])


@pytest.mark.parametrize("name", NAMES)
def test_surer_is_more_often_right(name: str, made: Made) -> None:
    outputs = made(samples=4000)
    found = scored(policy(name, made(seed=1, samples=2000)), outputs)
    for stage in range(3):
        sure = found[stage] >= np.median(found[stage])
        right = outputs.correct[stage]
        assert right[sure].mean() > right[~sure].mean() + 0.05


@pytest.mark.parametrize("name", NAMES)
def test_no_image_is_left(name: str, made: Made) -> None:
    thresholds = Thresholds(policy(name, made()), (0.5,) * 3)
    history = [thresholds.probabilities(i, np.zeros((0, 5))) for i in range(4)]
    assert [len(thresholds.leaves(history[: i + 1])) for i in range(4)] == [0, 0, 0, 0]


def test_one_class() -> None:
    shares = np.ones((3, 1))
    for name in PLAIN:
        assert np.isfinite(named_policy(name).score([shares, shares])).all()


def test_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match="no policy is named 'confidense'"):
        named_policy("confidense")
