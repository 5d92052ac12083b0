"""A cell computes what its graph says, and drop-path spares its identities."""

from __future__ import annotations

import torch
from torch import nn

from steelyard.layers.cell import Cell
from steelyard.layers.drop_path import DropPath
from steelyard.layers.genotype import pairs


def plain(graph: object, **options: object) -> Cell:
    kind = {"previous": nn.Identity(), "current": nn.Identity(), "widths": (4, 4), **options}
    return Cell(graph, 4, **kind)  # type: ignore[arg-type]


def test_a_cell_by_hand() -> None:
    graph = pairs(
        [("conv_1x1", 0), ("skip_connect", 1), ("max_pool_3x3", 2), ("skip_connect", 0)], (1, 3)
    )
    cell = plain(graph).eval()
    a, b = torch.randn(2, 4, 5, 6), torch.randn(2, 4, 5, 6)
    with torch.no_grad():
        two = cell.edges.get_submodule("0.0")(a) + b
        three = nn.functional.max_pool2d(two, 3, 1, 1) + a
        torch.testing.assert_close(cell(a, b), torch.cat([b, three], 1))


def test_inputs_keep_their_values() -> None:
    graph = pairs([("sep_conv_3x3", 0), ("conv_3x3", 1), ("skip_connect", 2), ("conv_1x1", 2)])
    cell = plain(graph)
    a, b = torch.randn(2, 4, 5, 6), torch.randn(2, 4, 5, 6)
    before = a.clone(), b.clone()
    cell(a, b)
    assert torch.equal(a, before[0])
    assert torch.equal(b, before[1])


def test_drop_path_drops_all_but_identities() -> None:
    graph = pairs([("conv_1x1", 0), ("skip_connect", 1), ("avg_pool_3x3", 0), ("max_pool_3x3", 1)])
    cell = plain(graph, drop_path=1.0)
    a, b = torch.randn(2, 4, 5, 6), torch.randn(2, 4, 5, 6)
    assert torch.equal(cell(a, b), torch.cat([b, torch.zeros_like(b)], 1))
    assert torch.equal(cell.eval()(a, b), plain_copy(cell)(a, b))


def plain_copy(cell: Cell) -> Cell:
    """The same cell without drop-path."""
    copy = plain(cell.graph).eval()
    copy.load_state_dict(cell.state_dict())
    drop = copy.drop_path
    assert isinstance(drop, DropPath)
    assert drop.rate == 0
    return copy
