"""`tally`: each count of a layer against its definition worked out another way."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workload_strategies import Net, workloads

from steelyard.cost.counts import Cost, add_up, tally
from steelyard.workload import Layer, TensorSpec, Workload


@given(
    st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3),
    st.integers(3, 9), st.integers(3, 9), st.booleans(), st.sampled_from([("float32", 4), ("bfloat16", 2)]),
)  # fmt: skip
def test_access_of_a_convolution(n, c, m, g, k, h, w, bias, dtype):
    """bytes x (N C H W + N M P Q + M (C/G) R S + M)."""
    net = Net(dtype=dtype[0])
    c, m = c * g, m * g
    net.tensor("x", (n, c, h, w), "input")
    net.conv("x", m, k, groups=g, bias=bias)
    (row,) = tally(net.finish())
    params, macs, ops, activation, access, param_bytes, shared = row
    p, q = h - k + 1, w - k + 1
    weights = m * (c // g) * k * k
    assert access == dtype[1] * (n * c * h * w + n * m * p * q + weights + m * bias)
    assert activation == dtype[1] * n * m * p * q
    assert (params, param_bytes) == (weights + m * bias, dtype[1] * (weights + m * bias))
    assert (macs, ops, shared) == (n * p * q * weights, 0, False)


@given(workloads())
@settings(deadline=None)
def test_every_row_by_its_definition(load):
    seen: set[str] = set()
    for layer, row in zip(load.layers, tally(load), strict=True):
        params, macs, ops, activation, access, param_bytes, shared = row
        out = sum(load.tensor(t).nbytes for t in layer.outputs)
        if layer.kind == "view":
            assert (activation, access) == (0, 0)
        elif layer.kind == "create":
            assert (activation, access) == (out, out)
        else:
            read = {load.tensor(t) for t in (*layer.inputs, *layer.params)}
            assert (activation, access) == (out, out + sum(t.nbytes for t in read))
        weights = {t for t in layer.params if load.tensor(t).role == "parameter"}
        new = weights - seen
        assert params == sum(prod(load.tensor(t).shape) for t in new)
        assert param_bytes == sum(load.tensor(t).nbytes for t in new)
        assert shared == bool(weights & seen)
        assert (macs, ops) == (layer.macs, layer.ops)
        seen |= weights


def test_buffers_are_read_but_are_no_params():
    net = Net()
    net.tensor("x", (1, 8, 2, 2), "input")
    net.norm("x")
    (row,) = tally(net.finish())
    assert row[0] == 16  # scale and shift
    assert row[4] == 4 * (32 + 32 + 16 + 16)  # in, out, scale and shift, mean and variance


def test_an_embedding_reads_only_the_rows_that_it_copies():
    load = Workload(
        "words",
        (Layer("e", "embedding", "aten.embedding", inputs=("i",), outputs=("e",), params=("table",)),),
        (
            TensorSpec("i", (1, 7), "int64", "input"),
            TensorSpec("table", (50_000, 16), "float32", "parameter"),
            TensorSpec("e", (1, 7, 16)),
        ),
        ("i",),
        ("e",),
    )  # fmt: skip
    (row,) = tally(load)
    assert row[4] == 7 * 8 + 7 * 16 * 4 + 7 * 16 * 4
    assert row[0] == 50_000 * 16


COSTS = st.builds(Cost, *[st.integers(0, 10**12)] * 7)


@given(COSTS, COSTS)
def test_costs_add_and_subtract(a, b):
    both = a + b
    assert both - b == a and both == b + a and a + Cost() == a
    assert both.macs == a.macs + b.macs and both.flops == 2 * (a.macs + b.macs)


def test_intensity_is_macs_per_byte():
    assert Cost(macs=100, access_bytes=40).intensity == 2.5
    assert Cost().intensity == 0.0
    assert Cost(macs=3, access_bytes=2).to_dict()["intensity"] == 1.5


def test_costs_add_only_to_costs():
    with pytest.raises(TypeError):
        Cost() + 1  # type: ignore[operator]
    with pytest.raises(TypeError):
        Cost() - 1  # type: ignore[operator]


def test_nothing_adds_up_to_nothing():
    assert add_up([]) == Cost()
