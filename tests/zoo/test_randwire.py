"""Random wiring: the generators' laws, that a seed is a network, and counts over twenty seeds."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from statistics import mean, stdev

import networkx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.zoo.random_graphs import Wiring, barabasi_albert, erdos_renyi, watts_strogatz
from steelyard.zoo.randwire import RandomStage, RandWire
from steelyard.zoo.registry import create

seeds = st.integers(0, 2**32)


def graph_of(wiring: Wiring) -> networkx.DiGraph:
    graph = networkx.DiGraph(wiring.edges)
    graph.add_nodes_from(range(wiring.nodes))
    return graph


def check(wiring: Wiring, nodes: int) -> None:
    graph = graph_of(wiring)
    assert graph.number_of_nodes() == wiring.nodes == nodes
    assert networkx.is_directed_acyclic_graph(graph)
    assert networkx.is_weakly_connected(graph)
    assert all(a < b for a, b in wiring.edges)
    assert len(set(wiring.edges)) == len(wiring.edges)
    assert wiring.inputs == tuple(sorted(n for n, d in graph.in_degree() if d == 0))
    assert wiring.outputs == tuple(sorted(n for n, d in graph.out_degree() if d == 0))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=seeds, nodes=st.integers(7, 40), half=st.integers(1, 3), p=st.floats(0, 1))
def test_watts_strogatz(seed: int, nodes: int, half: int, p: float) -> None:
    wiring = watts_strogatz(nodes, 2 * half, p if half > 1 else 0.0, Random(seed))
    check(wiring, nodes)
    assert len(wiring.edges) == nodes * half  # rewiring moves edges, it makes none


def test_watts_strogatz_unrewired_is_the_ring() -> None:
    graph = graph_of(watts_strogatz(12, 4, 0.0, Random(0))).to_undirected()
    assert networkx.utils.graphs_equal(graph, networkx.watts_strogatz_graph(12, 4, 0.0))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=seeds, nodes=st.integers(3, 32), p=st.floats(0.4, 1))
def test_erdos_renyi(seed: int, nodes: int, p: float) -> None:
    check(erdos_renyi(nodes, p, Random(seed)), nodes)


def test_erdos_renyi_has_p_of_all_pairs() -> None:
    counts = [len(erdos_renyi(32, 0.3, Random(seed)).edges) for seed in range(60)]
    pairs = 32 * 31 / 2
    assert mean(counts) == pytest.approx(0.3 * pairs, abs=4 * (0.21 * pairs / 60) ** 0.5)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=seeds, nodes=st.integers(8, 40), m=st.integers(1, 7))
def test_barabasi_albert(seed: int, nodes: int, m: int) -> None:
    wiring = barabasi_albert(nodes, m, Random(seed))
    check(wiring, nodes)
    assert len(wiring.edges) == m * (nodes - m)
    assert wiring.inputs == tuple(range(m))
    assert all(len(wiring.sources(n)) == m for n in range(m, nodes))


def test_barabasi_albert_prefers_high_degrees() -> None:
    """The earliest nodes end with far more edges than the latest (rich get richer)."""
    early, late = [], []
    for seed in range(30):
        degree = graph_of(barabasi_albert(64, 2, Random(seed))).to_undirected().degree
        early.append(mean(degree[n] for n in range(8)))
        late.append(mean(degree[n] for n in range(56, 64)))
    assert mean(early) > 3 * mean(late)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"k": 3}, "WS with k=3 on 32 nodes\nexpected: an even k"),
        ({"k": 32}, "WS with k=32 on 32 nodes"),
        ({"generator": "ba", "m": 32}, "BA with m=32 on 32 nodes"),
        ({"nodes": 100_000}, "at most 1024"),
        ({"generator": "er", "p": 0.0}, r"1000 graphs ER\(p=0.0\) of 32 nodes, none connected"),
        ({"seed": -1}, "seed=-1 is not possible"),
    ],
)
def test_impossible_graphs(settings: dict[str, object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        create("randwire_small", **settings)


def wirings(**settings: object) -> list[list[tuple[int, ...]]]:
    with torch.device("meta"):
        network = create("randwire_small", **settings)
    return [m.sources for m in network.modules() if isinstance(m, RandomStage)]


def test_a_seed_is_a_network() -> None:
    """Stages differ, seeds differ; a seed gives the same graph on every machine and Python."""
    assert wirings(seed=3) == wirings(seed=3)
    assert wirings(seed=3) != wirings(seed=4)
    stages = wirings(seed=3)
    assert all(a != b for a, b in pairwise(stages))
    torch.manual_seed(99)
    assert wirings(seed=3) == stages


def test_drawing_touches_no_global_generator() -> None:
    import random

    random.seed(5)
    state = random.getstate()
    wirings(seed=3)
    assert random.getstate() == state


def test_a_stage_by_hand() -> None:
    """Two inputs, one node that sums both with weights 1/2, two outputs whose mean is taken."""
    stage = RandomStage(3, 4, Wiring(4, ((0, 2), (1, 2), (1, 3)))).eval()
    assert [node.weight is None for node in stage.nodes] == [True, True, False, False]
    x = torch.randn(2, 3, 7, 8)
    with torch.no_grad():
        a, b = stage.nodes[0]([x]), stage.nodes[1]([x])
        node = stage.nodes[2]
        c = node.bn(node.pointwise(node.depthwise(((a + b) / 2).relu())))
        d = stage.nodes[3]([b])
        torch.testing.assert_close(stage(x), (c + d) / 2)
    assert stage(x).shape == (2, 4, 4, 4)


@pytest.mark.parametrize("generator", ["ws", "er", "ba"])
def test_small_networks_learn_everything(generator: str) -> None:
    net = create("randwire_small", generator=generator, filters=8, nodes=8, p=0.6, num_classes=5)
    net(torch.randn(2, 3, 65, 63)).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all()


def test_regular_regime_has_a_stage_of_half_the_nodes() -> None:
    """Table 1 of the paper: conv2 is random wiring with N/2 nodes and C channels."""
    with torch.device("meta"):
        net = create("randwire_regular_109")
    assert isinstance(net, RandWire)
    stages = [m for m in net.trunk() if isinstance(m, RandomStage)]
    assert [len(stage.nodes) for stage in stages] == [16, 32, 32, 32]
    widths = [stage.nodes[-1].bn.num_features for stage in stages]
    assert widths == [109, 218, 436, 872]


def counts(name: str, seeds: range, **settings: object) -> tuple[list[float], list[float]]:
    params, macs = [], []
    for seed in seeds:
        with torch.device("meta"):
            net = create(name, seed=seed, **settings).eval()
        side = settings.get("resolution", 224)
        load = sy.capture(net, input_shape=(1, 3, side, side))
        params.append(load.params / 1e6)
        macs.append(load.macs / 1e6)
    return params, macs


def agree(ours: list[float], theirs: float, spread: float, many: int = 20) -> bool:
    """Means of two samples within three standard errors of their difference."""
    error = (stdev(ours) ** 2 / len(ours) + spread**2 / many) ** 0.5
    return abs(mean(ours) - theirs) < 3 * error


def test_mean_counts_of_the_small_regime() -> None:
    """An independent count over 20 seeds: 5.62 +- 0.09 M parameters, 578 +- 6 M multiply-accumulates."""
    params, macs = counts("randwire_small", range(8))
    assert agree(params, 5.62, 0.09)
    assert agree(macs, 578, 6)
    assert mean(params) == pytest.approx(5.6, rel=0.02)  # the paper
    assert mean(macs) == pytest.approx(583, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings", "params", "macs"),
    [
        # mean and spread of an independent count over 20 seeds; of the spreads only those stated
        ("randwire_small", {}, (5.62, 0.09), (578, 6)),
        ("randwire_regular_109", {}, (32.2, 0.66), (3970, 53)),
        ("randwire_regular_154", {}, (61.97, 1.31), (7811, 106)),
        ("randwire_regular_154", {"resolution": 320}, (61.97, 1.31), (15939, 216)),
    ],
)
def test_mean_counts_over_twenty_seeds(
    name: str,
    settings: dict[str, object],
    params: tuple[float, float],
    macs: tuple[float, float],
) -> None:
    ours = counts(name, range(20), **settings)
    assert agree(ours[0], *params)
    assert agree(ours[1], *macs)
    # spreads of the same order: a factor of two is far outside what 20 draws vary
    assert 0.5 < stdev(ours[0]) / params[1] < 2
    assert 0.5 < stdev(ours[1]) / macs[1] < 2
