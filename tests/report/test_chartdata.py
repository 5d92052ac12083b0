from __future__ import annotations

from steelyard.cost import Cost, cost
from steelyard.report.chartdata import METRICS, layer_bars, metric, module_tree


def test_the_three_statements_of_the_classic_figure(alexnet):
    """Most memory in the early convolutions, most parameters in the first fully connected layer,
    most MACs in the convolutions."""
    bars = {bar.name: bar for bar in layer_bars(cost(alexnet))}
    assert list(bars) == [f"conv{i}" for i in range(1, 6)] + ["fc6", "fc7", "fc8"]
    memory = {name: bar.cost.activation_bytes for name, bar in bars.items()}
    params = {name: bar.cost.params for name, bar in bars.items()}
    macs = {name: bar.cost.macs for name, bar in bars.items()}
    assert sorted(memory, key=memory.get, reverse=True)[:2] == ["conv1", "conv2"]
    assert memory["conv1"] + memory["conv2"] > sum(memory.values()) / 2
    assert max(params, key=params.get) == "fc6"
    assert params["fc6"] > sum(params.values()) / 2
    assert sum(macs[f"conv{i}"] for i in range(1, 6)) > 0.9 * sum(macs.values())
    assert max(macs, key=macs.get) == "conv2"


def test_bars_are_the_layers_that_compute(deep, net_builder):
    assert len(layer_bars(cost(deep))) == 30
    only = net_builder("n", (1, 4, 8, 8)).relu("r").pool("p").flatten().done()
    assert [bar.name for bar in layer_bars(cost(only))] == ["r", "p"]
    unknown = net_builder("n", (1, 4)).linear("fc", 4)
    unknown.add("magic", "unknown", "mylib.magic", unknown.shape)
    assert [bar.name for bar in layer_bars(cost(unknown.done()))] == ["fc", "magic"]


def test_the_module_tree_holds_every_layer_once_and_adds_up(alexnet, deep, hostile_net):
    for load in (alexnet, deep, hostile_net):
        report = cost(load)
        root = module_tree(report)
        leaves = list(root.leaves())
        assert sorted(leaf.bar.index for leaf in leaves) == list(range(len(load.layers)))
        assert root.cost == report.total
        stack = [root]
        while stack:
            node = stack.pop()
            if node.children:
                assert sum((child.cost for child in node.children), Cost()) == node.cost
                stack += node.children


def test_modules_nest_as_their_paths_do(deep):
    root = module_tree(cost(deep))
    assert [child.name for child in root.children] == ["stage0", "stage1", "pool"]
    block = root.children[0].children[0]
    assert block.path == "stage0.block0"
    names = [child.name for child in block.children]
    assert names == ["conv1", "relu", "conv2", "relu#2", "path.dw", "relu#3"]


def test_tree_data_carries_all_metrics(deep):
    report = cost(deep)
    data = module_tree(report).to_dict()
    assert data["v"] == {which: metric(report.total, which) for which in METRICS}
    assert {"n", "p", "v", "c"} == set(data)


def test_a_very_deep_path_does_not_break_the_tree(net_builder):
    path = ".".join("m" * 1 for _ in range(5000))
    load = net_builder("n", (1, 4)).linear("fc", 4, module=path).done()
    root = module_tree(cost(load))
    assert root.cost.macs == 16
    assert len(str(root.to_dict())) < 50_000
