"""`DataFlow`: which storages a workload's layers make and use, and which layer must wait for which.

A *storage* is what memory is allocated for; a tensor and all its aliases (views, in-place results)
share one. Parameters, buffers and constants, and views of them, are not activations and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.workload import Layer, TensorSpec, Workload

InPlace = Literal["as_written", "elementwise", "never"]

OVERWRITING_KINDS = frozenset({"elementwise", "activation", "norm"})
"""Kinds whose result may take the place of an operand."""


@dataclass(frozen=True, slots=True)
class Storage:
    """One piece of activation memory.

    Attributes:
        tensor: the tensor that owns it.
        nbytes: its size.
        producer: index of the layer that allocates it, -1 for what exists before the first layer.
        users: bit mask over layer indices: its producer and every layer that reads or overwrites it.
        kept: it must outlive the last layer (a result of the network, or an input that is kept).
    """

    tensor: TensorSpec
    nbytes: int
    producer: int
    users: int
    kept: bool


@dataclass(frozen=True, slots=True)
class DataFlow:
    """Storages and dependencies of a workload.

    Attributes:
        storages: sources first, then in the order of allocation.
        touched: for each layer the indices of the storages that it reads or writes.
        made: for each layer the indices of the storages that it allocates.
        overwrites: for each layer (bytes of its result, indices of the storages whose place the
            result may take if they die there); (0, ()) where nothing may be overwritten.
        needs: for each layer a bit mask of the layers that must run before it, direct ones only.
    """

    storages: tuple[Storage, ...]
    touched: tuple[tuple[int, ...], ...]
    made: tuple[tuple[int, ...], ...]
    overwrites: tuple[tuple[int, tuple[int, ...]], ...]
    needs: tuple[int, ...]


def data_flow(workload: Workload, *, inplace: InPlace, keep_inputs: bool) -> DataFlow:
    """Follows tensors to their storages and layers to the layers that they wait for.

    Args:
        inplace: ``never`` gives the result of an in-place layer a storage of its own.
        keep_inputs: the network's inputs outlive the pass.
    """
    tensors = {tensor.name: tensor for tensor in workload.tensors}
    roots = _roots(workload, tensors, split=inplace == "never")
    producer: dict[str, int] = {}
    users: dict[str, int] = {}
    accesses: list[tuple[str, ...]] = []
    for index, layer in enumerate(workload.layers):
        names = dict.fromkeys(roots[n] for n in (*layer.inputs, *layer.params) if roots[n])
        for output in layer.outputs:
            root = roots[output]
            if root and root not in users and root == output:
                producer[root] = index
            if root:
                names[root] = None
        for root in names:
            users[root] = users.get(root, 0) | 1 << index
        accesses.append(tuple(names))
    kept = {roots[name] for name in workload.outputs}
    if keep_inputs:
        kept.update(roots[name] for name in workload.inputs)
        for name in workload.inputs:
            users.setdefault(roots[name], 0)
    for name in sorted(kept - users.keys() - {""}):  # an input handed through untouched
        users[name] = 0
    order = sorted((r for r in users if r), key=lambda root: producer.get(root, -1))
    number = {root: i for i, root in enumerate(order)}
    storages = tuple(
        Storage(tensors[r], tensors[r].nbytes, producer.get(r, -1), users[r], r in kept)
        for r in order
    )
    made: list[list[int]] = [[] for _ in workload.layers]
    for i, storage in enumerate(storages):
        if storage.producer >= 0:
            made[storage.producer].append(i)
    overwrites: list[tuple[int, tuple[int, ...]]] = [(0, ())] * len(workload.layers)
    if inplace == "elementwise":
        overwrites = [_overwrites(layer, tensors, roots, number) for layer in workload.layers]
    return DataFlow(
        storages=storages,
        touched=tuple(tuple(number[root] for root in names) for names in accesses),
        made=tuple(map(tuple, made)),
        overwrites=tuple(overwrites),
        needs=_needs(workload, roots, split=inplace == "never"),
    )


def _roots(workload: Workload, tensors: dict[str, TensorSpec], *, split: bool) -> dict[str, str]:
    """Tensor name -> name of the tensor that owns its storage, "" where that is no activation."""

    def owner(name: str) -> str:
        while alias := tensors[name].alias_of:
            name = alias
        return name

    roots = {name: owner(name) for name in tensors}
    if split:
        # a view of an in-place result follows the result, although alias_of names the first owner
        for layer in workload.layers:
            for output in layer.outputs:
                if layer.inplace:
                    roots[output] = output
                elif tensors[output].alias_of:
                    first = owner(output)
                    same = (roots[n] for n in layer.inputs if owner(n) == first)
                    roots[output] = next(same, roots[output])
    activation = {n for n, t in tensors.items() if t.role in ("input", "activation")}
    return {name: root if root in activation else "" for name, root in roots.items()}


def _overwrites(
    layer: Layer, tensors: dict[str, TensorSpec], roots: dict[str, str], number: dict[str, int]
) -> tuple[int, tuple[int, ...]]:
    """The operands whose place the first result may take, were they to die here.

    An operand qualifies if it is not broadcast (as many elements, at least as many bytes), is not an
    expanded view, and is the only view of its storage that the layer reads.
    """
    if layer.kind not in OVERWRITING_KINDS or not layer.outputs:
        return 0, ()
    result = tensors[layer.outputs[0]]
    if roots[result.name] != result.name:  # shares a storage already
        return 0, ()
    found = []
    for name in dict.fromkeys(layer.inputs):
        root, operand = roots[name], tensors[name]
        views = {n for n in layer.inputs if roots[n] == root}
        if (
            root
            and len(views) == 1
            and operand.numel >= result.numel
            and tensors[root].nbytes >= operand.nbytes >= result.nbytes
        ):
            found.append(number[root])
    return (result.nbytes, tuple(found)) if found else (0, ())


def _needs(workload: Workload, roots: dict[str, str], *, split: bool) -> tuple[int, ...]:
    """Direct dependencies: readers wait for the writer; around an overwriting layer the written order
    of all layers that touch the same storage holds."""
    written_by: dict[str, int] = {}
    since: dict[str, int] = {}  # storage -> layers that touched it since its last overwriting
    barrier: dict[str, int] = {}  # storage -> the last layer that overwrote it
    needs: list[int] = []
    for index, layer in enumerate(workload.layers):
        mask = 0
        for name in (*layer.inputs, *layer.params):
            if name in written_by:
                mask |= 1 << written_by[name]
        touched = {roots[n] for n in (*layer.inputs, *layer.params, *layer.outputs)} - {""}
        overwritten = {roots[n] for n in layer.outputs} if layer.inplace and not split else set()
        for root in touched:
            if root in barrier:
                mask |= 1 << barrier[root]
            if root in overwritten:
                mask |= since.get(root, 0)
                barrier[root] = index
                since[root] = 0
            else:
                since[root] = since.get(root, 0) | 1 << index
        for name in layer.outputs:
            written_by[name] = index
        needs.append(mask)
    return tuple(needs)
