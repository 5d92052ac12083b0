"""`cost` and `CostReport`: totals equal the sums of their parts, and are fast."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from workload_strategies import Net, workloads

from steelyard.cost import Cost, CostReport, cost
from steelyard.errors import UnknownNameError, UsageError
from steelyard.workload import Workload

GROUPINGS = [("kind", None), ("op", None), ("type", None), ("stage", None), ("layer", None)] + [
    ("module", depth) for depth in (None, 1, 2, 9)
]


@given(workloads())
@settings(deadline=None)
def test_totals_equal_the_sums_of_their_parts(load):
    report = cost(load)
    assert sum((row.cost for row in report.rows), Cost()) == report.total
    for key, depth in GROUPINGS:
        groups = report.by(key, depth)
        assert sum(groups.values(), Cost()) == report.total
        assert list(groups) == list(load.groupby(key, depth=depth))
    assert report.total.params == load.params
    assert report.total.macs == load.macs
    assert report.total.layers == len(load.layers) == len(report.rows)
    assert [row.name for row in report.rows] == [layer.name for layer in load.layers]
    assert [row.shape for row in report.rows] == [
        load.tensor(layer.outputs[0]).shape for layer in load.layers
    ]


@given(workloads())
@settings(deadline=None)
def test_to_dict_is_json_with_a_schema(load):
    data = cost(load).to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["schema"] == "steelyard.cost/1"
    assert data["total"]["flops"] == 2 * load.macs
    assert len(data["rows"]) == len(load.layers)
    assert sum(group["macs"] for group in data["by_kind"].values()) == load.macs


def shared() -> Workload:
    net = Net()
    net.tensor("x", (1, 4, 6, 6), "input")
    net.conv("x", 4, 3, pad=1)
    net.conv("l0", 4, 3, pad=1, weight="w0")
    net.add("unknown", "mylib.mystery", ["l1"], (1, 4, 6, 6))
    return net.finish()


def test_shared_weights_count_once():
    report = cost(shared())
    assert [row.cost.params for row in report.rows] == [4 * 4 * 9, 0, 0]
    assert [row.shared_params for row in report.rows] == [False, True, False]
    assert report.total.params == 144 and report.total.macs == 2 * 144 * 36
    row = report.rows[1]
    assert (row.kind, row.op, row.module, row.module_type) == ("conv", "aten.conv2d", "", "Conv")


def test_what_was_not_counted_is_named():
    report = cost(shared())
    assert report.unsupported_ops() == {"mylib.mystery": 1}
    assert report.coverage.fraction == pytest.approx(2 / 3)
    assert report.to_dict()["coverage"]["unknown"] == {"mylib.mystery": 1}


def test_memory_and_findings_come_with_the_report():
    report = cost(shared())
    assert report.memory.peak_bytes == 2 * 4 * 36 * 4
    assert report.training_memory("adam").optimizer_bytes == 2 * 144 * 4
    assert report.findings == report.findings
    assert repr(report).startswith("<CostReport of <Workload 'net'")


@pytest.mark.parametrize("given", ["resnet50", None, [1]])
def test_only_a_workload_is_weighed(given):
    with pytest.raises(UsageError) as caught:
        cost(given)
    assert f"cost() was given {type(given).__name__}" in str(caught.value)
    assert "try: sy.cost(sy.capture(net, input_shape=...))" in str(caught.value)


def test_unknown_keys_and_optimizers():
    with pytest.raises(UsageError, match="cannot group by 'colour'"):
        cost(shared()).by("colour")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="no optimizer is named 'adamm'"):
        cost(shared()).training_memory("adamm")


def test_reports_are_equal_if_the_workloads_are():
    assert cost(shared()) == CostReport(shared())
    assert cost(shared()) != cost(shared().with_batch(2))


@pytest.mark.slow
def test_the_total_of_400_layers_takes_about_a_millisecond():
    net = Net()
    net.tensor("x", (1, 16, 8, 8), "input")
    value = "x"
    while len(net.layers) < 400:
        value = net.relu(net.norm(net.conv(value, 16, 3, pad=1)), inplace=True)
    load = net.finish()
    best = float("inf")
    for _ in range(20):
        started = time.perf_counter()
        total = cost(load).total
        best = min(best, time.perf_counter() - started)
    assert total.layers == len(load.layers) and total.macs == load.macs
    assert best < 0.005  # 1.2 ms on a quiet machine; the rest is for a busy one


def test_weighing_loads_no_torch():
    code = "import sys, steelyard.cost, steelyard.cost.algebra; print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"
