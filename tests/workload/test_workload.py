"""Properties of `Workload`: grouping, selecting, equality, scaling with the batch and the dtype."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workload_strategies import KINDS, Net, workloads

from steelyard.errors import InputError, UsageError
from steelyard.workload import DTYPE_BITS, Layer, LoopNest, TensorSpec, Workload

GROUPINGS = [("kind", None), ("op", None), ("type", None), ("stage", None), ("layer", None)] + [
    ("module", depth) for depth in (None, 1, 2, 3, 9)
]


def small() -> Workload:
    """conv 3x3 2->4 on 8x8, in-place relu, flatten, linear to 10; macs by hand below."""
    net = Net()
    net.tensor("x", (2, 2, 8, 8), "input")
    net.module = "features.0"
    net.conv("x", 4, 3, pad=1)
    net.relu("l0", inplace=True)
    net.module = "head"
    net.flatten("l1")
    net.linear("l2", 10)
    return net.finish()


def test_totals_by_hand():
    load = small()
    assert load.macs == 2 * 4 * 2 * 9 * 64 + 2 * 256 * 10
    assert load.params == 4 * 2 * 9 + 256 * 10
    assert load.batch == 2
    assert load.coverage.fraction == 1.0
    assert repr(load) == "<Workload 'net': 4 layers, 14336 macs, 2632 params, from module>"


@given(workloads())
@settings(deadline=None)
@pytest.mark.parametrize(("key", "depth"), GROUPINGS)
def test_every_grouping_splits_the_layers(key, depth, load):
    groups = load.groupby(key, depth=depth)
    members = [layer for group in groups.values() for layer in group]
    assert sorted(members, key=lambda a: a.name) == sorted(load.layers, key=lambda a: a.name)
    assert sum(layer.macs for layer in members) == load.macs
    for group in groups.values():  # within a group in the order of execution
        places = [load.layers.index(layer) for layer in group]
        assert places == sorted(places)


@given(workloads(), st.integers(1, 4))
def test_module_groups_nest(load, depth):
    fine, coarse = load.groupby("module", depth=depth + 1), load.groupby("module", depth=depth)
    for path, layers in coarse.items():
        inner = [g for p, g in fine.items() if ".".join(p.split(".")[:depth]) == path]
        assert sum(map(len, inner)) == len(layers)


def test_groups_are_named_as_documented():
    load = small()
    assert list(load.groupby("module")) == ["features.0", "head"]
    assert list(load.groupby("module", depth=1)) == ["features", "head"]
    assert list(load.groupby("kind")) == ["conv", "activation", "view", "linear"]
    assert list(load.groupby("stage")) == ["8x8", "1x1"]


@pytest.mark.parametrize(
    ("key", "depth", "text"),
    [
        ("colour", None, "cannot group by 'colour'"),
        ("kind", 1, "depth >= 1, with key 'module' only"),
        ("module", 0, "groupby\\('module', depth=0\\) makes no sense"),
    ],
)
def test_groupby_refuses_nonsense(key, depth, text):
    with pytest.raises(UsageError, match=text):
        small().groupby(key, depth=depth)


@given(workloads())
@settings(deadline=None)
def test_params_are_the_distinct_weights_that_layers_read(load):
    read = {name for layer in load.layers for name in layer.params}
    weights = [t for t in load.tensors if t.role == "parameter"]
    assert load.params == sum(t.numel for t in weights if t.name in read)
    assert load.params + load.unused_params == sum(t.numel for t in weights)


@given(workloads())
def test_coverage_names_what_is_unknown(load):
    missed = sum(layer.op == "mylib.mystery" for layer in load.layers)
    assert load.coverage.known == len(load.layers) - missed
    assert load.coverage.unknown == ((("mylib.mystery", missed),) if missed else ())
    assert (load.coverage.fraction == 1.0) == (missed == 0)


@given(workloads(), workloads())
@settings(deadline=None)
def test_equality_and_hash_are_by_content(a, b):
    twin = Workload.from_json(a.to_json())
    assert twin is not a and twin == a and hash(twin) == hash(a) and twin.digest == a.digest
    if a.layers or b.layers or a.tensors != b.tensors:
        assert (a == b) == (repr(a.layers) + repr(a.tensors) == repr(b.layers) + repr(b.tensors))
    if a == b:
        assert hash(a) == hash(b)
    renamed = replace(a, name="other")
    assert renamed != a and renamed.digest == a.digest
    assert replace(a, warnings=("careful",)) == a


@given(workloads(), st.data())
@settings(deadline=None)
def test_select_keeps_what_meets_all_conditions(load, data):
    kind = data.draw(st.sampled_from(["conv", "view", "activation"]))
    module = data.draw(st.sampled_from(["a", "a.b", "d"]))
    part = load.select(kind=[kind, "norm"], module=module)
    assert part.layers == tuple(
        layer
        for layer in load.layers
        if layer.kind in (kind, "norm") and (layer.module + ".").startswith(module + ".")
    )
    written = {n for layer in part.layers for n in layer.outputs}
    read = {n for layer in part.layers for n in layer.inputs}
    assert set(part.inputs) == read - written
    assert written - read <= set(part.outputs) <= written
    names = {t.name for t in part.tensors}
    assert names >= written | read | {n for layer in part.layers for n in layer.params}
    assert all(t.alias_of in names for t in part.tensors if t.alias_of)
    assert load.select() == replace(load, tensors=load.select().tensors, inputs=load.select().inputs,
                                    outputs=load.select().outputs)  # fmt: skip


def test_select_where():
    load = small()
    part = load.select(where=lambda layer: layer.macs > 0)
    assert [layer.kind for layer in part.layers] == ["conv", "linear"]
    assert part.macs == load.macs
    assert part.inputs == ("x", "l2") and part.outputs == ("l0", "l3")
    assert load.select(kind="conv").macs + load.select(kind="linear").macs == load.macs


@given(workloads(kinds=[kind for kind in KINDS if kind != "zeros"]), st.integers(1, 7))
@settings(deadline=None)
def test_batch_there_and_back(load, n):
    assert load.with_batch(n).with_batch(load.batch) == load


@given(workloads(), st.integers(1, 7))
@settings(deadline=None)
def test_batch_scales_activations_and_macs_and_leaves_params(load, n):
    bigger = load.with_batch(n)
    assert bigger.batch == n
    assert bigger.params == load.params
    follows = set(load.inputs)
    for layer, scaled in zip(load.layers, bigger.layers, strict=True):
        if follows.isdisjoint(layer.inputs):
            assert scaled == layer  # made from nothing: the batch does not reach it
            continue
        follows.update(layer.outputs)
        assert scaled.macs * load.batch == layer.macs * n
        assert scaled.ops * load.batch == layer.ops * n
    for tensor in load.tensors:
        factor = n if tensor.name in follows else load.batch
        assert bigger.tensor(tensor.name).numel * load.batch == tensor.numel * factor


def test_batch_by_hand_with_attention_like_products():
    net = Net()
    net.tensor("x", (2, 3, 5, 7), "input")
    net.matmul("x", "x")
    load = net.finish().with_batch(6)
    assert load.macs == 6 * 3 * 5 * 7 * 5
    assert load.layers[1].nests == (LoopNest.matmul(18, 5, 7, 5),)
    assert load.tensor("l1").shape == (6, 3, 5, 5)


@pytest.mark.parametrize(
    ("nest", "shapes"),
    [
        # the second operand was made from nothing, for the old batch: (2, 3, 5) @ (2, 5, 7)
        (LoopNest.matmul(2, 3, 5, 7), [("x", (2, 3, 5)), ("z", (2, 5, 7))]),
        # what depends on the input stands second: (3, 5) @ (5, 2), a column for each sample
        (LoopNest.linear(3, 5, 2), [("w", (3, 5)), ("x", (2, 5))]),
    ],
)
def test_batch_in_another_dimension_of_a_product(nest, shapes):
    tensors = tuple(TensorSpec(n, s, role="input" if n == "x" else "constant") for n, s in shapes)
    layer = Layer("mm", "matmul", "aten.mm", inputs=tuple(n for n, _ in shapes), nests=(nest,))
    load = Workload("product", (layer,), tensors, ("x",)).with_batch(6)
    assert load.macs == 3 * nest.macs


@pytest.mark.parametrize("n", [0, -1])
def test_batch_must_be_positive(n):
    with pytest.raises(UsageError, match=f"cannot go from batch 2 to {n}"):
        small().with_batch(n)


@given(workloads(), st.sampled_from(sorted(DTYPE_BITS)))
@settings(deadline=None)
def test_dtype_changes_floating_tensors_only(load, dtype):
    other = load.with_dtype(dtype)
    assert other.layers == load.layers and other.macs == load.macs and other.params == load.params
    for tensor in load.tensors:
        floating = tensor.dtype in ("float32", "bfloat16")
        assert other.tensor(tensor.name) == replace(
            tensor, dtype=dtype if floating else tensor.dtype
        )


def test_dtype_must_be_known():
    with pytest.raises(InputError, match="no dtype is named 'float33'"):
        small().with_dtype("float33")


def test_looking_up_what_is_not_there():
    with pytest.raises(InputError, match="workload 'net' has no tensor 'y'"):
        small().tensor("y")
    with pytest.raises(InputError, match="workload 'net' has no layer 'y'"):
        small().layer("y")
    assert small().layer("l0").kind == "conv"


def test_an_empty_workload():
    load = Workload("empty", (), ())
    assert (load.macs, load.params, load.batch, load.coverage.fraction) == (0, 0, 1, 1.0)
    assert load.groupby("kind") == {} and load.with_batch(3) == load
    assert load.select(kind="conv") == load


def test_resolution_scales_convolutions_by_area():
    def at(size: int) -> Workload:
        net = Net()
        net.tensor("x", (1, 3, size, size), "input")
        net.relu(net.conv("x", 8, 3, pad=1))
        return net.finish()

    assert at(64).macs == 4 * at(32).macs and at(64).params == at(32).params


def test_a_layer_of_several_nests_has_no_single_one():
    nest = LoopNest.linear(1, 2, 3)
    assert Layer("a", "linear", "aten.mm", nests=(nest,)).nest == nest
    both = Layer("a", "attention", "aten.sdpa", nests=(nest, nest))
    assert both.nest is None and both.macs == 2 * 6


@pytest.mark.parametrize(
    ("dtype", "shape", "nbytes"),
    [("float32", (2, 3), 24), ("int4", (3,), 2), ("bool", (5,), 5), ("float16", (0, 7), 0), ("complex64", (), 8)],
)  # fmt: skip
def test_bytes_of_a_tensor(dtype, shape, nbytes):
    assert TensorSpec("t", shape, dtype).nbytes == nbytes
