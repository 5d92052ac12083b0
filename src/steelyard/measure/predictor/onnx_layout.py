"""`blocked`: which nodes ONNX Runtime computes in blocks of channels, what it fuses then, and where it reorders.

As its `NchwcTransformer` does (onnxruntime/core/optimizer/nchwc_transformer.cc).
"""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.measure.predictor.onnx_graph import Graph, Node

ALIGNED = 4
"""What the number of channels must be a multiple of."""

_ELEMENTWISE = (
    "Relu", "Sigmoid", "Tanh", "QuickGelu", "Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "Gelu",
)  # fmt: skip
"""Computed in whatever layout their input has."""

_NOT_FUSED = ("QuickGelu", "Gelu")


def block_of(flags: str) -> int:
    """Channels of a block on a processor with such flags; 0 where none are used."""
    found = flags.split()
    return 16 if "avx512f" in found else 8 if {"avx2", "fma"} <= set(found) else 0


def blocked(graph: Graph, block: int) -> list[Node]:
    """The nodes that run, reorders among them, in order; ``block`` is the number of channels in one."""
    layout = _Layout(graph, block)
    if block:
        for node in graph.nodes:
            layout.visit(node)
    kept = _join_plain(graph, _apart(graph, layout.kept()), layout.readers)
    nodes: list[Node] = []
    given: set[str] = set()
    for node in kept:
        for name in node.reads:
            if node.blocked and name in layout.entered and name not in given:
                nodes.append(Node("ReorderInput", [name], [name]))
                given.add(name)
        nodes.append(node)
        nodes += [
            Node("ReorderOutput", [name], [name]) for name in node.writes if layout.wanted(name)
        ]
    return nodes


def _apart(graph: Graph, nodes: list[Node]) -> list[Node]:
    """An activation that no convolution took over and that has no kernel of its own is two nodes."""
    found: list[Node] = []
    for node in nodes:
        if node.op != "HardSwish":
            found.append(node)
            continue
        inner = f"{node.writes[0]}/gate"
        graph.shapes[inner] = graph.shapes[node.writes[0]]
        found.append(Node("HardSigmoid", node.reads, [inner], blocked=node.blocked))
        found.append(Node("Mul", [*node.reads, inner], node.writes, blocked=node.blocked))
    return found


@dataclass(slots=True)
class _Blocked:
    """A tensor in blocks.

    Attributes:
        node: that makes it.
        channels: that it has.
        uses: how often it is read.
        plain: how often by what needs it in plain layout.
    """

    node: Node
    channels: int
    uses: int
    plain: int


class _Layout:
    """The state of one pass over the nodes.

    Attributes:
        readers: how often each tensor is read.
        inside: tensors in blocks.
        entered: tensors that are brought into blocks.
    """

    def __init__(self, graph: Graph, block: int) -> None:
        self.graph, self.block = graph, block
        self.readers = graph.readers()
        self.inside: dict[str, _Blocked] = {}
        self.entered: set[str] = set()
        self._gone: set[int] = set()

    def kept(self) -> list[Node]:
        """The nodes that no other took over."""
        return [node for node in self.graph.nodes if id(node) not in self._gone]

    def wanted(self, name: str) -> bool:
        """Whether a tensor in blocks is read in plain layout as well."""
        return name in self.inside and self.inside[name].plain > 0

    def visit(self, node: Node) -> None:
        """Brings one node into blocks, where that is done."""
        shape = self.graph.shapes[node.writes[0]] if node.writes else ()
        every = bool(node.reads) and all(name in self.inside for name in node.reads)
        if node.op == "Conv" and len(shape) == 4:
            if self._fits(node):
                if not (node.nest is not None and node.nest.G == 1 and self.block > node.nest.C):
                    self._enter(node.reads[0])
                self._leave(node, shape[1])
        elif node.op in ("MaxPool", "AveragePool") and len(shape) == 4:
            if shape[1] % self.block == 0:
                self._enter(node.reads[0])
                self._leave(node, shape[1])
        elif every:
            self._follow(node, shape)

    def _follow(self, node: Node, shape: tuple[int, ...]) -> None:
        """What is computed in blocks only if all that it reads is there."""
        made = self.inside[node.reads[0]]
        if node.op in ("GlobalAveragePool", "GlobalMaxPool"):
            if made.channels % self.block == 0:
                made.plain -= 1
                self._leave(node, made.channels)
        elif node.op in ("Add", "Mul") and len(node.reads) == 2:
            self._binary(node)
        elif node.op == "Concat":
            if all(self.inside[name].channels % self.block == 0 for name in node.reads):
                for name in node.reads:
                    self.inside[name].plain -= 1
                self._leave(node, shape[1])
        elif node.op in _ELEMENTWISE:
            made.plain -= 1
            if _can_take(made) and node.op not in _NOT_FUSED:
                made.node.activation = node.op
                self._replace(node, made)
            else:
                self._leave(node, made.channels)
        elif node.op in ("BatchNormalization", "Resize"):
            made.plain -= 1
            if node.op == "BatchNormalization":
                node.op = "Conv"  # depthwise, one weight a channel
            self._leave(node, made.channels)

    def _fits(self, node: Node) -> bool:
        nest = node.nest
        if nest is None or nest.transposed:
            return False
        if nest.G == 1:
            return self.block > nest.C or nest.C % ALIGNED == 0
        if nest.C == nest.G == nest.M:
            return nest.M % ALIGNED == 0
        return nest.C // nest.G % self.block == 0 and nest.M // nest.G % self.block == 0

    def _enter(self, name: str) -> None:
        if name in self.inside:
            self.inside[name].plain -= 1
        else:
            self.entered.add(name)

    def _leave(self, node: Node, channels: int) -> None:
        node.blocked = True
        uses = self.readers.get(node.writes[0], 0)
        self.inside[node.writes[0]] = _Blocked(node, channels, uses, uses)

    def _binary(self, node: Node) -> None:
        first, second = node.reads
        if self.graph.shapes[first] != self.graph.shapes[second]:
            return
        for name in node.reads:
            self.inside[name].plain -= 1
        if node.op == "Add":
            for name, other in ((first, second), (second, first)):
                made = self.inside[name]
                if _can_take(made) and not made.node.addend:
                    made.node.addend = other
                    self._replace(node, made)
                    return
        self._leave(node, self.inside[first].channels)

    def _replace(self, node: Node, made: _Blocked) -> None:
        """The node is computed by the one that makes its input."""
        made.node.writes = node.writes
        made.node.fused += 1
        self._gone.add(id(node))
        uses = self.readers.get(node.writes[0], 0)
        self.inside[node.writes[0]] = _Blocked(made.node, made.channels, uses, uses)


def _can_take(made: _Blocked) -> bool:
    return made.node.op == "Conv" and made.uses == 1 and not made.node.activation


def _join_plain(graph: Graph, nodes: list[Node], readers: dict[str, int]) -> list[Node]:
    """A convolution in plain layout takes over a sum and the ReLU behind it, if only they read its result."""
    makers = {name: node for node in nodes for name in node.writes}
    relus = {node.reads[0]: node for node in nodes if node.op == "Relu" and not node.blocked}
    gone: set[int] = set()
    for node in nodes:
        relu = relus.get(node.writes[0]) if node.op == "Add" and not node.blocked else None
        if relu is None or readers[node.writes[0]] > 1 or len(node.reads) != 2:
            continue
        for name, other in (node.reads, node.reads[::-1]):
            maker = makers.get(name)
            if (
                maker is not None and maker.op == "Conv" and not maker.blocked and not maker.activation
                and readers[name] == 1 and graph.shapes[name] == graph.shapes[other]
            ):  # fmt: skip
                maker.addend, maker.activation, maker.writes = other, "Relu", relu.writes
                maker.fused += 2
                gone |= {id(node), id(relu)}
                break
    return [node for node in nodes if id(node) not in gone]
