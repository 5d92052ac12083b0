"""`onnxruntime_work`: the operators that ONNX Runtime executes for a workload; `ran_work`: those that its profiler saw."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from steelyard.measure.predictor.onnx_graph import Graph, Node, exported
from steelyard.measure.predictor.onnx_layout import block_of, blocked
from steelyard.measure.predictor.work import Work
from steelyard.workload import Workload

_SAME = {
    "Flatten": "Reshape", "Squeeze": "Reshape", "Unsqueeze": "Reshape", "Upsample": "Resize", "FusedConv": "Conv",
    "FusedGemm": "Gemm",
}  # fmt: skip
_HAS_LAYOUTS = ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")

Shape = Sequence[int]


def onnxruntime_work(load: Workload, flags: str) -> tuple[tuple[Work, ...], tuple[str, ...]]:
    """The operators in order, and those of the workload that have no known form in ONNX.

    Args:
        load: captured from PyTorch.
        flags: of the processor, which decide the layout.
    """
    graph, block = exported(load), block_of(flags)
    nodes = blocked(graph, block)
    works = tuple(_of_node(graph, node, block or 1) for node in nodes)
    return works, tuple(dict.fromkeys(graph.unknown))


def ran_work(
    op: str, name: str, inputs: Sequence[Shape], outputs: Sequence[Shape], block: int
) -> Work:
    """An operator from what ONNX Runtime's profiler says of it.

    Args:
        op: its type.
        name: of its event, which tells the layout.
        inputs: shapes, of constants as well.
        outputs: shapes.
        block: channels of one.
    """
    kind = _SAME.get(op, op)
    in_blocks = "nchwc" in name
    if kind == "Conv" and len(inputs) > 1 and len(inputs[1]) == 4:
        added = inputs[3] if len(inputs) > 3 else None
        return _conv(inputs[0], inputs[1], outputs[0], block if in_blocks else 0, added)
    maps = [shape for shape in inputs if len(shape) > 1]
    if kind == "Gemm":
        # weights that were packed in advance are not in the profile
        return _gemm(maps[0], maps[0][-1] * outputs[0][-1], outputs[0])
    return _other(kind, maps, outputs, in_blocks)


def _of_node(graph: Graph, node: Node, block: int) -> Work:
    unit = block if node.blocked else 1
    reads = [_filled(graph.shapes[name], unit) for name in node.reads]
    outs = [_filled(graph.shapes[name], unit) for name in node.writes]
    if node.op == "Gemm":
        return _gemm(reads[0], int(node.params), outs[0])
    if node.op != "Conv":
        return _other(_SAME.get(node.op, node.op), reads, outs, node.blocked)
    nest, read = node.nest, reads[0]
    if nest is None:  # a normalisation in blocks: one weight a channel
        return _conv(read, (read[1], 1, 1, 1), outs[0], block, None)
    if nest.G == 1 and block > nest.C:
        read = graph.shapes[node.reads[0]]
    per_group = 1 if nest.C == nest.G == nest.M else read[1] // nest.G
    weight = (outs[0][1], per_group, *nest.kernel)
    return _conv(
        read, weight, outs[0], block if node.blocked else 0, outs[0] if node.addend else None
    )


def _filled(shape: Shape, unit: int) -> tuple[int, ...]:
    """Channels in blocks are filled up to whole ones."""
    if len(shape) != 4:
        return tuple(shape)
    return (shape[0], -(-shape[1] // unit) * unit, *shape[2:])


def _conv(read: Shape, weight: Shape, out: Shape, block: int, added: Shape | None) -> Work:
    """A convolution; ``block`` is 0 in plain layout."""
    filters, per_group, *plane = weight
    tall = plane[0] if len(plane) > 1 else 1
    depthwise = per_group == 1 and filters > 1 and read[1] > 1
    groups = filters if depthwise else max(1, read[1] // per_group)
    taps = prod(plane)
    if depthwise:
        kind = "depthwise" if taps > 1 else "scale"
    elif groups > 1:
        kind = "grouped"
    elif read[1] < block:
        kind = "direct"
    else:
        kind = "pointwise" if taps == 1 else "dense"
    written = float(prod(out))
    high = out[-2] if len(out) > 3 else 1
    return Work(
        f"{'blocked' if block else 'conv'}.{kind}",
        macs=written * per_group * taps,
        read=float(prod(read) + (prod(added) if added else 0)),
        written=written,
        weights=float(prod(weight)),
        channels=read[1], filters=filters, groups=groups, taps=taps, tall=tall,
        stride=max(1, round(read[-2] / max(high, 1))) if len(read) > 3 else 1,
        rows=high, columns=out[-1], operands=2 if added else 1,
    )  # fmt: skip


def _gemm(read: Shape, weights: int, out: Shape) -> Work:
    return Work(
        "op.Gemm",
        float(weights) * out[0],
        float(prod(read)),
        float(prod(out)),
        float(weights),
        read[-1],
        out[-1],
    )


def _other(kind: str, reads: Sequence[Shape], outs: Sequence[Shape], in_blocks: bool) -> Work:
    read, written = float(sum(map(prod, reads))), float(sum(map(prod, outs)))
    first, out = (reads or [()])[0], (outs or [()])[0]
    rows, columns = (out[-2], out[-1]) if len(out) > 3 else (1, 1)
    stride = max(1, round(first[-2] / rows)) if len(first) > 3 and rows else 1
    family = "blocked" if in_blocks and kind in _HAS_LAYOUTS else "op"
    return Work(
        f"{family}.{kind}", 0.0, read, written, 0.0, first[1] if len(first) > 1 else 1,
        out[1] if len(out) > 1 else 1, stride=stride, rows=rows, columns=columns, operands=len(reads),
        fused=int(len(set(map(tuple, reads))) > 1),
    )  # fmt: skip
