"""`eager_work`: the operators that PyTorch executes for a workload, one after the other, none fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from steelyard.measure.predictor.heap import LEAST, PAGE, fresh_bytes
from steelyard.measure.predictor.work import Work
from steelyard.workload import Layer, LoopNest, Workload


def eager_work(load: Workload, floor: int = LEAST) -> tuple[Work, ...]:
    """An operator for each layer, in order; views are operators, too: they take time to call.

    Args:
        load: the network.
        floor: as for `fresh_bytes`.
    """
    pages = [size / PAGE for size in fresh_bytes(load, floor)]
    return tuple(
        replace(_work(load, layer), fresh=fresh)
        for layer, fresh in zip(load.layers, pages, strict=True)
    )


def kind_of_conv(nest: LoopNest) -> str:
    """``conv.dense``, ``conv.pointwise``, ``conv.depthwise`` or ``conv.grouped``."""
    if nest.transposed:
        return "conv.transposed"
    if nest.G > 1:
        return "conv.depthwise" if nest.is_depthwise else "conv.grouped"
    return "conv.pointwise" if nest.is_pointwise else "conv.dense"


def _work(load: Workload, layer: Layer) -> Work:
    shapes = [load.tensor(name).shape for name in layer.inputs]
    outs = [load.tensor(name).shape for name in layer.outputs]
    sizes = [float(load.tensor(name).numel) for name in dict.fromkeys(layer.inputs)]
    read, written = sum(sizes), float(sum(load.tensor(name).numel for name in layer.outputs))
    weights = float(sum(load.tensor(name).numel for name in layer.params))
    nest = layer.nest
    if layer.kind == "conv" and nest is not None:
        return Work(
            kind_of_conv(nest), nest.macs, read, written, weights, nest.C, nest.M, nest.G,
            nest.R * nest.S, nest.R, nest.stride[0], nest.dilation[0], nest.P, nest.Q,
        )  # fmt: skip
    name = layer.op.rpartition(".")[2]
    first, out = (shapes or [()])[0], (outs or [()])[0]
    rows, columns = (out[-2], out[-1]) if len(out) > 3 else (1, 1)
    stride, taps = 1, 1
    if layer.kind == "pool" and len(first) == 4 and rows:
        stride = max(1, round(first[-2] / rows))
        taps = max(1, round(layer.ops / max(written, 1.0)))
    return Work(
        f"{layer.kind}.{name}", float(layer.macs), read, written, weights,
        _channels(first), _channels(out), 1, taps, 1, stride, 1, rows, columns, len(shapes),
        int(len(set(map(tuple, shapes))) > 1),
    )  # fmt: skip


def _channels(shape: Sequence[int]) -> int:
    return int(shape[1]) if len(shape) > 1 else 1
