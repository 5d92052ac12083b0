"""The random numbers: the published answers, uniform, and each a function of its coordinates alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.data.draws import Draws, philox, shuffled

PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        # the known answers that Random123 (Salmon et al. 2011) ships for philox4x32, 10 rounds
        ((0,) * 4, (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (*PI, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
    ],
)
def test_philox_gives_the_published_answers(
    counter: tuple[int, ...], key: tuple[int, int], words: tuple[int, ...]
) -> None:
    a, b, c, d = (np.array([word], dtype=np.uint64) for word in counter)
    got = philox((a, b, c, d), key[0] | key[1] << 32)
    assert tuple(int(word[0]) for word in got) == words


@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=9),
    st.integers(0, 99),
    st.integers(1, 9),
)
def test_a_number_is_a_function_of_its_coordinates(
    seed: int, epoch: int, indices: list[int], place: int, count: int
) -> None:
    together = Draws(seed, epoch, np.array(indices), place).uniform(count)
    assert together.shape == (count, len(indices))
    assert (together >= 0).all()
    assert (together < 1).all()
    for column, index in enumerate(indices):
        alone = Draws(seed, epoch, np.array([index]), place)
        assert (alone.uniform(count)[:, 0] == together[:, column]).all()
        # what is passed over is the same as what is not
        assert (alone.uniform(4, skip=4) == alone.uniform(8)[4:]).all()


def chi_square(counts: np.ndarray) -> float:
    """In deviations from what is expected of uniform counts."""
    expected = counts.sum() / counts.size
    freedom = counts.size - 1
    return float((((counts - expected) ** 2 / expected).sum() - freedom) / (2 * freedom) ** 0.5)


@pytest.mark.parametrize("axis", ["index", "epoch", "place", "seed", "number"])
def test_numbers_are_uniform_and_neighbours_independent(axis: str) -> None:
    n = 2**14
    if axis == "index":
        values = Draws(1, 2, np.arange(n), 3).uniform(1)[0]
    elif axis == "number":
        values = Draws(1, 2, np.array([5]), 3).uniform(n)[:, 0]
    else:
        values = np.array(
            [
                Draws(**{"seed": 1, "epoch": 2, "place": 3} | {axis: k}, indices=np.array([5]))
                .uniform(1)
                .item()
                for k in range(n // 8)
            ]
        )
    assert abs(chi_square(np.histogram(values, 64, (0, 1))[0])) < 4
    pairs = np.histogram2d(values[::2], values[1::2], 8, ((0, 1), (0, 1)))[0]
    assert abs(chi_square(pairs)) < 4


@given(st.integers(0, 300), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
def test_an_order_holds_every_sample_once(count: int, seed: int, epoch: int) -> None:
    assert sorted(shuffled(count, seed, epoch)) == list(range(count))


def test_orders_of_four_are_equally_likely() -> None:
    orders = [tuple(shuffled(4, 7, epoch).tolist()) for epoch in range(2400)]
    counts = np.array([orders.count(order) for order in set(orders)])
    assert len(counts) == 24
    assert abs(chi_square(counts)) < 4
