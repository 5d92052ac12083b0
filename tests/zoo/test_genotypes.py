"""The published cells against the lists of other repositories, and the setting ``cell``."""

from __future__ import annotations

import pytest
import torch

import steelyard as sy
from steelyard.errors import UnknownNameError, UsageError
from steelyard.layers.genotype import Genotype, pairs
from steelyard.zoo.genotypes import GENOTYPES, genotype
from steelyard.zoo.registry import create


def test_nasnet_a_as_darts_lists_it() -> None:
    """quark0/darts cnn/genotypes.py; it leaves the older input out of the normal cell's output."""
    cells = GENOTYPES["nasnet_a"]
    normal = pairs(
        [("sep_conv_5x5", 1), ("sep_conv_3x3", 0), ("sep_conv_5x5", 0), ("sep_conv_3x3", 0),
         ("avg_pool_3x3", 1), ("skip_connect", 0), ("avg_pool_3x3", 0), ("avg_pool_3x3", 0),
         ("sep_conv_3x3", 1), ("skip_connect", 1)], (2, 3, 4, 5, 6),
    )  # fmt: skip
    reduction = pairs(
        [("sep_conv_5x5", 1), ("sep_conv_7x7", 0), ("max_pool_3x3", 1), ("sep_conv_7x7", 0),
         ("avg_pool_3x3", 1), ("sep_conv_5x5", 0), ("skip_connect", 3), ("avg_pool_3x3", 2),
         ("sep_conv_3x3", 2), ("max_pool_3x3", 1)],
    )  # fmt: skip
    assert cells.normal.steps == normal.steps
    assert cells.normal.concat == (0, *normal.concat)
    assert cells.reduction.steps == reduction.steps
    assert cells.reduction.concat == (3, 4, 5, 6)  # the released code concatenates state 3 as well


def test_amoebanet_d_as_torchgpipe_lists_it() -> None:
    """kakaobrain/torchgpipe benchmarks/models/amoebanet/genotype.py; its state 0 is the newer input."""
    normal = [(1, "conv_1x1"), (1, "max_pool_3x3"), (1, "skip_connect"), (0, "conv_1x7_7x1"),
              (0, "conv_1x1"), (0, "conv_1x7_7x1"), (2, "max_pool_3x3"), (2, "skip_connect"),
              (1, "avg_pool_3x3"), (5, "conv_1x1")]  # fmt: skip
    reduction = [(0, "max_pool_2x2"), (0, "max_pool_3x3"), (2, "skip_connect"), (1, "conv_3x3"),
                 (2, "conv_1x7_7x1"), (2, "max_pool_3x3"), (3, "skip_connect"), (1, "max_pool_2x2"),
                 (2, "avg_pool_3x3"), (3, "conv_1x1")]  # fmt: skip
    cells = GENOTYPES["amoebanet_d"]
    for graph, listed, concat in (
        (cells.normal, normal, {0, 3, 4, 6}),
        (cells.reduction, reduction, {4, 5, 6}),
    ):
        ours = [(1 - s if s < 2 else s, op) for step in graph.steps for op, s in step]
        assert ours == listed
        assert {1 - s if s < 2 else s for s in graph.concat} == concat


@pytest.mark.parametrize("name", GENOTYPES)
def test_every_pair_of_cells_fits_every_layout(name: str) -> None:
    for network, depth in (
        ("nasnet_mobile", "cells=1"), ("nasnet_cifar", "cells=1"),
        ("enas_micro_cifar", "cells=3"), ("darts_v2_imagenet", "layers=4"),
    ):  # fmt: skip
        load = sy.capture(f"{network}:cell={name},{depth},resolution=64")
        assert load.coverage.unknown == ()
        assert load.unused_params == 0, network


def test_cells_of_ones_own() -> None:
    graph = pairs([("conv_3x3", 0), ("skip_connect", 1)])
    own = Genotype(graph, graph)
    assert genotype(own) is own
    net = create("nasnet_cifar", cell=own, cells=1, filters=8)
    assert net(torch.randn(2, 3, 33, 31)).shape == (2, 10)


def test_an_unknown_cell() -> None:
    with pytest.raises(UnknownNameError, match="no pair of cells is named 'nasnet_b'") as error:
        create("nasnet_mobile", cell="nasnet_b")
    assert "nasnet_a" in str(error.value)
    with pytest.raises(UsageError, match="cell=3 is not possible"):
        create("nasnet_mobile", cell=3)
