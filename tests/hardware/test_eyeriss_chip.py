"""The model of the Eyeriss chip: against the measured tables, against hand counts, and where it must refuse."""

from __future__ import annotations

import dataclasses
import random

import pytest
from published import alexnet, convolution

from steelyard.errors import InputError, UsageError
from steelyard.hardware.compression import run_length_ratio
from steelyard.hardware.eyeriss_chip import EYERISS, ChipMapping, run

ONE = ChipMapping(m=1, n=1, e=1, p=1, q=1, r=1, t=1)
CONV4 = ChipMapping(64, 4, 13, 16, 3, 2, 2)


def test_counts_of_one_pass_by_hand() -> None:
    """3x3 filter over 5x5, one channel, one filter: three strips of one row, three input rows each."""
    nest = convolution(n=1, c=1, m=1, h=5, r=3, stride=1, pad=0)
    ours = run(nest, ONE)
    assert ours.active_pes == 3
    assert ours.buffer_words == {"I": 3 * 3 * 5, "W": 0, "O": 2 * 9}
    assert ours.dram_words == {"I": 3 * 3 * 5, "W": 3 * 9, "O": 9}
    # load 9 weights at 4, fill 3 rows x 3 columns, 3 columns x 3 taps, one sum in and one out
    assert ours.cycles == 3 * (3 + 9 + 9 + 2)


def test_a_pass_bound_by_partial_sums() -> None:
    """1x1 filters, one channel: each operation needs a sum in, and four a cycle can pass."""
    nest = convolution(n=1, c=1, m=24, h=8, r=1, stride=1, pad=0)
    ours = run(nest, dataclasses.replace(ONE, m=24, e=8, p=24))
    assert ours.cycles == 6 + 8 + 8 * 8 * 24 // 4


def test_padding_is_not_fetched_from_dram() -> None:
    nest = convolution(n=1, c=1, m=1, h=3, r=3, stride=1, pad=1)
    ours = run(nest, dataclasses.replace(ONE, e=3))
    assert ours.buffer_words["I"] == 25
    assert ours.dram_words["I"] == pytest.approx(9)


def test_tiles_are_processed_as_maps_of_their_own() -> None:
    nest = convolution(n=1, c=1, m=1, h=8, r=3, stride=1, pad=1)
    whole = run(nest, dataclasses.replace(ONE, e=4))
    tiled = run(nest, dataclasses.replace(ONE, e=4, width=4, height=4))
    assert whole.buffer_words["I"] == 2 * 6 * 10
    assert tiled.buffer_words["I"] == 4 * 6 * 6
    assert tiled.dram_words["W"] == 2 * whole.dram_words["W"]
    assert tiled.buffer_words["O"] == whole.buffer_words["O"]


@pytest.mark.parametrize("zeros", [0.0, 0.3, 0.7, 0.95, 1.0])
def test_run_length_ratio_is_that_of_coded_random_data(zeros: float) -> None:
    source = random.Random(0)
    values = [0 if source.random() < zeros else 1 for _ in range(200_000)]
    pairs = run_length = 0
    for value in values:
        if value or run_length == 31:
            pairs, run_length = pairs + 1, 0
        else:
            run_length += 1
    assert run_length_ratio(1 - zeros) == pytest.approx(pairs / 3 * 4 / len(values), rel=0.02)


def test_the_chip_holds_the_published_sets() -> None:
    """JSSC 2017, section IV: 11x7 twice, 5x27 folded into two, 3x13 four times."""
    assert EYERISS.sets(11, 7) == 2
    assert EYERISS.sets(5, 27) == 1
    assert EYERISS.sets(3, 13) == 4
    assert EYERISS.sets(13, 1) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t": 4}, "needs 8 PE sets"),
        ({"q": 5}, "words of weights in a PE"),
        ({"p": 8, "q": 5}, "words of inputs in a PE"),
        ({"p": 25, "q": 1}, "partial sums in a PE"),
        ({"m": 16}, "filters in a pass"),
        ({"m": 96}, "words in the buffer"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(alexnet("4", 4), dataclasses.replace(CONV4, **change))


def test_senseless_numbers_are_named() -> None:
    with pytest.raises(UsageError, match="p=0"):
        run(alexnet("4", 4), dataclasses.replace(CONV4, p=0))
    with pytest.raises(UsageError, match="zeros=1"):
        run(alexnet("4", 4), CONV4, input_zeros=1.5)
    with pytest.raises(InputError, match="PE sets"):
        run(convolution(1, 1, 1, 13, 13, 1, 0), ONE)
