"""Scalability: arrays grow as the rule says, chips that need not wait scale, and a ring adds up gradients."""

import pytest
from by_hand import linear, row_of_pes

import steelyard as sy
from steelyard.errors import InputError, UsageError
from steelyard.metrics import DataParallel, pe_scaling
from steelyard.metrics.scalability import resized


def sizes(chip: sy.Accelerator) -> list[int]:
    return [axis.size for array in chip.arrays for axis in array.axes]


def test_the_rule() -> None:
    chip = sy.device("eyeriss")  # 14 x 12
    assert isinstance(chip, sy.Accelerator)
    assert [sizes(resized(chip, factor)) for factor in (0.5, 1, 2, 4)] == [
        [7, 12],
        [14, 12],
        [14, 24],
        [28, 24],
    ]
    wide = resized(chip, 2, "bandwidth")
    assert wide.levels[0].read_bandwidth == 2 * chip.levels[0].read_bandwidth
    assert wide.level("glb").read_bandwidth == {"I": 2, "O": 8}
    assert wide.level("spad") == chip.level("spad")
    for factor in (3, 0, -2, 0.3):
        with pytest.raises(UsageError, match="expected: a power of two"):
            resized(chip, factor)
    with pytest.raises(InputError, match="cannot be halved so often"):
        resized(chip, 1 / 64)


def test_as_many_outputs_as_pes_scale_and_no_further() -> None:
    found = pe_scaling(linear(8, 8), row_of_pes(4), factors=(1, 2, 4), objective="edp")
    assert [found.speedup(size) for size in found.sizes] == [1, 2, 2]
    assert found.figure().value == pytest.approx(2 / 4)
    assert found.energy_figure().value == pytest.approx(1)
    assert "16 PEs" not in str(found)
    assert "edp" in str(found)


def ring(machines: int, gradients: float) -> float:
    """Bytes that one machine sends: each of 2 (n - 1) steps passes a part of 1/n to the neighbour."""
    return sum(gradients / machines for _ in range(2 * (machines - 1)))


@pytest.mark.parametrize("machines", [1, 2, 3, 8])
def test_a_ring(machines: int) -> None:
    model = DataParallel(1e9, link_bytes_per_s=1e8, latency_s=0.5)
    expected = ring(machines, 1e9) / 1e8 + 2 * (machines - 1) * 0.5
    assert model.all_reduce(machines).value == pytest.approx(expected)
    assert model.efficiency(machines, 10.0).value == pytest.approx(10 / (10 + expected))


def test_mistakes() -> None:
    with pytest.raises(UsageError, match="expected: a link above 0"):
        DataParallel(1.0, link_bytes_per_s=0)
    with pytest.raises(UsageError, match="0 machines"):
        DataParallel(1.0).all_reduce(0)
    with pytest.raises(UsageError, match="no size to try"):
        pe_scaling(linear(8, 8), row_of_pes(4), factors=())
