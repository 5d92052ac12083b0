"""`with_batch`: a workload on another number of samples, without a new capture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from steelyard.errors import UsageError

if TYPE_CHECKING:
    from steelyard.workload.layer import Layer
    from steelyard.workload.loopnest import LoopNest
    from steelyard.workload.workload import Workload


def with_batch(load: Workload, n: int) -> Workload:
    """See `Workload.with_batch`."""
    if n < 1 or load.batch < 1:
        raise UsageError(f"cannot go from batch {load.batch} to {n}", expected="both >= 1")
    ratio = (n, load.batch)
    depends = set(load.inputs)
    layers: list[Layer] = []
    for layer in load.layers:
        if depends.isdisjoint(layer.inputs):
            layers.append(layer)
            continue
        depends.update(layer.outputs)
        pair = layer.kind in ("matmul", "attention")
        paired = pair and len(layer.inputs) > 1 and layer.inputs[1] in depends
        nests = tuple(_scale_nest(nest, ratio, paired=paired) for nest in layer.nests)
        ops = layer.ops * ratio[0] // ratio[1]
        layers.append(replace(layer, nests=nests, ops=ops))
    tensors = tuple(
        replace(t, shape=_scale_shape(t.shape, ratio)) if t.name in depends else t
        for t in load.tensors
    )
    return replace(load, layers=tuple(layers), tensors=tensors)


def _scale_shape(shape: tuple[int, ...], ratio: tuple[int, int]) -> tuple[int, ...]:
    for axis, size in enumerate(shape):
        if size % ratio[1] == 0:
            return (*shape[:axis], size * ratio[0] // ratio[1], *shape[axis + 1 :])
    return shape


def _scale_nest(nest: LoopNest, ratio: tuple[int, int], *, paired: bool) -> LoopNest:
    """Products of two dependent operands gain groups (pairs); all others gain rows.

    Where the old batch does not divide those, it is in another dimension: in the groups, or (the
    second operand being the dependent one) in the columns.
    """
    old = ratio[1]
    if paired and nest.G % old == 0:
        return nest.scaled(groups=ratio)
    if nest.N % old and nest.G % old == 0:
        return nest.scaled(groups=ratio)
    if nest.N % old and nest.M % (nest.G * old) == 0:
        return replace(nest, M=nest.M * ratio[0] // old)
    return nest.scaled(rows=ratio)
