"""`Genotype` and `CellGraph`: the cells of a searched network as data, without torch.

A cell takes two maps: state 0 is the output of the cell before the last, state 1 that of the last cell.
Each step adds up operations on earlier states and makes the next state; the states in ``concat`` are
concatenated. Zoph et al. 2017 (arXiv:1707.07012), sec. 3 and fig. 3; the numbering is that of DARTS
(Liu et al. 2018, arXiv:1806.09055).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.errors import UsageError, nearest

OPERATIONS = (
    "none",
    "skip_connect",
    "avg_pool_3x3",
    "max_pool_2x2",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "dil_sep_conv_3x3",
    "dil_sep_conv_5x5",
)
"""Names of operations; `steelyard.layers.cell_ops` says what each is."""

Edge = tuple[str, int]
"""An operation and the state that it is applied to, e.g. ``("sep_conv_3x3", 0)``."""


@dataclass(frozen=True, slots=True)
class CellGraph:
    """One cell.

    Attributes:
        steps: the edges that each step adds up; step i makes state i + 2.
        concat: the states whose concatenation is the cell's output.

    Raises:
        UsageError: an unknown operation, a state that is not there yet, or nothing to concatenate.
    """

    steps: tuple[tuple[Edge, ...], ...]
    concat: tuple[int, ...]

    def __post_init__(self) -> None:
        for i, step in enumerate(self.steps):
            if not step:
                raise UsageError(f"step {i} of a cell adds up nothing", expected="one edge or more")
            for op, state in step:
                if op not in OPERATIONS:
                    close = nearest(op, OPERATIONS, n=1)
                    raise UsageError(
                        f"no operation of a cell is named {op!r}",
                        expected="one of " + ", ".join(OPERATIONS),
                        hint=close[0] if close else "",
                    )
                if not 0 <= state < i + 2:
                    raise UsageError(
                        f"step {i} of a cell reads state {state}", expected=f"a state 0 to {i + 1}"
                    )
        last = len(self.steps) + 1
        if not self.concat or not all(0 <= state <= last for state in self.concat):
            raise UsageError(
                f"a cell concatenates the states {self.concat}",
                expected=f"one or more of 0 to {last}",
            )

    @property
    def unused(self) -> tuple[int, ...]:
        """States that no step reads."""
        read = {state for step in self.steps for _, state in step}
        return tuple(s for s in range(len(self.steps) + 2) if s not in read)


@dataclass(frozen=True, slots=True)
class Genotype:
    """The two cells of a searched network: one that keeps the resolution and one that halves it."""

    normal: CellGraph
    reduction: CellGraph


def pairs(edges: Sequence[Edge], concat: Sequence[int] = ()) -> CellGraph:
    """A cell whose steps add up two edges each, listed one after another as DARTS lists them.

    Args:
        edges: two for each step.
        concat: the states to concatenate; without any, those that no step reads.

    >>> pairs([("sep_conv_3x3", 1), ("skip_connect", 0)]).concat
    (2,)

    Raises:
        UsageError: an odd number of edges, or as `CellGraph`.
    """
    if len(edges) % 2:
        raise UsageError(f"{len(edges)} edges", expected="two for each step")
    steps = tuple(tuple(edges[i : i + 2]) for i in range(0, len(edges), 2))
    graph = CellGraph(steps, tuple(concat) or (len(steps) + 1,))
    return graph if concat else CellGraph(steps, graph.unused)
