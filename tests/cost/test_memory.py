"""Liveness against a simulation that tries every order of execution, and against sums by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workload_strategies import Net, workloads

from steelyard.cost.memory import peak_activation_memory
from steelyard.errors import UsageError
from steelyard.workload import Layer, TensorSpec, Workload

# ---- the independent simulation ----------------------------------------------------------------


def owners(load: Workload) -> dict[str, str]:
    """Tensor -> owner of its storage; parameters and what looks at them have none."""
    found = {}
    for tensor in load.tensors:
        owner = tensor
        while owner.alias_of:
            owner = load.tensor(owner.alias_of)
        if owner.role in ("input", "activation"):
            found[tensor.name] = owner.name
    return found


def without_inplace(load: Workload) -> Workload:
    """The same network with every in-place layer writing a tensor of its own."""
    alias: dict[str, str] = {}
    for layer in load.layers:
        shares = layer.kind == "view"
        alias[layer.outputs[0]] = (alias.get(layer.inputs[0]) or layer.inputs[0]) if shares else ""
    return replace(
        load,
        layers=tuple(replace(layer, inplace=False) for layer in load.layers),
        tensors=tuple(replace(t, alias_of=alias.get(t.name, t.alias_of)) for t in load.tensors),
    )


def legal_orders(load: Workload):
    """Every order in which each layer finds its operands made and in the state it saw as written.

    Each storage has a version that in-place layers raise; a layer must meet the versions it met in the
    written order.
    """
    storage = owners(load)

    def run(layer: Layer, versions: dict[str, int]) -> tuple:
        seen = tuple(versions.get(storage.get(n, ""), 0) for n in layer.inputs)
        if layer.inplace:
            root = storage[layer.outputs[0]]
            versions[root] = versions.get(root, 0) + 1
        return seen

    versions: dict[str, int] = {}
    expected = {layer.name: run(layer, versions) for layer in load.layers}
    made_by_layers = {n for layer in load.layers for n in layer.outputs}

    def extend(order, versions, made):
        if len(order) == len(load.layers):
            yield order
        for layer in load.layers:
            if layer in order or not made_by_layers & set(layer.inputs) <= made:
                continue
            then = dict(versions)
            if run(layer, then) == expected[layer.name]:
                yield from extend([*order, layer], then, made | set(layer.outputs))

    yield from extend([], {}, set())


def simulate(load: Workload, order, *, elementwise=False, keep_inputs=False) -> list[int]:
    """Bytes live at each step: allocate what is new, add up, free what nobody will use again."""
    storage = owners(load)

    def touched(layer):
        return {storage[n] for n in (*layer.inputs, *layer.outputs) if n in storage}

    kept = {storage[n] for n in load.outputs if n in storage}
    if keep_inputs:
        kept |= {storage[n] for n in load.inputs}
    created = {n for layer in load.layers for n in layer.outputs if storage.get(n) == n}
    wanted = kept | {r for layer in load.layers for r in touched(layer)}
    live = wanted - created
    steps = []
    for step, layer in enumerate(order):
        live |= touched(layer)
        later = {r for other in order[step + 1 :] for r in touched(other)} | kept
        saved = overlap(load, layer, storage, later) if elementwise else 0
        steps.append(sum(load.tensor(r).nbytes for r in live) - saved)
        live &= later
    return steps


def overlap(load: Workload, layer: Layer, storage, later) -> int:
    """Bytes of the result if it may take the place of an operand that dies here."""
    result = load.tensor(layer.outputs[0])
    if (
        layer.kind not in ("elementwise", "activation", "norm")
        or storage[result.name] != result.name
    ):
        return 0
    for name in layer.inputs:
        operand = load.tensor(name)
        twins = {n for n in layer.inputs if storage.get(n) == storage.get(name)}
        if (
            name in storage
            and storage[name] not in later
            and twins == {name}
            and operand.nbytes >= result.nbytes
            and operand.numel >= result.numel
            and load.tensor(storage[name]).nbytes >= operand.nbytes
        ):
            return result.nbytes
    return 0


# ---- properties --------------------------------------------------------------------------------

MODES = st.sampled_from(["as_written", "elementwise", "never"])
NETWORKS = workloads(max_layers=6, dtypes=("int8", "float32"))


@given(NETWORKS, MODES, st.booleans())
@settings(deadline=None, max_examples=250)
def test_against_all_orders(load, mode, keep):
    plain = without_inplace(load) if mode == "never" else load
    kwargs = {"elementwise": mode == "elementwise", "keep_inputs": keep}
    result = peak_activation_memory(load, inplace=mode, keep_inputs=keep)
    written = simulate(plain, plain.layers, **kwargs)
    assert list(result.timeline) == written
    assert result.peak_bytes == max(written, default=0)
    best = min(
        (max(simulate(plain, order, **kwargs), default=0) for order in legal_orders(plain)),
        default=0,
    )
    assert result.best_order_bytes == best
    assert result.lower_bound_bytes <= best <= result.peak_bytes


@given(workloads(max_layers=14), MODES, st.booleans())
@settings(deadline=None)
def test_the_parts_agree(load, mode, keep):
    result = peak_activation_memory(load, inplace=mode, keep_inputs=keep)
    assert len(result.timeline) == len(load.layers)
    assert result.peak_bytes == max(result.timeline, default=0)
    assert sum(t.nbytes for t in result.live) == result.peak_bytes
    sizes = [t.nbytes for t in result.live]
    assert sizes == sorted(sizes, reverse=True)
    if load.layers:
        names = [layer.name for layer in load.layers]
        assert names.index(result.at_layer) == result.timeline.index(result.peak_bytes)
        assert all(t.made_by == "" or t.made_by in names for t in result.live)


@given(workloads(max_layers=12))
@settings(deadline=None)
def test_more_reuse_needs_no_more(load):
    written = peak_activation_memory(load).peak_bytes
    assert peak_activation_memory(load, inplace="elementwise").peak_bytes <= written
    assert written <= peak_activation_memory(load, inplace="never").peak_bytes
    assert written <= peak_activation_memory(load, keep_inputs=True).peak_bytes


@given(workloads(), st.integers(2, 5))
@settings(deadline=None)
def test_scales_with_the_batch(load, n):
    if all(layer.kind != "create" for layer in load.layers):
        once = peak_activation_memory(load.with_batch(1)).peak_bytes
        assert peak_activation_memory(load.with_batch(n)).peak_bytes == n * once


# ---- by hand -----------------------------------------------------------------------------------


def residual() -> Workload:
    """x (64 B) -> conv (64 B) -> relu_ -> conv (64 B) -> + x, all int8 of 4 channels on 4x4."""
    net = Net(dtype="int8")
    net.tensor("x", (1, 4, 4, 4), "input")
    net.conv("x", 4, 3, pad=1)
    net.relu("l0", inplace=True)
    net.conv("l1", 4, 3, pad=1)
    net.binary("add", "l2", "x")
    return net.finish()


def test_a_residual_block_by_hand():
    result = peak_activation_memory(residual())
    assert result.timeline == (128, 128, 192, 192)
    assert (result.peak_bytes, result.at_layer) == (192, "l2")
    assert {t.name for t in result.live} == {"x", "l0", "l2"}  # l1 lives in l0's place
    assert result.lower_bound_bytes == result.best_order_bytes == 192
    assert peak_activation_memory(residual(), inplace="never").timeline == (128, 192, 192, 192)
    assert peak_activation_memory(residual(), inplace="elementwise").timeline == (
        128,
        128,
        192,
        128,
    )
    assert peak_activation_memory(residual(), keep_inputs=True).timeline == (128, 128, 192, 192)


def test_a_better_order_is_found():
    """Two branches that widen and narrow again: one after the other beats both at once."""
    net = Net(dtype="int8")
    net.tensor("x", (1, 1, 2, 2), "input")
    wide_a, wide_b = net.conv("x", 100), net.conv("x", 100)
    net.binary("add", net.conv(wide_a, 1), net.conv(wide_b, 1))
    result = peak_activation_memory(net.finish())
    assert result.peak_bytes == 4 + 400 + 400  # x and both wide ones
    assert result.best_order_bytes == 4 + 400 + 4  # x, one wide one, its narrow result
    assert peak_activation_memory(net.finish(), state_cap=1).best_order_bytes is None


def test_views_and_parameters_take_no_memory():
    load = Workload(
        "views",
        (
            Layer("v", "view", "aten.t", outputs=("v",), params=("w",)),
            Layer("mm", "matmul", "aten.mm", inputs=("x", "v"), outputs=("mm",)),
            Layer("flat", "view", "aten.flatten", inputs=("mm",), outputs=("flat",)),
        ),
        (
            TensorSpec("x", (2, 3), "int8", "input"),
            TensorSpec("w", (5, 3), "int8", "parameter"),
            TensorSpec("v", (3, 5), "int8", alias_of="w"),
            TensorSpec("mm", (2, 5), "int8"),
            TensorSpec("flat", (10,), "int8", alias_of="mm"),
        ),
        ("x",),
        ("flat",),
    )
    assert peak_activation_memory(load).timeline == (6, 16, 10)


def test_an_operand_that_is_broadcast_is_not_overwritten():
    net = Net(dtype="int8")
    net.tensor("x", (1, 4, 4, 4), "input")
    net.conv("x", 1)  # (1, 1, 4, 4)
    net.add("elementwise", "aten.mul", ["l0"], (1, 4, 4, 4))
    result = peak_activation_memory(net.finish(), inplace="elementwise")
    assert result.timeline == (64 + 16, 16 + 64)


def test_an_empty_workload_needs_nothing():
    result = peak_activation_memory(Workload("empty", (), ()))
    assert (result.peak_bytes, result.at_layer, result.timeline, result.live) == (0, "", (), ())


def test_the_mode_must_be_known():
    with pytest.raises(UsageError, match="inplace='always'\nexpected: 'as_written', 'elementwise'"):
        peak_activation_memory(residual(), inplace="always")  # type: ignore[arg-type]


def test_to_dict_is_plain():
    data = peak_activation_memory(residual()).to_dict()
    assert data["peak_bytes"] == 192 and data["timeline"] == [128, 128, 192, 192]
    assert data["live"][0] == {"name": "x", "shape": [1, 4, 4, 4], "bytes": 64, "made_by": ""}
