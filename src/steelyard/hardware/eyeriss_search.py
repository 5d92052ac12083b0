"""`best_chip_mapping`: the mapping that the Eyeriss chip should use for a layer, by rules alone.

Every mapping that fits the chip is tried; the one with the least energy times delay wins. Energy is that of the
row-stationary study: 200 for a word from DRAM (maps not compressed), 6 for one from the buffer; what happens in
the array costs much the same under all of them. Rules beside the sizes: sets of filters divide the filters held
and these the layer's filters, images held divide the batch, and inputs and partial sums do not share a bank of
the buffer.

With these rules the optimum is the published mapping of AlexNet's conv1, conv4 and conv5, and for conv3 that of
conv4, which is what the measured accesses say, see docs/reference/hardware-validation.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from steelyard.errors import InputError
from steelyard.hardware.eyeriss_chip import EYERISS, Chip, ChipMapping, ChipRun, run
from steelyard.hardware.study import COSTS, Shape
from steelyard.workload.loopnest import LoopNest

BANKS, BANK_WORDS = 25, 2048
"""Of the global buffer: 25 banks of 512 x 64 bits (JSSC 2017, section V)."""


def chip_mappings(nest: LoopNest, chip: Chip = EYERISS) -> Iterator[ChipMapping]:
    """Every mapping of a layer that obeys the rules.

    Raises:
        InputError: the study has no such layer.
    """
    s = Shape.of(nest)
    for e in range(1, s.P + 1):
        sets = chip.sets(s.R, e)
        held = [
            (n, m, BANKS - _banks(n * m * s.Q * e)) for n in _divisors(s.N) for m in _divisors(s.M)
        ]
        held = [(n, m, left) for n, m, left in held if left > 0]
        for r in range(1, sets + 1):
            for q in range(1, min(chip.input_pad // s.S, s.C // r) + 1):
                strip = q * r * s.rows(e) * s.columns(s.Q)
                most = min(chip.sum_pad, chip.filter_pad // (q * s.S))
                fitting = [(n, m) for n, m, left in held if _banks(n * strip) <= left]
                yield from (
                    ChipMapping(m, n, e, p, q, r, t)
                    for t in range(1, sets // r + 1)
                    for p in range(1, most + 1)
                    for n, m in fitting
                    if m % (p * t) == 0
                )


def best_chip_mapping(nest: LoopNest, chip: Chip = EYERISS) -> tuple[ChipMapping, ChipRun]:
    """The mapping with the least energy times delay, and what it costs with plain maps.

    Raises:
        InputError: no 2-d convolution, or none fits.
    """
    best: tuple[float, ChipMapping, ChipRun] | None = None
    for mapping in chip_mappings(nest, chip):
        ours = run(nest, mapping, chip=chip)
        value = energy(ours) * ours.cycles
        if best is None or value < best[0]:
            best = value, mapping, ours
    if best is None:
        raise InputError(
            f"no row-stationary mapping of {nest} fits the chip", expected="smaller maps or filters"
        )
    return best[1:]


def energy(ours: ChipRun) -> float:
    """Of DRAM and buffer accesses, in MACs."""
    dram, buffer = sum(ours.dram_words.values()), sum(ours.buffer_words.values())
    return COSTS["dram"] * dram + COSTS["buffer"] * buffer


def _banks(words: int) -> int:
    return -(-words // BANK_WORDS)


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]
