"""Every figure of an evaluation beside scikit-learn's or SciPy's, ties, shards in any order, and mistakes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn import metrics

from steelyard.errors import InputError, ShapeError, UnknownNameError
from steelyard.report import render
from steelyard.train.evaluation import About, Evaluation, OutputScore, merge, wilson
from steelyard.train.scores import join, score

CLASSES = tuple("abcdefgh")


def batch(samples: int = 500, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 7, (samples,), generator=rng)  # nothing of class h
    logits = torch.randn(samples, 8, generator=rng) * 2
    logits[torch.arange(samples), labels] += 1.5
    logits[:, 6] -= 25  # never predicted
    return logits, labels


def output(samples: int = 500) -> OutputScore:
    logits, labels = batch(samples)
    return OutputScore("", CLASSES, score(logits, labels, torch.arange(samples)))


def test_accuracies_beside_scikit_learn() -> None:
    logits, labels = batch()
    ours, true, chosen = output(), labels.numpy(), logits.argmax(1).numpy()
    assert ours.top1 == pytest.approx(100 * metrics.accuracy_score(true, chosen))
    for k in (1, 2, 5):
        theirs = metrics.top_k_accuracy_score(true, logits.numpy(), k=k, labels=range(8))
        assert ours.top(k) == pytest.approx(100 * theirs)
    assert ours.mean_recall == pytest.approx(
        100 * metrics.recall_score(true, chosen, labels=range(7), average="macro")
    )
    matrix = metrics.confusion_matrix(true, chosen, labels=range(8))
    np.testing.assert_array_equal(ours.confusion.numpy(), matrix)


def test_loss_beside_scikit_learn() -> None:
    logits, labels = batch()
    theirs = metrics.log_loss(labels, logits.double().softmax(1), labels=range(8))
    assert output().loss == pytest.approx(theirs, rel=1e-12)


def test_classes_beside_scikit_learn() -> None:
    logits, labels = batch()
    report = metrics.classification_report(
        labels, logits.argmax(1), labels=range(8), target_names=CLASSES, output_dict=True,
        zero_division=np.nan,
    )  # fmt: skip
    for one in output().per_class:
        theirs = report[one.name]
        assert one.samples == theirs["support"]
        for ours, key in ((one.recall, "recall"), (one.precision, "precision")):
            assert (
                np.isnan(theirs[key]) if ours is None else ours == pytest.approx(100 * theirs[key])
            )
    assert output().per_class[7].recall is None
    assert output().per_class[6].precision is None


@pytest.mark.parametrize(("correct", "samples"), [(0, 7), (7, 7), (1, 1), (9251, 10_000), (3, 360)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_interval_beside_scipy(correct: int, samples: int, level: float) -> None:
    theirs = binomtest(correct, samples).proportion_ci(level, method="wilson")
    assert wilson(correct, samples, level=level) == pytest.approx(tuple(theirs), abs=1e-12)


def test_errors_are_what_is_left_to_100_percent() -> None:
    found = Evaluation(About(), (output(),))
    assert found.top1_error + found.top1 == 100
    assert found.top5_error + found.top5 == 100


def test_of_equal_logits_the_first_class_comes_first() -> None:
    logits = torch.tensor([[1.0, 3.0, 3.0, 0.0], [2.0, 2.0, 2.0, 2.0], [0.0, 1.0, 0.0, 0.0]])
    found = score(logits, torch.tensor([2, 3, 3]), torch.arange(3))
    assert found.predictions.tolist() == [1, 0, 1]
    assert found.ranks.tolist() == [1, 3, 3]
    assert found.tied.tolist() == [True, True, False]
    ties = Evaluation(About(), (OutputScore("", tuple("abcd"), found),))
    assert ties.notes == (
        "2 samples have several largest logits; of equal logits the class with the lower number comes first",
    )


def test_a_network_that_says_the_same_of_everything_is_right_by_chance() -> None:
    labels = torch.arange(80) % 8
    found = OutputScore("", CLASSES, score(torch.zeros(80, 8), labels, torch.arange(80)))
    assert [found.top(k) for k in (1, 5, 8)] == [12.5, 62.5, 100]
    assert found.loss == pytest.approx(np.log(8))


def test_shards_in_any_order_are_the_whole_to_the_last_bit() -> None:
    logits, labels = batch()
    whole = Evaluation(About("net"), (output(),))
    for parts, seed in ((2, 0), (7, 1), (500, 2)):
        order = torch.randperm(500, generator=torch.Generator().manual_seed(seed))
        shards = [
            Evaluation(About("net"), (OutputScore("", CLASSES, score(logits[i], labels[i], i)),))
            for i in order.chunk(parts)
        ]
        assert merge(shards).to_dict() == whole.to_dict()


def test_a_sample_twice_and_shards_of_other_networks_are_refused() -> None:
    logits, labels = batch(10)
    one = score(logits, labels, torch.arange(10))
    with pytest.raises(InputError, match="sample 3 was scored twice"):
        join([one, score(logits[:1], labels[:1], torch.tensor([3]))])
    shard = OutputScore("", CLASSES, one)
    with pytest.raises(InputError, match="different networks"):
        merge([Evaluation(About("a"), (shard,)), Evaluation(About("b"), (shard,))])
    with pytest.raises(InputError, match="no evaluations"):
        merge([])


@pytest.mark.parametrize(
    ("value", "says"),
    [(float("nan"), "sample 41 are NaN"), (float("inf"), "sample 41 are infinite")],
)
def test_logits_that_are_no_numbers_are_refused_by_sample(value: float, says: str) -> None:
    logits, labels = batch(3)
    logits[1, 2] = value
    with pytest.raises(InputError, match=says):
        score(logits, labels, torch.arange(40, 43))


def test_labels_and_shapes_that_do_not_fit() -> None:
    logits, labels = batch(3)
    with pytest.raises(InputError, match="sample 2 has the label 8, and the network 8 outputs"):
        score(logits, torch.tensor([0, 1, 8]), torch.arange(3))
    with pytest.raises(ShapeError, match=r"labels of shape \(2,\)"):
        score(logits, labels[:2], torch.arange(3))
    with pytest.raises(InputError, match="5 of 4"):
        wilson(5, 4)


def test_it_prints_and_its_json_is_plain() -> None:
    found = Evaluation(About("net", data="digits", split="test", samples=600), (output(),))
    text = str(found)
    assert f"net on digits, test: top-1 {found.top1:.2f} %" in text
    assert "500 of the 600 samples were evaluated" in text
    data = json.loads(render.to_json(found))
    assert data == found.to_dict()
    assert sum(row[2] for row in data["outputs"][0]["confusion"]) == 500
    lines = render.to_csv(found).splitlines()
    assert lines[0] == "output,class,samples,correct,predicted,recall,precision"
    assert len(lines) == 9
    assert found.named("") is found.output
    with pytest.raises(UnknownNameError, match="no output is named 'aux'"):
        found.named("aux")


def test_what_is_confused_most() -> None:
    matrix = output().confusion
    first = output().confused(1)[0]
    off = matrix - matrix.diag().diag()
    assert first[2] == int(off.max())
