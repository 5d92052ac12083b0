"""Rooflines against min(peak, bandwidth x intensity) worked out by hand."""

import pytest

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.hardware.device import Accelerator, Memory, Roofline

FLAT = Roofline("flat", {"float32": 1e12, "int8": 4e12}, {"dram": 1e11})


@pytest.fixture(scope="module")
def lenet():
    return sy.capture("lenet5")


def test_each_layer_is_the_lower_of_the_two_ceilings(lenet) -> None:
    cost = sy.cost(lenet)
    result = sy.roofline(lenet, FLAT)
    assert result.ridge == 10
    for row, point in zip(cost.rows, result.layers, strict=True):
        assert point.access_bytes == row.cost.access_bytes
        assert point.intensity == pytest.approx(row.cost.intensity)
        assert point.time_s == pytest.approx(
            max(row.cost.macs / 1e12, row.cost.access_bytes / 1e11)
        )
        if point.macs:
            assert point.attainable_macs_per_s == pytest.approx(
                min(1e12, 1e11 * row.cost.intensity)
            )
            assert point.limit == ("compute" if row.cost.intensity > 10 else "memory")
        elif point.time_s:
            assert (point.limit, point.attainable_macs_per_s) == ("memory", 0)
        else:
            assert point.limit == "nothing"
    assert result.time_s == pytest.approx(sum(point.time_s for point in result.layers))
    assert result.attainable_macs_per_s == pytest.approx(lenet.macs / result.time_s)


def test_a_narrower_type_moves_fewer_bytes(lenet) -> None:
    wide, narrow = sy.roofline(lenet, FLAT), sy.roofline(lenet, FLAT, dtype="int8")
    assert narrow.peak_macs_per_s == 4e12
    for a, b in zip(wide.layers, narrow.layers, strict=True):
        assert a.access_bytes == 4 * b.access_bytes


def test_an_accelerator_has_a_port_for_each_operand(lenet) -> None:
    ports = {"I": 1, "W": 2, "O": 4}
    memory = Memory("dram", read_bandwidth=ports, write_bandwidth=ports)
    device = Accelerator("one", (memory,), 1.0, {"I": 8, "W": 8, "O": 16}, 100.0)
    result = sy.roofline(lenet, device)
    assert (result.dtype, result.peak_macs_per_s) == ("I8 W8 O16", 100)
    assert result.bandwidth_bytes_per_s == 300
    by_name = {point.name: point for point in result.layers}
    for layer in lenet.layers:
        if layer.kind == "linear":
            nest = layer.nest
            point = by_name[layer.name]
            weights = sum(lenet.tensor(name).numel for name in layer.params)
            assert weights in (nest.weights, nest.weights + nest.M)  # with a bias or without
            slowest = max(nest.C / 1, weights / 2, nest.M / 4, nest.macs)
            assert point.time_s == pytest.approx(slowest / 100)
            assert point.access_bytes == nest.C + weights + 2 * nest.M


def test_a_memory_that_is_never_waited_for(lenet) -> None:
    result = sy.roofline(lenet, "eyeriss_isca16")
    assert result.memory_share == 0
    assert result.time_s == pytest.approx(lenet.macs / result.peak_macs_per_s)
    assert result.to_dict()["bandwidth_bytes_per_s"] is None
    assert "never waited for" in str(result)


def test_it_prints_and_has_a_schema(lenet) -> None:
    result = sy.roofline(lenet, "h100")
    assert "roofline of lenet5 on h100" in str(result)
    assert result.to_dict()["schema"] == "steelyard.roofline/1"
    assert len(result.to_dict()["layers"]) == len(lenet.layers)


def test_wrong_types_are_refused(lenet) -> None:
    with pytest.raises(UsageError, match="xeon_platinum_8180 has no peak for int8") as error:
        sy.roofline(lenet, "xeon_platinum_8180", dtype="int8")
    assert "one of float32, float64" in str(error.value)
    with pytest.raises(UsageError, match="computes in its own widths"):
        sy.roofline(lenet, "eyeriss", dtype="float32")


def test_doubling_the_batch_helps_layers_with_many_weights() -> None:
    """Weights move once whatever the batch: fully connected layers of AlexNet at batch 1 and 64."""
    one = sy.capture("alexnet", input_shape=(1, 3, 227, 227))
    many = one.with_batch(64)
    rates = [
        {p.name: p.attainable_macs_per_s for p in sy.roofline(load, "a100").layers}
        for load in (one, many)
    ]
    last = [name for name in rates[0] if name.startswith("fc")]
    assert last
    assert all(rates[1][name] > 15 * rates[0][name] for name in last)
