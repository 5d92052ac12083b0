"""`check` on workloads built in Python: what a reader of files refuses, it refuses here too."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from workload_strategies import Net, workloads

from steelyard.errors import FileFormatError
from steelyard.workload import TensorSpec, Workload
from steelyard.workload.check import check


@given(workloads())
@settings(deadline=None)
def test_consistent_workloads_pass(load):
    check(load)
    check(load.with_batch(3))
    check(load.select(kind="conv"))


def test_a_long_chain_of_aliases_is_followed_in_linear_time():
    count = 20_000
    tensors = tuple(
        TensorSpec(f"t{i}", (1,), alias_of=f"t{i + 1}" if i + 1 < count else "")
        for i in range(count)
    )
    started = time.process_time()
    check(Workload("chain", (), tensors))
    ring = (*tensors[:-1], replace(tensors[-1], alias_of="t0"))
    with pytest.raises(
        FileFormatError, match=r"tensors\[0\]\.alias_of: 't0' is an alias of itself"
    ):
        check(Workload("ring", (), ring))
    assert time.process_time() - started < 5


def test_a_layer_that_reads_its_own_result():
    net = Net()
    net.tensor("x", (1, 2, 3, 3), "input")
    net.relu("x")
    load = net.finish()
    wrong = replace(load, layers=(replace(load.layers[0], inputs=("l0",)),))
    with pytest.raises(FileFormatError, match=r"layers\[0\]\.inputs: 'l0' is read before"):
        check(wrong)
