"""How much smaller sparse data are in memory: run lengths and bit masks, exactly and on average.

Run lengths as in the Eyeriss chip (Chen et al., JSSC 52 (1), 2017, fig. 8): a 5-bit run of zeros and the
16-bit value after it, three such pairs and one bit more in a 64-bit word; 32 zeros in a row take a pair whose
value is zero. CSC as in Eyeriss v2 (JETCAS 9 (2), 2019, sec. IV-B): a 4-bit run before each value, packed without
gaps; the address of each column is left out, as its share depends on the tile. Bit mask: one bit an element, and the
elements that are not zero.

Averages are over elements that are zero or not independently of each other. Real maps have their zeros in
clumps; every 32 zeros of a long run take a pair of their own, so real maps take a little more. Count those with
`run_length_pairs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isfinite, log
from typing import Any

import numpy as np

from steelyard.errors import UsageError
from steelyard.hardware.zero_means import SCHEMES, Scheme


@dataclass(frozen=True, slots=True)
class RunLength:
    """Sizes of the run-length code.

    Attributes:
        run_bits: of the count of zeros before a value.
        word_bits: of the memory's words, each filled with whole pairs.
    """

    run_bits: int = 5
    word_bits: int = 64

    def pairs_per_word(self, bits: int) -> int:
        """Pairs of run and value in a word that has one bit to spare for the end of the stream.

        >>> RunLength().pairs_per_word(16)
        3

        Raises:
            UsageError: not one pair fits.
        """
        pairs = (self.word_bits - 1) // (self.run_bits + bits)
        if pairs < 1:
            raise UsageError(
                f"a {self.run_bits}-bit run and a {bits}-bit value in a word of {self.word_bits} bits",
                expected="a wider word",
            )
        return pairs


EYERISS = RunLength()
CSC_RUN_BITS = 4


def run_length_pairs(values: Any, *, code: RunLength = EYERISS) -> int:
    """Pairs that an array takes, in its own order; zeros at the end take a pair as well.

    >>> run_length_pairs([0, 0, 7, 5] + [0] * 33)  # (2, 7) (0, 5) (31, 0) (0, 0)
    4
    """
    flat = np.asarray(values).reshape(-1)
    if not flat.size:
        return 0
    # zeros before each value, and after the last one
    stops = np.flatnonzero(flat)
    runs = np.diff(stops, prepend=-1) - 1
    tail = flat.size - 1 - (int(stops[-1]) if stops.size else -1)
    block = 2**code.run_bits
    return int(stops.size + (runs // block).sum() + ceil(tail / block))


def run_length_encode(values: Any, *, code: RunLength = EYERISS) -> list[tuple[int, float]]:
    """The pairs (zeros before, value) themselves."""
    longest = 2**code.run_bits - 1
    pairs: list[tuple[int, float]] = []
    run = 0
    for value in np.asarray(values).reshape(-1).tolist():
        if value == 0 and run < longest:
            run += 1
        else:
            pairs.append((run, value))
            run = 0
    if run:
        pairs.append((run - 1, 0))
    return pairs


def run_length_decode(pairs: list[tuple[int, float]]) -> list[float]:
    """The values that pairs stand for."""
    return [number for run, value in pairs for number in [0] * run + [value]]


def mean_run_length_pairs(elements: int, density: float, *, code: RunLength = EYERISS) -> float:
    """Pairs that so many elements take on average, exactly.

    A pair ends at every value, and at every zero that makes its run a multiple of B = 2**run_bits; what is left
    at the end takes one more. With q = 1 - density, the i-th element ends a run of a zeros with probability
    density q**a where i > a, and q**a where i = a. Summed over all positions:

        n density + sum over j of q**(B j) (1 + (n - B j) density) + (chance of an unfinished run at the end)

    Args:
        elements: n.
        density: chance of an element not to be zero.
        code: the sizes of the code.

    Raises:
        UsageError: a negative number of elements, or a density outside 0 to 1.
    """
    if elements < 0:
        raise UsageError(f"{elements} elements", expected="at least 0")
    zero = 1 - _share(density)
    if elements == 0 or zero == 0:
        return float(elements)
    block = 2**code.run_bits
    # powers below the smallest double add nothing
    reach = (
        elements // block if zero == 1 else min(elements // block, ceil(800 / -log(zero) / block))
    )
    ends = np.arange(1, reach + 1, dtype=np.float64) * block
    full = float(np.sum(zero**ends * (1 + (elements - ends) * density)))
    return elements * density + full + _unfinished(elements, density, block)


def _unfinished(elements: int, density: float, block: int) -> float:
    """Chance that the last element is a zero whose run is no multiple of the block."""
    zero = 1 - density
    rest = elements % block
    if zero == 1:
        return 1.0 if rest else 0.0
    # runs of 1 .. elements - 1 that a value stands before: density zero**a; less those of whole blocks
    last = elements - 1
    runs = zero - zero ** (last + 1)
    blocks = last // block
    step = zero**block
    full = density * step * (1 - step**blocks) / (1 - step) if blocks else 0.0
    return runs - full + (zero**elements if rest else 0.0)


def run_length_ratio(density: float, *, bits: int = 16, code: RunLength = EYERISS) -> float:
    """Compressed size over plain size of a long stream.

    A pair stands for (1 - q**B) / density elements on average, q = 1 - density, B = 2**run_bits.

    >>> run_length_ratio(1.0), round(1 / run_length_ratio(0.25), 2)  # 64 bits for 3 x 16; zeros three in four
    (1.3333333333333333, 3.0)
    """
    density = _share(density)
    block = 2**code.run_bits
    each = (1 - (1 - density) ** block) / density if density * block > 1e-9 else block
    plain: float = bits * each
    return code.word_bits / code.pairs_per_word(bits) / plain


def csc_ratio(density: float, *, bits: int = 8) -> float:
    """Compressed size over plain size of a long stream of values, each with the run of zeros before it.

    >>> csc_ratio(1.0), csc_ratio(0.0)  # dense: 4 bits more for each 8; a pair stands for 16 zeros
    (1.5, 0.09375)
    """
    code = RunLength(run_bits=CSC_RUN_BITS, word_bits=CSC_RUN_BITS + bits + 1)
    # one pair a word, of which the end-of-stream bit is no part
    pair = CSC_RUN_BITS + bits
    return run_length_ratio(density, bits=bits, code=code) * pair / code.word_bits


def bitmask_ratio(density: float, *, bits: int = 16) -> float:
    """Compressed size over plain size: density + 1 / bits; exact for the density that the data have.

    >>> bitmask_ratio(0.5)
    0.5625
    """
    return _share(density) + 1 / bits


def stored_ratio(scheme: Scheme, density: float, *, bits: int = 16) -> float:
    """Size in memory over plain size; what would grow is stored plain, so never above 1.

    Raises:
        UsageError: no such scheme.
    """
    ratios: Mapping[str, float] = {
        "none": 1.0,
        "run_length": run_length_ratio(density, bits=bits),
        "csc": csc_ratio(density, bits=bits),
        "bitmask": bitmask_ratio(density, bits=bits),
    }
    if scheme not in ratios:
        raise UsageError(f"compression {scheme!r}", expected="one of " + ", ".join(SCHEMES))
    return min(1.0, ratios[scheme])


def _share(density: float) -> float:
    if not isfinite(density) or not 0 <= density <= 1:
        raise UsageError(f"a density of {density!r}", expected="a number from 0 to 1")
    return density
