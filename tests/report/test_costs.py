from __future__ import annotations

import pytest

from steelyard.cost import cost
from steelyard.errors import UsageError
from steelyard.report.costs import BY, SORT, cost_table, layer_records

NUMBERS = ("params", "macs", "macs_share", "ops", "activation_bytes", "access_bytes")


def total_of(table, key):
    index = [column.key for column in table.columns].index(key)
    return sum(row[index] or 0 for row in (*table.rows, *table.rest)), table.total[index]


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("sort", [None, *SORT])
@pytest.mark.parametrize("show_all", [False, True])
@pytest.mark.parametrize("limit", [None, 1, 3])
def test_what_is_shown_and_what_is_summed_up_adds_to_the_total(
    alexnet, deep, by, sort, show_all, limit
):
    for load in (alexnet, deep):
        table = cost_table(cost(load), by=by, sort=sort, show_all=show_all, limit=limit)
        for key in NUMBERS:
            parts, total = total_of(table, key)
            assert parts == pytest.approx(total, rel=1e-12), key
        assert len(table.rows) <= (limit or len(load.layers))


def test_totals_of_alexnet_are_the_published_ones(alexnet):
    """Sze et al. (2017), table II: 61 M weights and 724 M MACs; Caffe's counts to the unit."""
    table = cost_table(cost(alexnet))
    assert total_of(table, "params")[1] == 60_965_224
    assert total_of(table, "macs")[1] == 724_406_816


def test_a_small_network_hides_only_what_is_free(alexnet):
    table = cost_table(cost(alexnet))
    assert len(table.rows) == 18
    assert "flatten" not in table.column("layer")
    assert table.notes == ("1 layer is summed up by kind: 1 view; --all or show_all=True lists it",)
    everything = cost_table(cost(alexnet), show_all=True)
    assert len(everything.rows) == len(alexnet.layers) == 19
    assert not everything.rest
    assert not everything.notes


def test_a_large_network_shows_what_computes_and_says_what_is_summed_up(deep):
    table = cost_table(cost(deep))
    assert len(deep.layers) == 61
    assert len(table.rows) == 30
    assert [row[0] for row in table.rest] == ["activation (30)", "pool (1)"]
    assert table.notes == (
        "31 layers are summed up by kind: 30 activations, 1 pooling layer; "
        "--all or show_all=True lists them",
    )


def test_sorting_puts_the_largest_first(alexnet):
    report = cost(alexnet)
    assert cost_table(report, sort="macs").column("layer")[0] == "conv2"
    assert cost_table(report, sort="params").column("layer")[0] == "fc6"
    assert cost_table(report, sort="memory").column("layer")[:2] == ("conv1", "relu1")
    assert cost_table(report, sort="access").column("layer")[0] == "fc6"
    order = [layer.name for layer in alexnet.layers if layer.name != "flatten"]
    assert list(cost_table(report).column("layer")) == order


def test_limit_says_how_many_rows_it_sums_up(alexnet):
    table = cost_table(cost(alexnet), limit=5)
    assert len(table.rows) == 5
    assert table.rest[0][0] == "13 more rows"
    assert table.notes[0].startswith("13 more rows are summed up in one")


def test_modules_are_cut_to_the_depth(deep):
    table = cost_table(cost(deep), by="module", depth=1)
    assert table.column("module") == ("stage0", "stage1", "pool")
    assert table.column("layers") == (30, 30, 1)


def test_unknown_operators_are_never_hidden(net_builder):
    net = net_builder("n", (1, 4, 8, 8))
    for i in range(50):
        net.relu(f"relu{i}")
    net.add("magic", "unknown", "mylib.magic", net.shape)
    table = cost_table(cost(net.done()))
    assert table.column("operator") == ("unknown: mylib.magic",)


def test_a_network_without_macs_has_no_share(net_builder):
    table = cost_table(cost(net_builder("n", (1, 4)).relu("r").done()))
    assert table.column("macs_share") == (None,)
    assert table.total[5] is None


def test_shared_parameters_are_said(alexnet):
    from dataclasses import replace

    again = replace(alexnet.layers[0], name="conv1#2", outputs=("again",))
    tensors = (*alexnet.tensors, replace(alexnet.tensor("conv1:out"), name="again"))
    load = replace(alexnet, layers=(*alexnet.layers, again), tensors=tensors)
    assert "parameters that several layers share are counted at the first of them" in (
        cost_table(cost(load)).notes
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "color"}, "cannot list the cost by 'color'\nexpected: one of layer, op, module"),
        (
            {"sort": "flops"},
            "cannot sort by 'flops'\nexpected: one of macs, params, memory, access",
        ),
        ({"limit": 0}, "limit=0 leaves no row\nexpected: limit >= 1"),
        ({"depth": 2}, r"groupby\('layer', depth=2\) makes no sense"),
        ({"by": "kind", "depth": 2}, r"groupby\('kind', depth=2\) makes no sense"),
    ],
)
def test_arguments_that_make_no_sense_are_explained(alexnet, arguments, message):
    with pytest.raises(UsageError, match=message):
        cost_table(cost(alexnet), **arguments)


def test_records_hold_every_layer_and_field(deep):
    table = layer_records(cost(deep))
    assert len(table.rows) == 61
    assert table.column("module")[:2] == ("stage0.block0.conv1", "stage0.block0")
    assert sum(table.column("macs")) == deep.macs
