"""Whole networks: AlexNet's DRAM accesses at worst and best, and statements on energy of the literature."""

from __future__ import annotations

import pytest

from steelyard import capture
from steelyard.errors import UsageError
from steelyard.hardware.reuse import dram_bounds
from steelyard.hardware.study import FLOWS, storage, traffic
from steelyard.hardware.study_network import network_energy
from steelyard.hardware.study_search import best_mapping
from steelyard.workload import Workload


@pytest.fixture(scope="module")
def alexnet() -> Workload:
    return capture("alexnet")


def test_alexnet_2896_million_accesses_at_worst_and_61_at_best(alexnet: Workload) -> None:
    """Sze et al., 2020: 724 M operations of four accesses each; 61 M weights moved once."""
    bounds = dram_bounds(alexnet)
    assert bounds.worst == pytest.approx(2896e6, rel=0.001)
    assert bounds.best == pytest.approx(61e6, rel=0.005)
    # 227 x 227 x 3 in, 1000 out, weights without biases
    assert bounds.best == 60_954_656 + 154_587 + 1000
    assert bounds.best < bounds.maps_in_dram < bounds.worst


def test_every_dataflow_of_the_study_stays_between_the_bounds(alexnet: Workload) -> None:
    bounds = dram_bounds(alexnet)
    for name in FLOWS:
        words = 0.0
        for layer in alexnet.layers:
            for nest in layer.nests:
                best = best_mapping(name, nest, storage(name, 1024))
                assert best is not None
                words += sum(traffic(name, nest, best).words["dram"].values())
        assert bounds.best < words < bounds.worst


@pytest.mark.slow
def test_googlenet_moves_maps_more_than_weights_and_computes_least() -> None:
    """Yang, Chen, Sze, CVPR 2017: outputs 43 %, inputs 25 %, weights 22 %, computation 10 %."""
    energy = network_energy(capture("googlenet"), batch=4)
    computation = energy.macs / energy.total
    assert energy.share("O") > energy.share("I") > energy.share("W") > computation
    for share, published in (
        (energy.share("O"), 0.43),
        (energy.share("I"), 0.25),
        (energy.share("W"), 0.22),
        (computation, 0.10),
    ):
        assert share == pytest.approx(published, abs=0.07)


@pytest.mark.slow
def test_fewer_weights_are_not_less_energy(alexnet: Workload) -> None:
    """Yang, Chen, Sze, CVPR 2017: with a large batch SqueezeNet (1.2 M weights) needs more than AlexNet (61 M)."""
    energies = {
        name: network_energy(capture(name), batch=16).total
        for name in ("googlenet", "squeezenet1_0")
    }
    ours = network_energy(alexnet, batch=16).total
    assert energies["googlenet"] > energies["squeezenet1_0"] > ours


@pytest.mark.slow
def test_batches_save_energy_where_weights_dominate(alexnet: Workload) -> None:
    one, many = network_energy(alexnet), network_energy(alexnet, batch=16)
    assert many.by_operand["W"] < one.by_operand["W"] / 5
    assert sum(one.by_level.values()) == pytest.approx(sum(one.by_operand.values()))


def test_a_workload_of_several_images_is_refused() -> None:
    load = capture("lenet5", input_shape=(2, 1, 32, 32))
    with pytest.raises(UsageError, match="N=2"):
        network_energy(load)
    with pytest.raises(UsageError, match="batch=0"):
        network_energy(load, batch=0)
