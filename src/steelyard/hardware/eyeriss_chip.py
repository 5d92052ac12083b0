"""The Eyeriss chip: what a convolution moves, and how long it takes, under a given row-stationary mapping.

Chen, Krishna, Emer, Sze, "Eyeriss: an energy-efficient reconfigurable accelerator for deep convolutional
neural networks", IEEE Journal of Solid-State Circuits 52(1), 2017. The chip works in *passes*: r q
channels of n images' strip of e output rows meet p t filters; partial sums wait in the global buffer
between passes; weights go from DRAM straight to the PEs.

Nothing here is fitted to a measured layer. The cycles of a pass follow from the widths of the chip's
networks (four weights, four partial sums each way, one input a cycle)::

    load the filters
    + fill: the inputs of the first window of every row
    + the longest of  compute + the first column's sums in + the last column's out,
                      all partial sums over their network,
                      all further inputs over theirs

Passes at an edge (the last channels, filters or images) are counted full; the last strip is counted with
the rows that it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from steelyard.errors import InputError, UsageError
from steelyard.hardware.compression import run_length_ratio
from steelyard.hardware.device import Operand
from steelyard.hardware.study import Shape
from steelyard.workload.loopnest import LoopNest

WORD_BYTES = 2


@dataclass(frozen=True, slots=True)
class Chip:
    """What the model needs to know of the chip; sizes in 16-bit words, networks in words a cycle."""

    rows: int = 12
    columns: int = 14
    buffer: int = 51_200
    filter_pad: int = 224
    input_pad: int = 12
    sum_pad: int = 24
    filters_a_cycle: int = 4
    sums_a_cycle: int = 4
    inputs_a_cycle: int = 1
    clock_hz: float = 200e6

    def sets(self, filter_rows: int, strip_rows: int) -> int:
        """How many sets of PEs (filter rows x strip rows) the array holds; a wide set is folded."""
        bands = self.rows // filter_rows
        if strip_rows <= self.columns:
            return bands * (self.columns // strip_rows)
        return bands // -(-strip_rows // self.columns)


EYERISS = Chip()
"""As built: 12 x 14 PEs, 100 kB for inputs and partial sums, 200 MHz (JSSC 2017, section V).

The widths of its networks (64 bits for weights and for partial sums each way, 16 for inputs) and the
run-length code are recalled from sections III and IV, not read again.
"""


@dataclass(frozen=True, slots=True)
class ChipMapping:
    """JSSC 2017, table III.

    Attributes:
        m, n, e: filters, images and output rows whose data the buffer holds.
        p, q: filters and channels interleaved in a PE.
        r, t: sets of PEs with other channels, with other filters.
        width, height: output map is cut into tiles of at most this size, each processed as a map of its
            own; None: not cut.
    """

    m: int
    n: int
    e: int
    p: int
    q: int
    r: int
    t: int
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class ChipRun:
    """What one layer costs on the chip.

    Attributes:
        active_pes: PEs that work in a full pass.
        cycles: of the array, data being in the buffer in time.
        latency_s: the same in seconds.
        buffer_words: accesses of the global buffer by operand, reads and writes.
        dram_words: accesses of DRAM by operand, maps compressed as told.
    """

    active_pes: int
    cycles: int
    latency_s: float
    buffer_words: Mapping[Operand, float]
    dram_words: Mapping[Operand, float]

    @property
    def buffer_bytes(self) -> float:
        """All accesses of the global buffer."""
        return WORD_BYTES * sum(self.buffer_words.values())

    @property
    def dram_bytes(self) -> float:
        """All accesses of DRAM."""
        return WORD_BYTES * sum(self.dram_words.values())


def _squeeze(zeros: float | None) -> float:
    """Compressed over plain size of a map with that fraction of zeros; 1 where it is not compressed."""
    if zeros is None:
        return 1.0
    if not 0 <= zeros <= 1:
        raise UsageError(f"zeros={zeros}", expected="a fraction from 0 to 1")
    return run_length_ratio(1 - zeros)


def run(
    nest: LoopNest,
    mapping: ChipMapping,
    *,
    input_zeros: float | None = None,
    output_zeros: float | None = None,
    chip: Chip = EYERISS,
) -> ChipRun:
    """Counts one convolution.

    Args:
        nest: the layer, batch and groups included.
        mapping: how it is laid over the chip.
        input_zeros, output_zeros: fraction of zeros in the maps, which are compressed in DRAM; None: that
            map is not compressed (the chip leaves the first layer's input plain).
        chip: the chip.

    Raises:
        InputError: no 2-d convolution, or the mapping does not fit the chip; it says where.
        UsageError: a parameter below 1, or zeros outside 0 to 1.
    """
    whole = Shape.of(nest)
    _check(whole, mapping, chip)
    tiles = [
        (rows, columns)
        for rows in _parts(whole.P, mapping.height or whole.P)
        for columns in _parts(whole.Q, mapping.width or whole.Q)
    ]
    strips = [(e, columns) for rows, columns in tiles for e in _parts(rows, mapping.e)]
    s, k = whole, mapping
    images, filters = -(-s.N // k.n), -(-s.M // (k.p * k.t))
    channels = -(-s.C // (k.q * k.r))
    passes = s.G * images * filters * channels
    cycles = passes * sum(_pass_cycles(s, k, e, columns, chip) for e, columns in strips)
    maps = s.N * s.G * s.C * sum(s.rows(e) * s.columns(columns) for e, columns in strips)
    # padding is made on the chip: DRAM holds and delivers the plain map
    plain = maps * nest.H * nest.W / (s.H * s.W)
    squeeze_in, squeeze_out = _squeeze(input_zeros), _squeeze(output_zeros)
    outputs = s.words["O"]
    return ChipRun(
        active_pes=s.R * k.e * k.r * k.t,
        cycles=cycles,
        latency_s=cycles / chip.clock_hz,
        buffer_words={"I": maps * filters, "W": 0, "O": 2 * outputs * channels},
        dram_words={
            "I": plain * -(-s.M // k.m) * squeeze_in,
            "W": s.words["W"] * images * len(strips),
            "O": outputs * squeeze_out,
        },
    )


def _pass_cycles(s: Shape, k: ChipMapping, e: int, columns: int, chip: Chip) -> int:
    rows, filters, channels = s.rows(e), k.p * k.t, k.q * k.r
    load = -(-filters * channels * s.R * s.S // chip.filters_a_cycle)
    fill = -(-rows * channels * s.S // chip.inputs_a_cycle)
    column = -(-e * filters // chip.sums_a_cycle)
    compute = k.n * columns * k.p * k.q * s.S
    sums = k.n * -(-e * filters * columns // chip.sums_a_cycle)
    inputs = k.n * -(-rows * channels * s.columns(columns) // chip.inputs_a_cycle)
    return load + fill + max(compute + 2 * column, sums, inputs - fill)


def _parts(total: int, most: int) -> list[int]:
    """The total in parts of that size, the last one smaller."""
    whole, rest = divmod(total, most)
    return [most] * whole + ([rest] if rest else [])


def _check(s: Shape, k: ChipMapping, chip: Chip) -> None:
    sizes = {name: getattr(k, name) for name in ("m", "n", "e", "p", "q", "r", "t")}
    if bad := [f"{name}={value}" for name, value in sizes.items() if value < 1]:
        raise UsageError("a mapping with " + ", ".join(bad), expected="1 or more")
    width = min(k.width or s.Q, s.Q)
    held = k.n * (k.m * width * k.e + k.q * k.r * s.rows(k.e) * s.columns(width))
    for what, need, have in (
        ("PE sets (r t)", k.r * k.t, chip.sets(s.R, k.e)),
        ("words of weights in a PE (p q S)", k.p * k.q * s.S, chip.filter_pad),
        ("words of inputs in a PE (q S)", k.q * s.S, chip.input_pad),
        ("partial sums in a PE (p)", k.p, chip.sum_pad),
        ("filters in a pass (p t)", k.p * k.t, k.m),
        ("words in the buffer", held, chip.buffer),
    ):
        if need > have:
            raise InputError(f"the mapping needs {need} {what}", expected=f"at most {have}")
