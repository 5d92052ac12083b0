"""The row-stationary study: what six dataflows move per operation, in closed form.

Chen, Emer, Sze, "Eyeriss: a spatial architecture for energy-efficient dataflow for convolutional neural
networks", ISCA 2016, sections V and VI. A *flow* here is one of RS (row stationary), WS (weight
stationary), OSA, OSB, OSC (output stationary: one output channel and many positions, many and many, many
channels and one position) and NLR (no local reuse). For one layer and a flow's own mapping parameters the
study counts words moved at four levels: DRAM, buffer, array (from PE to PE), register file (rf); with an
energy for each level that gives the energy per operation.

What the study assumes, and these counts with it: the input map is padded and its halo counted as a ratio
(so counts of inputs need not be whole); every output is written to DRAM once and never read back; filling
the buffer from DRAM costs nothing at the buffer; a partial sum moved is one read and one write, at every
level; operands that a PE uses straight from the array cost no register access. Hence these are not the
counts of `steelyard.hardware.evaluate`, which counts every fill.

Parameters, as in the study (its f counts columns and e rows of the output map): n images, m filters, e
rows, f columns whose data the buffer holds; p filters and q channels interleaved in a PE; r channels and t
filters side by side in the array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from steelyard.errors import InputError, UnknownNameError, UsageError
from steelyard.hardware.area import LARGE_UM2, storage_um2
from steelyard.hardware.device import OPERANDS, Operand
from steelyard.workload.loopnest import LoopNest

Parameters = Mapping[str, int]
"""A flow's mapping parameters by name."""

LEVELS = ("dram", "buffer", "array", "rf")
COSTS: Mapping[str, float] = {"dram": 200, "buffer": 6, "array": 2, "rf": 1}
"""Energy of moving one 16-bit word, in multiples of one MAC: ISCA 2016, table IV."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A layer as the study sees it: G equal groups of a convolution over a padded map.

    Attributes:
        N, G: images and groups.
        C, M: channels and filters of one group.
        H, W, P, Q, R, S: padded input, output, filter.
        U, V: stride down and across.
    """

    N: int
    G: int
    C: int
    M: int
    H: int
    W: int
    P: int
    Q: int
    R: int
    S: int
    U: int
    V: int

    @classmethod
    def of(cls, nest: LoopNest) -> Shape:
        """The shape of a 2-d convolution or a linear layer.

        Raises:
            InputError: the layer is 3-d, dilated or transposed, which the study does not know.
        """
        if len(nest.out) > 2 or nest.transposed or set(nest.dilation) != {1}:
            raise InputError(
                f"the row-stationary study has no {nest}",
                expected="a 1-d or 2-d convolution without dilation, or a linear layer",
            )
        (u, v), (down, across) = (1, 1), ((0, 0), (0, 0))
        if len(nest.out) == 2:
            (u, v), (down, across) = nest.stride, nest.padding
        else:
            (v,), (across,) = nest.stride, nest.padding
        return cls(
            nest.N, nest.G, nest.C // nest.G, nest.M // nest.G, nest.H + sum(down),
            nest.W + sum(across), nest.P, nest.Q, nest.R, nest.S, u, v,
        )  # fmt: skip

    @property
    def words(self) -> Mapping[Operand, int]:
        """Elements of each operand, the inputs padded."""
        return {
            "I": self.N * self.G * self.C * self.H * self.W,
            "W": self.G * self.M * self.C * self.R * self.S,
            "O": self.N * self.G * self.M * self.P * self.Q,
        }

    @property
    def macs(self) -> int:
        """Operations."""
        return self.words["O"] * self.C * self.R * self.S

    def rows(self, e: int) -> int:
        """Input rows that e output rows need."""
        return self.U * e + self.R - self.U

    def columns(self, f: int) -> int:
        """Input columns that f output columns need."""
        return self.V * f + self.S - self.V

    def halo_down(self, e: int) -> float:
        """How much more is read when the map is read in strips of e output rows."""
        return self.P / self.H * self.rows(e) / e

    def halo_across(self, f: int) -> float:
        """How much more is read when the map is read in strips of f output columns."""
        return self.Q / self.W * self.columns(f) / f


@dataclass(frozen=True, slots=True)
class Traffic:
    """Words moved for one layer.

    Attributes:
        words: level -> operand -> words.
        macs: operations.
        active_pes: PEs that work.
    """

    words: Mapping[str, Mapping[Operand, float]]
    macs: int
    active_pes: int

    def energy(self, level: str, costs: Mapping[str, float] = COSTS) -> float:
        """Per operation, in MACs, at one level."""
        return costs[level] * sum(self.words[level].values()) / self.macs

    def operand_energy(self, operand: Operand, costs: Mapping[str, float] = COSTS) -> float:
        """Per operation, in MACs, of one operand over all levels."""
        return sum(costs[level] * self.words[level][operand] for level in LEVELS) / self.macs

    def total(self, costs: Mapping[str, float] = COSTS) -> float:
        """Per operation, in MACs, with the operation itself."""
        return 1 + sum(self.energy(level, costs) for level in LEVELS)


@dataclass(frozen=True, slots=True)
class Storage:
    """What a flow may fill: PEs, and words of 16 bits.

    Attributes:
        pes: processing elements.
        buffer: words of the global buffer.
        rf: words of each PE's register file.
    """

    pes: int
    buffer: int
    rf: int


@dataclass(frozen=True, slots=True)
class Flow:
    """One dataflow of the study.

    Attributes:
        name: RS, WS, OSA, OSB, OSC or NLR.
        title: in words.
        parameters: names of its mapping parameters.
        count: words at each level, and active PEs.
        needs: PEs, buffer words and register words that a mapping takes.
        rf_bytes: register file of a PE in the study.
    """

    name: str
    title: str
    parameters: tuple[str, ...]
    count: Callable[[Shape, Parameters], Traffic]
    needs: Callable[[Shape, Parameters], Storage]
    rf_bytes: int

    def fits(self, shape: Shape, p: Parameters, storage: Storage) -> bool:
        """True if the mapping stays within the storage."""
        need = self.needs(shape, p)
        return need.pes <= storage.pes and need.buffer <= storage.buffer and need.rf <= storage.rf


def flow(name: str) -> Flow:
    """The dataflow of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in FLOWS:
        raise UnknownNameError("dataflow of the study", name, FLOWS, hint=", ".join(FLOWS))
    return FLOWS[name]


def traffic(name: str, nest: LoopNest, parameters: Parameters) -> Traffic:
    """Words that a layer moves under a dataflow with given mapping parameters.

    Raises:
        UnknownNameError: no such dataflow.
        UsageError: a parameter is missing or below 1.
        InputError: the study has no such layer.
    """
    which = flow(name)
    for parameter in which.parameters:
        if parameters.get(parameter, 0) < 1:
            raise UsageError(
                f"{name}: {parameter}={parameters.get(parameter)}",
                expected="1 or more for each of " + ", ".join(which.parameters),
            )
    return which.count(Shape.of(nest), parameters)


def _traffic(s: Shape, pes: int, dram: _Row, buffer: _Row, array: _Row, rf: _Row) -> Traffic:
    """Each row: how often an input, a weight is moved, an output is moved."""
    words: dict[str, Mapping[Operand, float]] = {}
    for level, row in zip(LEVELS, (dram, buffer, array, rf), strict=True):
        words[level] = {o: s.words[o] * times for o, times in zip(OPERANDS, row, strict=True)}
    return Traffic(words, s.macs, pes)


_Row = tuple[float, float, float]


def _rounds(total: int, at_once: int) -> int:
    # no math.ceil: the search hands in arrays
    return -(-total // at_once)


def _uses(s: Shape) -> float:
    """How often a PE uses one input: by how many outputs of how many filters."""
    return s.M * s.R * s.S * (s.P / s.H) * (s.Q / s.W)


def _rs(s: Shape, p: Parameters) -> Traffic:
    cq, cqr = _rounds(s.C, p["q"]), _rounds(s.C, p["q"] * p["r"])
    across, images = s.halo_across(p["f"]), _rounds(s.N, p["n"])
    return _traffic(
        s,
        s.R * p["f"] * p["r"] * p["t"],
        (_rounds(s.M, p["m"]) * across, images * _rounds(s.Q, p["f"]), 1),
        (_rounds(s.M, p["p"] * p["t"]) * across, 0, 2 * (cqr - 1)),
        (_rounds(s.M, p["p"]) * s.S * s.Q / s.W, images * s.Q, 2 * (cq * s.S - cqr)),
        (_uses(s), s.N * s.P * s.Q, 2 * (s.C * s.R * s.S - cq * s.S)),
    )


def _rs_needs(s: Shape, p: Parameters) -> Storage:
    maps = p["m"] * s.P * p["f"] + p["q"] * p["r"] * s.H * s.columns(p["f"])
    rf = p["p"] * p["q"] * s.R + p["q"] * s.R + p["p"]
    return Storage(s.R * p["f"] * p["r"] * p["t"], p["n"] * maps, rf)


def _ws(s: Shape, p: Parameters) -> Traffic:
    strips = s.R * _rounds(s.C, p["r"])
    return _traffic(
        s,
        s.R * s.S * p["r"] * p["t"],
        (_rounds(s.M, p["t"]) * s.halo_across(p["f"]), 1, 1),
        (0, 0, 2 * (strips - 1)),
        (_uses(s), 0, 2 * (s.C * s.R * s.S - strips)),
        (0, s.N * s.P * s.Q, 0),
    )


def _ws_needs(s: Shape, p: Parameters) -> Storage:
    waiting = p["r"] * p["t"] * (s.columns(p["f"]) - s.S) * (s.R - 1)
    return Storage(s.R * s.S * p["r"] * p["t"], s.N * p["t"] * s.P * s.Q + waiting, 1)


def _os(s: Shape, pes: int, dram_inputs: float, inputs: float, weights: float) -> Traffic:
    """What the three output-stationary flows share: sums stay in the PE, operands cross the array."""
    return _traffic(
        s,
        pes,
        (dram_inputs, 1, 1),
        (inputs, weights, 0),
        (_uses(s), s.N * s.P * s.Q, 0),
        (0, 0, 2 * (s.C * s.R * s.S - 1)),
    )


def _osa(s: Shape, p: Parameters) -> Traffic:
    halo = s.halo_down(p["e"]) * s.halo_across(p["f"])
    tiles = _rounds(s.N, p["n"]) * _rounds(s.P, p["e"]) * _rounds(s.Q, p["f"])
    return _os(s, p["n"] * p["e"] * p["f"], _rounds(s.M, p["m"]) * halo, s.M * halo, tiles)


def _osa_needs(s: Shape, p: Parameters) -> Storage:
    maps = p["n"] * s.C * s.rows(p["e"]) * s.columns(p["f"])
    window = 1 + s.U + s.U * s.R
    return Storage(p["n"] * p["e"] * p["f"], p["m"] * s.C * s.R * s.S + maps, window)


def _osb(s: Shape, p: Parameters) -> Traffic:
    halo = s.R * s.P / s.H * s.halo_across(p["f"])
    tiles = _rounds(s.N, p["n"]) * s.P * _rounds(s.Q, p["f"])
    pes = p["n"] * p["p"] * p["f"]
    return _os(s, pes, _rounds(s.M, p["m"]) * halo, _rounds(s.M, p["p"]) * halo, tiles)


def _osb_needs(s: Shape, p: Parameters) -> Storage:
    maps = p["n"] * s.C * s.R * s.columns(p["f"])
    return Storage(p["n"] * p["p"] * p["f"], p["m"] * s.C * s.R * s.S + maps, 1 + s.U)


def _osc(s: Shape, p: Parameters) -> Traffic:
    halo = s.R * s.S * (s.P / s.H) * (s.Q / s.W)
    tiles = _rounds(s.N, p["n"]) * s.P * s.Q
    return _os(s, p["n"] * p["p"], _rounds(s.M, p["m"]) * halo, _rounds(s.M, p["p"]) * halo, tiles)


def _osc_needs(s: Shape, p: Parameters) -> Storage:
    return Storage(p["n"] * p["p"], (p["m"] + p["n"]) * s.C * s.R * s.S, 1)


def _nlr(s: Shape, p: Parameters) -> Traffic:
    sums = _rounds(s.C, p["q"]) * s.R * s.S
    tiles = _rounds(s.N, p["n"]) * _rounds(s.P, p["e"]) * _rounds(s.Q, p["f"])
    return _traffic(
        s,
        p["p"] * p["q"],
        (_rounds(s.M, p["m"]) * s.halo_down(p["e"]) * s.halo_across(p["f"]), tiles, 1),
        (_uses(s) / s.M * _rounds(s.M, p["p"]), s.N * s.P * s.Q, 2 * (sums - 1)),
        (_uses(s), 0, 2 * (s.C * s.R * s.S - sums)),
        (0, 0, 0),
    )


def _nlr_needs(s: Shape, p: Parameters) -> Storage:
    maps = p["n"] * p["q"] * s.rows(p["e"]) * s.columns(p["f"])
    weights = p["m"] * p["q"] * s.R * s.S
    return Storage(p["p"] * p["q"], maps + weights + p["n"] * p["m"] * p["e"] * p["f"], 0)


FLOWS: Mapping[str, Flow] = {
    which.name: which
    for which in (
        Flow("RS", "row stationary", ("m", "n", "f", "p", "q", "r", "t"), _rs, _rs_needs, 512),
        Flow("WS", "weight stationary", ("r", "t", "f"), _ws, _ws_needs, 2),
        Flow("OSA", "output stationary A", ("m", "n", "e", "f"), _osa, _osa_needs, 98),
        Flow("OSB", "output stationary B", ("m", "n", "p", "f"), _osb, _osb_needs, 10),
        Flow("OSC", "output stationary C", ("m", "n", "p"), _osc, _osc_needs, 2),
        Flow("NLR", "no local reuse", ("n", "m", "p", "q", "e", "f"), _nlr, _nlr_needs, 0),
    )
}  # fmt: skip
"""The six, by name."""

WORD_BYTES = 2


def storage(name: str, pes: int) -> Storage:
    """What a dataflow has of storage when all have the same area for it.

    The area is that of RS with 512 bytes a PE and as much again in the buffer; a flow that needs less in
    its PEs has a larger buffer instead.

    >>> storage("RS", 256).buffer
    65534
    """
    which = flow(name)
    total = storage_um2(512 * pes) + pes * storage_um2(512)
    buffer = (total - pes * storage_um2(which.rf_bytes)) / LARGE_UM2
    return Storage(pes, int(buffer) // WORD_BYTES, which.rf_bytes // WORD_BYTES)
