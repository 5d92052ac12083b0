"""Random graphs as wiring: the generators of Erdős-Rényi, Barabási-Albert and Watts-Strogatz; no torch.

Xie et al. 2019 (arXiv:1904.01569), sec. 3.2 and 3.3. They draw from ``random.Random.random`` only, whose
numbers Python guarantees for a seed, so that a seed means the same graph everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from random import Random

from steelyard.errors import UsageError

DRAWS = 1000
"""How often a graph is drawn until one is connected."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """A connected acyclic graph: edges run from the smaller to the larger number.

    Attributes:
        nodes: their count; they are numbered from 0.
        edges: (from, to), sorted.
    """

    nodes: int
    edges: tuple[tuple[int, int], ...]

    def sources(self, node: int) -> tuple[int, ...]:
        """The nodes that feed it."""
        return tuple(a for a, b in self.edges if b == node)

    @property
    def inputs(self) -> tuple[int, ...]:
        """Nodes that no node feeds."""
        fed = {b for _, b in self.edges}
        return tuple(n for n in range(self.nodes) if n not in fed)

    @property
    def outputs(self) -> tuple[int, ...]:
        """Nodes that feed no node."""
        feeding = {a for a, _ in self.edges}
        return tuple(n for n in range(self.nodes) if n not in feeding)


def erdos_renyi(nodes: int, p: float, random: Random) -> Wiring:
    """ER(P): every pair of nodes is joined with probability ``p``; drawn again until connected.

    Raises:
        UsageError: none of `DRAWS` graphs was connected.
    """

    def draw() -> set[tuple[int, int]]:
        return {pair for pair in combinations(range(nodes), 2) if random.random() < p}

    return _connected(nodes, draw, f"ER(p={p})")


def watts_strogatz(nodes: int, k: int, p: float, random: Random) -> Wiring:
    """WS(K, P): a ring, each node joined to its K/2 next on both sides; edges rewired with probability ``p``.

    In K/2 rounds, i = 1 to K/2, clockwise: the edge from v to v + i moves its far end to a node that v
    is not joined to yet. Nodes are numbered clockwise. Drawn again until connected.

    Raises:
        UsageError: K is odd or not below the number of nodes, or none of `DRAWS` graphs was connected.
    """
    if k % 2 or not 2 <= k < nodes:
        raise UsageError(
            f"WS with k={k} on {nodes} nodes", expected="an even k, 2 or more, below that"
        )

    def draw() -> set[tuple[int, int]]:
        edges = {_edge(v, (v + i) % nodes) for i in range(1, k // 2 + 1) for v in range(nodes)}
        for i in range(1, k // 2 + 1):
            for v in range(nodes):
                old = _edge(v, (v + i) % nodes)
                free = [u for u in range(nodes) if u != v and _edge(u, v) not in edges]
                if random.random() < p and free and old in edges:
                    edges.remove(old)
                    edges.add(_edge(v, free[_below(len(free), random)]))
        return edges

    return _connected(nodes, draw, f"WS(k={k}, p={p})")


def barabasi_albert(nodes: int, m: int, random: Random) -> Wiring:
    """BA(M): M nodes without edges; each further node is joined to M others, chosen by their degree.

    The first one, where all degrees are 0, is joined to all M. Nodes are numbered as they come.

    Raises:
        UsageError: M is not below the number of nodes.
    """
    if not 1 <= m < nodes:
        raise UsageError(f"BA with m={m} on {nodes} nodes", expected="1 or more, below that")
    edges = {(v, m) for v in range(m)}
    for new in range(m + 1, nodes):
        ends = [v for edge in sorted(edges) for v in edge]  # each node as often as its degree
        chosen: set[int] = set()
        while len(chosen) < m:
            chosen.add(ends[_below(len(ends), random)])
        edges |= {(v, new) for v in chosen}
    return Wiring(nodes, tuple(sorted(edges)))


def _edge(a: int, b: int) -> tuple[int, int]:
    return (min(a, b), max(a, b))


def _below(n: int, random: Random) -> int:
    return int(random.random() * n)


def _connected(nodes: int, draw: Callable[[], set[tuple[int, int]]], name: str) -> Wiring:
    for _ in range(DRAWS):
        edges = draw()
        reached, frontier = {0}, [0]
        neighbours: dict[int, list[int]] = {n: [] for n in range(nodes)}
        for a, b in edges:
            neighbours[a].append(b)
            neighbours[b].append(a)
        while frontier:
            for n in neighbours[frontier.pop()]:
                if n not in reached:
                    reached.add(n)
                    frontier.append(n)
        if len(reached) == nodes:
            return Wiring(nodes, tuple(sorted(edges)))
    raise UsageError(
        f"{DRAWS} graphs {name} of {nodes} nodes, none connected", expected="a larger p or k"
    )
