"""`compare`: the parts of a difference add up to it, and layers meet their counterparts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from workload_strategies import Net, workloads

from steelyard.cost import Cost, compare, cost
from steelyard.errors import UsageError
from steelyard.workload import Workload

GROUPINGS = [("kind", None), ("op", None), ("type", None), ("stage", None), ("layer", None)] + [
    ("module", depth) for depth in (None, 1, 2)
]


def net(*widths: int, relu: bool = True, prefix: str = "") -> Workload:
    """A chain of 3x3 convolutions; each layer named after its module."""
    load = Net()
    value = load.tensor("x", (1, 4, 8, 8), "input")
    for i, width in enumerate(widths):
        load.module = f"{prefix}block{i}"
        value = load.conv(value, width, 3, pad=1)
        value = load.relu(value) if relu else value
    names = {layer.name: f"{layer.module}.{layer.kind}" for layer in load.layers}
    done = load.finish()
    return replace(
        done, layers=tuple(replace(layer, name=names[layer.name]) for layer in done.layers)
    )


@given(workloads(), workloads())
@settings(deadline=None)
def test_the_parts_add_up_to_the_difference(a, b):
    result = compare(a, b)
    assert result.delta == cost(b).total - cost(a).total
    assert sum((change.delta for change in result.layers), Cost()) == result.delta
    for key, depth in GROUPINGS:
        assert sum(result.by(key, depth).values(), Cost()) == result.delta


@given(workloads(), workloads())
@settings(deadline=None)
def test_every_layer_appears_once_and_b_keeps_its_order(a, b):
    changes = compare(a, b).layers
    assert [c.b.layer for c in changes if c.b] == list(b.layers)
    assert sorted(c.a.name for c in changes if c.a) == sorted(layer.name for layer in a.layers)
    for c in changes:
        assert (c.change == "added") == (c.a is None)
        assert (c.change == "removed") == (c.b is None)
        if c.change in ("same", "renamed"):
            assert c.delta == Cost() and (c.a.name == c.b.name) == (c.change == "same")


@given(workloads(), workloads())
@settings(deadline=None)
def test_swapping_turns_the_difference_round(a, b):
    there, back = compare(a, b), compare(b, a)
    assert there.delta + back.delta == Cost()
    assert {k: Cost() - v for k, v in there.by("kind").items()} == back.by("kind")


@given(workloads())
@settings(deadline=None)
def test_a_workload_differs_from_itself_in_nothing(load):
    result = compare(load, load)
    assert result.delta == Cost() and result.changes == ()
    assert {c.change for c in result.layers} <= {"same"}


def test_a_widened_layer_is_named():
    result = compare(net(8, 8, 4), net(8, 16, 4))
    assert [(c.name, c.change) for c in result.changes] == [
        ("block1.conv", "changed"),
        ("block1.activation", "changed"),
        ("block2.conv", "changed"),
    ]
    assert result.delta.macs == 64 * 9 * (8 * 16 + 16 * 4 - 8 * 8 - 8 * 4)
    assert result.by("module")["block1"].macs == 64 * 9 * 8 * 8
    assert result.by("module")["block0"] == Cost()
    assert result.by("kind")["conv"].params == 9 * (8 * 16 + 16 * 4 - 8 * 8 - 8 * 4)


def test_layers_of_another_name_are_matched_by_what_they_do():
    result = compare(net(8, 8, 4), net(8, 8, 4, prefix="features."))
    assert {c.change for c in result.layers} == {"renamed"} and result.changes == ()
    assert next((c.a.name, c.b.name) for c in result.layers) == (
        "block0.conv",
        "features.block0.conv",
    )


def test_added_and_removed_layers():
    result = compare(net(8, 4), net(8, 4, relu=False))
    assert [(c.name, c.change) for c in result.layers] == [
        ("block0.conv", "same"),
        ("block0.activation", "removed"),
        ("block1.conv", "same"),
        ("block1.activation", "removed"),
    ]
    assert compare(net(8, 4, relu=False), net(8, 4)).changes[0].change == "added"


def test_to_dict_is_json_with_a_schema():
    result = compare(net(8, 8), cost(net(8, 16)))
    data = result.to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["schema"] == "steelyard.comparison/1"
    assert data["delta"]["macs"] == sum(c["delta"]["macs"] for c in data["layers"])
    assert sum(g["params"] for g in data["by_module"].values()) == data["delta"]["params"]
    assert "intensity" not in data["delta"]
    assert repr(result).startswith("<Comparison of <Workload 'net'")


def test_only_workloads_and_reports_are_compared():
    with pytest.raises(UsageError, match="compare\\(\\) was given str"):
        compare(net(4), "resnet50")  # type: ignore[arg-type]
