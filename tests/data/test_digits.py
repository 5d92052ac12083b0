"""The digits that come with steelyard are scikit-learn's, and both parts have their share of every class."""

import numpy
import pytest
from numpy.testing import assert_array_equal

from steelyard.data.conformance import DatasetContract
from steelyard.data.dataset import ArrayDataset, Dataset
from steelyard.data.registry import data_info, load_data
from steelyard.data.split import split_order
from steelyard.errors import UsageError


class TestDigits(DatasetContract):
    def load(self, split: str) -> Dataset:
        return load_data("digits", split)


def digits(split: str) -> ArrayDataset:
    found = load_data("digits", split)
    assert isinstance(found, ArrayDataset)
    return found


def test_the_images_and_labels_are_those_of_scikit_learn() -> None:
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    keys = [f"digits {index}".encode() for index in range(1797)]
    order = split_order(keys, theirs.target.tolist())
    train, test = numpy.sort(order[:1437]), numpy.sort(order[1437:])
    for split, chosen in (("train", train), ("test", test)):
        ours = digits(split)
        assert_array_equal(ours.labels.numpy(), theirs.target[chosen])
        assert_array_equal(
            ours.images[:, 0].numpy(), numpy.floor(theirs.images[chosen] * 255 / 16 + 0.5)
        )
    assert_array_equal(numpy.sort(order), numpy.arange(1797))


def test_a_fifth_of_every_class_is_for_testing() -> None:
    train, test = digits("train").labels.bincount(), digits("test").labels.bincount()
    assert (int(train.sum()), int(test.sum())) == (1437, 360)
    assert ((test - (train + test) / 5).abs() <= 1).all()


def test_the_statistics_are_those_of_the_training_part() -> None:
    pixels, info = digits("train").images.double() / 255, data_info("digits")
    assert info.mean == (round(pixels.mean().item(), 4),)
    assert info.std == (round(pixels.std(correction=0).item(), 4),)


def test_they_take_no_path() -> None:
    with pytest.raises(UsageError, match="comes with steelyard and takes no path"):
        load_data("digits:/somewhere")
