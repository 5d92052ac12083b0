"""`exported`: a workload as the nodes that PyTorch's exporter writes and ONNX Runtime then fuses, layout by layout.

The rules are those of ONNX Runtime 1.31 at its highest level on a CPU with AVX-512 (`NchwcTransformer` and the
fusions before it, in onnxruntime/core/optimizer), found in its sources and compared with the graphs that it writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from steelyard.workload import Layer, LoopNest, Workload

_ACTIVATIONS = {
    "relu": "Relu", "hardtanh": "Clip", "relu6": "Clip", "clamp": "Clip", "silu": "QuickGelu",
    "hardswish": "HardSwish", "sigmoid": "Sigmoid", "hardsigmoid": "HardSigmoid", "tanh": "Tanh",
    "leaky_relu": "LeakyRelu", "gelu": "Gelu", "elu": "Elu", "softplus": "Softplus",
}  # fmt: skip
_ELEMENTWISE = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "neg": "Neg", "pow": "Pow", "exp": "Exp",
    "sqrt": "Sqrt",
}  # fmt: skip
_OTHERS = {
    "cat": "Concat", "max_pool2d": "MaxPool", "avg_pool2d": "AveragePool", "mean": "ReduceMean",
    "upsample_nearest2d": "Resize", "constant_pad_nd": "Pad", "index_select": "Gather", "slice": "Slice",
    "select": "Gather", "linear": "Gemm", "batch_norm": "BatchNormalization", "softmax": "Softmax",
    "split": "Split", "chunk": "Split", "permute": "Transpose", "transpose": "Transpose", "clone": "Identity",
}  # fmt: skip


@dataclass(slots=True)
class Node:
    """One node; it changes while the graph is fused.

    Attributes:
        op: as ONNX calls it.
        reads: tensors, in order.
        writes: tensors.
        nest: of a convolution or a matrix product.
        params: elements of its weights.
        activation: fused into it.
        addend: tensor that is added to its result; "" if none.
        blocked: it reads and writes channels in blocks (NCHWc).
        taps: of a pool's window.
        fused: operators fused into it.
    """

    op: str
    reads: list[str]
    writes: list[str]
    nest: LoopNest | None = None
    params: float = 0.0
    activation: str = ""
    addend: str = ""
    blocked: bool = False
    taps: int = 1
    fused: int = 0


@dataclass(slots=True)
class Graph:
    """Nodes in order of execution.

    Attributes:
        nodes: in order.
        shapes: of every tensor.
        outputs: of the network.
        unknown: operators of the workload that have no form here.
    """

    nodes: list[Node]
    shapes: dict[str, tuple[int, ...]]
    outputs: frozenset[str]
    unknown: list[str] = field(default_factory=list)

    def readers(self) -> dict[str, int]:
        """How often each tensor is read; by whom outside the network counts as well."""
        found = dict.fromkeys(self.outputs, 1)
        for node in self.nodes:
            for name in [*node.reads, *([node.addend] if node.addend else [])]:
                found[name] = found.get(name, 0) + 1
        return found


def exported(load: Workload) -> Graph:
    """The graph of a workload captured from PyTorch, normalisations and activations fused into what makes their input."""
    graph = Graph([], {t.name: t.shape for t in load.tensors}, frozenset(load.outputs))
    for layer in load.layers:
        _export(graph, load, layer)
    _fuse(graph)
    return graph


def _export(graph: Graph, load: Workload, layer: Layer) -> None:
    name = layer.op.rpartition(".")[2].rstrip("_")
    reads, writes = list(layer.inputs), list(layer.outputs)
    params = float(sum(load.tensor(p).numel for p in layer.params))
    shape = load.tensor(writes[0]).shape if writes else ()
    if layer.kind == "conv":
        graph.nodes.append(Node("Conv", reads, writes, layer.nest, params))
    elif name == "channel_shuffle":
        _chain(graph, reads, writes, ("Reshape", "Transpose", "Reshape"))
    elif name == "local_response_norm":
        ops = ("Mul", "Reshape", "Pad", "AveragePool", "Reshape", "Mul", "Add", "Pow")
        _chain(graph, reads, [f"{writes[0]}/scale"], ops)
        graph.shapes[f"{writes[0]}/scale"] = shape
        graph.nodes.append(Node("Div", [*reads, f"{writes[0]}/scale"], writes))
    elif name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        whole = all(size == 1 for size in shape[-2:])
        op = ("Global" if whole else "") + ("AveragePool" if "avg" in name else "MaxPool")
        graph.nodes.append(Node(op, reads, writes))
    elif layer.kind == "view" and name not in (
        "slice",
        "select",
        "split",
        "chunk",
        "permute",
        "transpose",
    ):
        graph.nodes.append(Node("Reshape", reads, writes))
    else:
        op = _ACTIVATIONS.get(name) or _ELEMENTWISE.get(name) or _OTHERS.get(name) or layer.op
        if op == layer.op:
            graph.unknown.append(op)
        node = Node(op, reads, writes, layer.nest if layer.macs else None, params)
        if layer.kind == "pool":
            node.taps = max(1, round(layer.ops / max(load.tensor(writes[0]).numel, 1)))
        graph.nodes.append(node)


def _chain(graph: Graph, reads: list[str], writes: list[str], ops: tuple[str, ...]) -> None:
    """Nodes one after the other, all of the first input's shape."""
    shape = graph.shapes[reads[0]]
    for place, op in enumerate(ops):
        out = writes if place == len(ops) - 1 else [f"{writes[0]}/{place}"]
        graph.shapes.setdefault(out[0], shape)
        graph.nodes.append(Node(op, reads, out))
        reads = out


def _fuse(graph: Graph) -> None:
    """What is merged, folded or fused before layouts are chosen."""
    _merge_equals(graph)
    _fold_pads(graph)
    readers = graph.readers()
    makers: dict[str, Node] = {}
    kept: list[Node] = []
    for node in graph.nodes:
        maker = _fused_into(graph, node, makers, readers)
        if maker is None:
            kept.append(node)
            maker = node
        else:
            maker.writes = node.writes
            maker.fused += 1
        makers |= dict.fromkeys(node.writes, maker)
    graph.nodes = kept


def _merge_equals(graph: Graph) -> None:
    """Two nodes without weights that compute the same are one."""
    same: dict[str, str] = {}
    seen: dict[tuple[object, ...], Node] = {}
    kept = []
    for node in graph.nodes:
        node.reads = [same.get(name, name) for name in node.reads]
        key = (node.op, *node.reads, node.taps, *(graph.shapes[name] for name in node.writes))
        if node.nest is None and not node.params and key in seen and node.op != "Slice":
            same |= dict(zip(node.writes, seen[key].writes, strict=True))
            continue
        seen[key] = node
        kept.append(node)
    graph.nodes = kept


def _fold_pads(graph: Graph) -> None:
    """Padding that only convolutions and pools read is theirs."""
    takers: dict[str, set[str]] = {name: {"output"} for name in graph.outputs}
    for node in graph.nodes:
        for name in node.reads:
            takers.setdefault(name, set()).add(node.op)
    folded = {
        node.writes[0]: node.reads[0]
        for node in graph.nodes
        if node.op == "Pad"
        and takers.get(node.writes[0], {""}) <= {"Conv", "MaxPool", "AveragePool"}
    }
    graph.nodes = [n for n in graph.nodes if not (n.op == "Pad" and n.writes[0] in folded)]
    for node in graph.nodes:
        node.reads = [folded.get(name, name) for name in node.reads]


def _fused_into(
    graph: Graph, node: Node, makers: dict[str, Node], readers: dict[str, int]
) -> Node | None:
    """The node that computes this one as well, if any: the one that makes what it alone reads."""
    maker = makers.get(node.reads[0]) if len(node.reads) == 1 else None
    if maker is None or readers[node.reads[0]] > 1 or maker.activation:
        return None
    if maker.op == "Conv" and node.op == "BatchNormalization":
        return maker
    if node.op in (_WITH_CONV if maker.op == "Conv" else _WITH_GEMM if maker.op == "Gemm" else ()):
        maker.activation = node.op
        return maker
    return None


_WITH_CONV = ("Relu", "Clip", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid")
_WITH_GEMM = ("Relu", "Sigmoid", "Tanh", "LeakyRelu")
