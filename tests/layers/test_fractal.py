"""The expansion rule by its recursion, and what drop-path leaves of a join."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.fractal import FractalBlock, FractalJoin

Column = Iterator[nn.Module]


def expanded(columns: list[Column], c: int) -> Callable[[Tensor], list[Tensor]]:
    """Eq. 1, f_{C+1}(z) = (f_C o f_C)(z) + conv(z), as the list of what the last join averages.

    ``columns[i]`` yields the convolutions of column i, the deepest first, in the order of their depth.
    """
    if c == 1:
        return lambda z: [next(columns[0])(z)]

    def rule(z: Tensor) -> list[Tensor]:
        inner = expanded(columns, c - 1)
        middle = torch.stack(inner(z)).mean(dim=0)
        return [*inner(middle), next(columns[c - 1])(z)]

    return rule


@pytest.mark.parametrize("c", [1, 2, 3, 4])
def test_block_is_the_recursion_of_the_paper(c: int) -> None:
    torch.manual_seed(0)
    block = FractalBlock(3, 4, c).double().eval()
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64)
    convolutions = [iter(column.children()) for column in block.columns]
    paths = expanded(convolutions, c)(x)
    assert len(paths) == c
    torch.testing.assert_close(block(x), torch.stack([block.pool(p) for p in paths]).mean(dim=0))
    assert all(next(rest, None) is None for rest in convolutions)


@pytest.mark.parametrize("c", [1, 2, 3, 4])
def test_columns_halve(c: int) -> None:
    """The deepest path has 2^(C-1) convolutions (sec. 3)."""
    lengths = [len(list(column.children())) for column in FractalBlock(3, 4, c).columns]
    assert lengths == [2 ** (c - 1 - i) for i in range(c)]


def paths_of(n: int) -> list[Tensor]:
    """Three paths whose sums tell which of them were averaged."""
    return [torch.full((n, 1, 1, 1), value) for value in (1.0, 10.0, 100.0)]


def test_join_is_the_mean_in_eval() -> None:
    torch.testing.assert_close(FractalJoin().eval()(paths_of(2)), torch.full((2, 1, 1, 1), 37.0))


def test_local_sampling_drops_each_path_with_its_probability_and_never_all() -> None:
    """Sec. 3.1: each input is dropped independently; if all were, one at random stays."""
    torch.manual_seed(0)
    n, p = 40_000, 0.4
    out = FractalJoin(p)(paths_of(n)).flatten()
    alone = (1 - p) * p * p + p**3 / 3
    pair = (1 - p) ** 2 * p
    expected = {
        1.0: alone, 10.0: alone, 100.0: alone, 5.5: pair, 50.5: pair, 55.0: pair, 37.0: (1 - p) ** 3
    }  # fmt: skip
    seen = {value: float((out - value).abs().lt(1e-3).float().mean()) for value in expected}
    assert sum(seen.values()) == pytest.approx(1)
    assert seen == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("drop", "left"), [(0.0, {37.0}), (1.0, {1.0, 10.0, 100.0})])
def test_extreme_probabilities(drop: float, left: set[float]) -> None:
    out = FractalJoin(drop)(paths_of(200)).flatten()
    assert {round(v, 2) for v in out.tolist()} == left


def test_global_sampling_keeps_the_chosen_path() -> None:
    route = torch.tensor([0, 1, 2, 3, 1])
    out = FractalJoin(0.9)(paths_of(5), route).flatten()
    torch.testing.assert_close(out, torch.tensor([1.0, 10.0, 100.0, 37.0, 10.0]))


@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_route_through_a_block_is_one_column(column: int) -> None:
    """Sec. 3.1, global: a single column from input to output; no other convolution gets a gradient."""
    block = FractalBlock(3, 4, 3)
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()  # otherwise samples would see one another
    x = torch.randn(2, 3, 6, 6)
    out = block(x, torch.full((2,), column))
    plain = x
    for unit in block.columns[column].children():
        plain = unit(plain)
    torch.testing.assert_close(out, block.pool(plain))
    out.sum().backward()
    used = {
        i
        for i, units in enumerate(block.columns)
        if any(p.grad is not None and p.grad.any() for p in units.parameters())
    }
    assert used == {column}


def test_deepest_column_alone_shares_names_and_outputs() -> None:
    full, deep = FractalBlock(3, 4, 3), FractalBlock(3, 4, 3, deepest=True)
    kept = deep.load_state_dict(full.state_dict(), strict=False)
    assert not kept.missing_keys
    x, route = torch.randn(4, 3, 6, 6), torch.zeros(4, dtype=torch.long)
    for block in (full, deep):
        for module in block.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
    torch.testing.assert_close(full(x, route), deep(x))


def test_no_columns() -> None:
    with pytest.raises(UsageError, match="columns=0"):
        FractalBlock(3, 4, 0)
