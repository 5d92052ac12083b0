"""The exchange of HRNet: what reaches what, and at which resolution."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.multi_scale import MultiScaleExchange

CHANNELS = (3, 5, 7)


def exchange() -> MultiScaleExchange:
    torch.manual_seed(0)
    return MultiScaleExchange(CHANNELS).eval()


def maps(side: int) -> list[Tensor]:
    sides = [side, -(-side // 2), -(-side // 4)]
    return [
        torch.randn(1, c, s, s, dtype=torch.float32) for c, s in zip(CHANNELS, sides, strict=True)
    ]


@pytest.mark.parametrize("side", [8, 9, 11, 13])
def test_shapes_stay_at_odd_sides_too(side: int) -> None:
    given = maps(side)
    assert [x.shape for x in exchange()(given)] == [x.shape for x in given]


@pytest.mark.parametrize("source", range(3))
def test_every_map_reaches_every_other(source: int) -> None:
    unit, given = exchange(), maps(8)
    before = unit(given)
    given[source] = given[source] + 1
    after = unit(given)
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_smaller_map_is_enlarged_by_repetition() -> None:
    """Fig. 3: 1x1 convolution, then nearest neighbours: every 2x2 or 4x4 block holds one value."""
    unit = exchange()
    for source, factor in ((1, 2), (2, 4)):
        given = [torch.zeros_like(x) for x in maps(8)]
        given[source].normal_()
        out = unit(given)[0]
        small = out[..., ::factor, ::factor]
        assert torch.equal(out, small.repeat_interleave(factor, 2).repeat_interleave(factor, 3))


def test_a_larger_map_comes_by_as_many_3x3_as_halvings() -> None:
    convs = {
        (source, target): [m for m in unit_path.modules() if isinstance(m, nn.Conv2d)]
        for target, paths in enumerate(exchange().paths)
        for source, unit_path in enumerate(paths)
    }
    for (source, target), path in convs.items():
        assert len(path) == (1 if source > target else target - source)
        assert all(c.kernel_size == ((3, 3) if source < target else (1, 1)) for c in path)


def test_inputs_are_left_as_they_are() -> None:
    given = maps(8)
    copies = [x.clone() for x in given]
    exchange()(given)
    assert all(torch.equal(a, b) for a, b in zip(given, copies, strict=True))


def test_one_map_has_nothing_to_exchange() -> None:
    with pytest.raises(UsageError, match=r"channels=\(4,\) leaves nothing to exchange"):
        MultiScaleExchange((4,))
