"""The seven bounds: never rising, above what any mapping reaches, and exact in cases worked out by hand."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_cases import devices, mappings, problems

import steelyard as sy
from steelyard.errors import InputError, UnknownNameError, UsageError
from steelyard.hardware.bounds import STEPS, layer_bounds, problem_bounds
from steelyard.hardware.device import Accelerator, Array, Axis, Link, Memory
from steelyard.hardware.evaluate import evaluate
from steelyard.workload import LoopNest


@st.composite
def cases(draw):
    problem = draw(problems())
    device = draw(devices())
    mapping = draw(mappings(problem, device))
    return problem, device, mapping


@settings(max_examples=400, deadline=None)
@given(cases())
def test_no_mapping_is_faster(case) -> None:
    problem, device, mapping = case
    bound = problem_bounds(problem, device)
    found = evaluate(problem, mapping, device)
    assert found.compute_cycles >= problem.macs / bound.macs_per_cycle[3] * (1 - 1e-9)
    assert found.exact_cycles >= problem.macs / bound.attainable * (1 - 1e-9)


@settings(max_examples=200, deadline=None)
@given(problems(), st.sampled_from([d for d in sy.list_devices() if d != "cpu"]))
def test_the_bounds_never_rise(problem, name) -> None:
    device = sy.device(name)
    if not isinstance(device, Accelerator):
        return
    bound = problem_bounds(problem, device)
    steps = bound.macs_per_cycle
    assert len(steps) == len(STEPS) == 7
    assert steps[0] == problem.macs
    assert all(a >= b * (1 - 1e-12) for a, b in pairwise(steps))
    assert steps[2] <= device.pes
    assert 0 < bound.utilization <= 1
    assert bound.limit in STEPS


def accelerator(array: Array, **dram) -> Accelerator:
    return Accelerator("hand", (Memory("dram", **dram), array), mac_pj=1)


def test_matrix_product_by_hand() -> None:
    # 30 rows, 20 inner, 10 columns on 4 units that each take an own column and share the rows' elements
    array = Array("pes", (Axis("x", 4, {"I": Link("multicast")}, ("M",)),))
    device = accelerator(array, read_bandwidth={"I": 1, "W": 2, "O": 9}, write_bandwidth=9)
    bound = layer_bounds(LoopNest.linear(30, 20, 10), device)
    macs = 30 * 20 * 10
    # all; 10 columns at once; 3 rounds of 4 units for 10 columns (steps 3 to 5); then the weights, one for
    # each operation, two a cycle
    cycles = [1, macs / 10, 600 * 3, 600 * 3, 600 * 3, macs / 2, macs / 2]
    assert bound.macs_per_cycle == pytest.approx([macs / c for c in cycles])
    assert bound.limit == "average bandwidth"


def test_storage_limits_the_units() -> None:
    # one word for sums (the other is for the next tile) serves at most the 4 operations of its output at once;
    # to pass it by is worse: DRAM takes one of the 64 partial sums a cycle
    array = Array("pes", (Axis("x", 16, dims=("M",)),))
    sums = Memory("sums", ("O",), capacity_bytes=4, double_buffered=("O",))
    device = Accelerator("small", (Memory("dram", write_bandwidth=1), sums, array), mac_pj=1)
    bound = layer_bounds(LoopNest.linear(1, 4, 16), device)
    assert bound.macs_per_cycle[3:] == (16, 4, 4, 4)
    assert bound.limit == "storage capacity"
    free = Accelerator("free", (Memory("dram"), sums, array), mac_pj=1)
    assert layer_bounds(LoopNest.linear(1, 4, 16), free).attainable == 16


def test_depthwise_layers_use_a_weight_stationary_array_badly() -> None:
    # 3x3, 512 channels: nine weights of one channel at a time on 65,536 units
    nest = LoopNest(
        N=1, G=512, M=512, C=512, out=(14, 14), kernel=(3, 3), input=(14, 14), stride=(1, 1),
        dilation=(1, 1), padding=((1, 1), (1, 1)),
    )  # fmt: skip
    on_tpu = layer_bounds(nest, sy.device("tpu_v1"))
    assert on_tpu.macs_per_cycle[1] == 9
    assert on_tpu.limit == "dataflow"
    # row stationary: rows and channels are spread, nearly all of the 168 units work
    assert layer_bounds(nest, sy.device("eyeriss")).macs_per_cycle[3] > 0.9 * 168


def test_fully_connected_layers_wait_for_weights() -> None:
    bound = layer_bounds(LoopNest.linear(1, 4096, 4096), sy.device("eyeriss"))
    # 1.2 words a cycle come from DRAM, and each of the 4096 x 4096 is used once
    assert bound.macs_per_cycle[5] == pytest.approx(1.2, rel=0.01)
    assert bound.limit == "average bandwidth"
    batched = layer_bounds(LoopNest.linear(64, 4096, 4096), sy.device("eyeriss"))
    assert batched.macs_per_cycle[5] == pytest.approx(64 * 1.2, rel=0.05)


# JSSC 2017, AlexNet on the chip, batch 4, 200 MHz: processing latency in ms, without waiting for DRAM
MEASURED_MS = {"conv1": 16.5, "conv2": 39.2, "conv3": 21.8, "conv4": 16.0, "conv5": 10.0}


def test_the_chip_is_not_faster_than_its_array() -> None:
    load = sy.capture("alexnet", input_shape=(4, 3, 227, 227))
    layers = {layer.name: layer for layer in sy.bounds(load, "eyeriss").layers}
    for name, measured in MEASURED_MS.items():
        least = layers[name].macs / layers[name].macs_per_cycle[3] / 200e6 * 1e3
        assert 0.65 * measured < least < measured
    # the inputs of the first layer have no zeros to compress: with DRAM it took 20.9 ms
    assert layers["conv1"].macs / layers["conv1"].attainable / 200e6 * 1e3 < 20.9


def test_a_network_adds_up() -> None:
    load = sy.capture("lenet5")
    result = sy.bounds(load, "shidiannao_like")
    assert sum(layer.macs for layer in result.layers) == load.macs
    cycles = sum(layer.macs / layer.attainable for layer in result.layers)
    assert result.network.attainable == pytest.approx(load.macs / cycles)
    assert "MACs per cycle after each step" in str(result)
    data = result.to_dict()
    assert data["schema"] == "steelyard.bounds/1"
    assert data["steps"] == list(STEPS)


def test_what_cannot_be_bounded_says_so() -> None:
    load = sy.capture("lenet5")
    with pytest.raises(UsageError, match="h100 is a roofline"):
        sy.bounds(load, "h100")
    odd = Accelerator("odd", (Memory("dram"),), mac_pj=1, dataflow="RX")
    with pytest.raises(UnknownNameError, match="no dataflow is named 'RX'") as error:
        sy.bounds(load, odd)
    assert "RS" in str(error.value)
    with pytest.raises(InputError, match="nothing to map"):
        layer_bounds(LoopNest.linear(0, 4, 4), sy.device("eyeriss"))
