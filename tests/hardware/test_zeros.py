"""An estimate with zeros, against the same sums by hand."""

import pytest

from steelyard.errors import UnknownNameError
from steelyard.hardware.estimate import estimate
from steelyard.hardware.registry import device
from steelyard.hardware.sparsity import Densities, with_sparsity
from steelyard.hardware.zero_means import Sparsity
from steelyard.hardware.zeros import with_zeros
from steelyard.workload import Layer, LoopNest, Workload

LAYERS = {"one": LoopNest.linear(4, 16, 8), "two": LoopNest.linear(4, 8, 10)}
LOAD = Workload(
    "net", tuple(Layer(n, "linear", "aten.linear", nests=(x,)) for n, x in LAYERS.items()), ()
)


@pytest.fixture(scope="module")
def dense():
    return estimate(LOAD, "eyeriss", cache=False)


def test_layers_are_those_of_with_sparsity(dense):
    found = with_zeros(dense, {"two": Densities(I=0.3, O=0.4)})
    assert found.layer("one") == dense.layer("one")
    ((_, answer),) = dense.layer("two").parts
    alone = with_sparsity(
        answer.evaluation, dense.device, Densities(I=0.3, O=0.4), device("eyeriss").zeros
    )
    two = found.layer("two")
    assert two.energy_pj == alone.energy_pj < dense.layer("two").energy_pj
    assert sum(two.levels.values()) == pytest.approx(two.energy_pj)
    assert sum(two.operands.values()) == pytest.approx(two.energy_pj)
    assert found.energy_pj == pytest.approx(dense.layer("one").energy_pj + alone.energy_pj)
    assert "gated on I" in found.notes[-1]


def test_switched_off(dense):
    found = with_zeros(dense, {"one": Densities(0.1, 0.1, 0.1)}, Sparsity())
    assert found.energy_pj == dense.energy_pj
    assert "nothing" in found.notes[-1]


def test_unknown_layer(dense):
    with pytest.raises(UnknownNameError, match="three"):
        with_zeros(dense, {"three": Densities()})
