"""Cells as data: what is refused, and what a list of edges means."""

from __future__ import annotations

import dataclasses

import pytest

from steelyard.errors import UsageError
from steelyard.layers.genotype import OPERATIONS, CellGraph, Genotype, pairs


def test_edges_are_paired_and_unread_states_concatenated() -> None:
    graph = pairs([("conv_1x1", 0), ("conv_1x1", 1), ("skip_connect", 2), ("none", 0)])
    assert graph.steps == ((("conv_1x1", 0), ("conv_1x1", 1)), (("skip_connect", 2), ("none", 0)))
    assert graph.unused == graph.concat == (3,)
    assert pairs([("conv_1x1", 0), ("conv_1x1", 0)]).concat == (1, 2)


def test_an_unknown_operation_is_named_with_its_nearest() -> None:
    with pytest.raises(UsageError, match="no operation of a cell is named 'sep_conv_4x4'") as error:
        CellGraph(((("sep_conv_4x4", 0),),), (2,))
    assert error.value.hint.startswith("sep_conv_")
    assert all(name in error.value.expected for name in OPERATIONS)


def test_a_step_reads_earlier_states_only() -> None:
    with pytest.raises(UsageError, match="step 1 of a cell reads state 3") as error:
        CellGraph(((("none", 1),), (("none", 3),)), (2,))
    assert error.value.expected == "a state 0 to 2"


@pytest.mark.parametrize("concat", [(), (3,), (-1,)])
def test_something_that_exists_is_concatenated(concat: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="one or more of 0 to 2"):
        CellGraph(((("none", 1),),), concat)


def test_steps_add_up_something() -> None:
    with pytest.raises(UsageError, match="step 0 of a cell adds up nothing"):
        CellGraph(((),), (1,))
    with pytest.raises(UsageError, match=r"3 edges\nexpected: two for each step"):
        pairs([("none", 0)] * 3)


def test_a_genotype_is_frozen_and_hashable() -> None:
    graph = pairs([("none", 0), ("none", 1)])
    genotype = Genotype(graph, graph)
    assert hash(genotype) == hash(Genotype(graph, graph))
    with pytest.raises(dataclasses.FrozenInstanceError):
        genotype.normal = graph  # type: ignore[misc]
