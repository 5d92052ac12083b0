"""Statements of the literature on networks and energy hold for our models, about as far as they are printed."""

from __future__ import annotations

import json

import pytest

from steelyard.report.render import to_csv, to_json, to_text
from steelyard.tables import NetworkStatements, network_energy


@pytest.fixture(scope="module")
def table() -> NetworkStatements:
    return network_energy()


@pytest.mark.slow
def test_fewer_weights_are_not_less_energy(table: NetworkStatements) -> None:
    """Yang et al., CVPR 2017: SqueezeNet needs a third more energy than AlexNet with a fiftieth of its weights."""
    assert table.ours("SqueezeNet's weights, of AlexNet's") == pytest.approx(2.0, abs=0.1)
    assert table.ours("SqueezeNet's energy, times AlexNet's") == pytest.approx(1.33, rel=0.05)
    assert table.ours("GoogLeNet's weights, of AlexNet's") == pytest.approx(11.5, abs=0.1)
    assert table.ours("GoogLeNet's energy, times AlexNet's") == pytest.approx(1.92, rel=0.25)


@pytest.mark.slow
def test_googlenet_maps_above_weights_above_computation(table: NetworkStatements) -> None:
    outputs, inputs, weights, computation = (
        table.ours(f"GoogLeNet's energy for {what}")
        for what in ("outputs", "inputs", "weights", "computation")
    )
    assert outputs + inputs > weights > computation
    assert outputs > inputs > weights
    for statement in table.statements:
        if statement.figure.startswith("GoogLeNet's energy for"):
            assert statement.ours == pytest.approx(statement.published, abs=6)


@pytest.mark.slow
def test_reuse(table: NetworkStatements) -> None:
    """2896 M, 61 M and up to 500 times."""
    assert table.ours("AlexNet's DRAM accesses, nothing reused") == pytest.approx(2896, rel=0.001)
    assert table.ours("AlexNet's DRAM accesses, everything reused") == pytest.approx(61, rel=0.005)
    spared = table.ours("AlexNet's convolutions, reads of weights and inputs spared")
    # two reads for each of 665.8 M operations, over 2.33 M weights and the five layers' inputs
    inputs = 227 * 227 * 3 + 27 * 27 * 96 + 13 * 13 * (256 + 384 + 384)
    assert spared == pytest.approx(2 * 665_784_864 / (2_332_704 + inputs), rel=1e-6)
    assert spared == pytest.approx(500, rel=0.03)


@pytest.mark.slow
def test_batches(table: NetworkStatements) -> None:
    rows = [s for s in table.statements if s.unit == "MAC/op"]
    assert len(rows) == 3
    for statement in rows:
        assert statement.ours == pytest.approx(statement.published, rel=1e-4)


@pytest.mark.slow
def test_depthwise_layers_leave_the_array_idle(table: NetworkStatements) -> None:
    for name, share in (("tpu_v1", 9 / 65536), ("nvdla_like", 1 / 2048)):
        depthwise = table.ours(f"MobileNetV2 on {name}, units used at best in depthwise layers")
        other = table.ours(f"MobileNetV2 on {name}, units used at best in other layers")
        assert depthwise == pytest.approx(100 * share)
        assert other > 50 * depthwise


@pytest.mark.slow
def test_memory_access_orders_networks_of_equal_operations(table: NetworkStatements) -> None:
    rows = [s for s in table.statements if "1x1 convolutions" in s.figure]
    assert [s.ours for s in rows] == sorted((s.ours for s in rows), reverse=True)
    for statement in rows:
        assert statement.ours == pytest.approx(statement.published, abs=12)


@pytest.mark.slow
def test_printed_and_machine_readable(table: NetworkStatements) -> None:
    assert "Fewer weights are not less energy." in to_text(table)
    assert to_csv(table).splitlines()[0].startswith("claim,figure,published,ours")
    assert json.loads(to_json(table))["schema"] == "steelyard.network-energy/1"
