"""`fresh_bytes`: how much memory each operator of a network gets fresh from the system, which faults it in page by page.

A model of the C library's heap (glibc malloc, malloc/malloc.c; mallopt(3)). Blocks come from one heap that grows and
shrinks at its end; it is given back to the system when more than twice the largest block that was ever freed lies
unused there, so a network with a few large activations faults them in at each inference and one with many of a size
does not. What oneDNN copies into layouts of its own counts as well: the input, the output and the weights of each
convolution, while it runs. Holes in the heap are not modelled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steelyard.workload import Layer, Workload

LEAST, MOST = 128 * 1024, 32 * 2**20
"""Bytes: the threshold begins at the first and never exceeds the second; the heap grows by the first more than asked."""

ROUNDS = 3
"""Inferences until the heap has settled."""

PAGE = 4096


@dataclass(frozen=True, slots=True)
class _Step:
    """Bytes that a layer makes and leaves, needs while it runs, and sets free."""

    made: int
    lent: int
    freed: int
    largest: int


def fresh_bytes(load: Workload, floor: int = LEAST) -> tuple[float, ...]:
    """Of each layer, in an inference that is not the first.

    Args:
        load: the network.
        floor: bytes of the largest block that was freed before it ran.
    """
    steps = _steps(load)
    threshold = max([floor, *(step.largest for step in steps if step.largest <= MOST)])
    heap = used = 0
    found = [0.0] * len(steps)
    for _ in range(ROUNDS):
        used = 0
        for place, step in enumerate(steps):
            most = used + step.made + step.lent
            found[place] = float(max(0, most - heap))
            if most > heap:
                heap = most + LEAST
            used += step.made
            heap = _trimmed(heap, used, threshold)
            used -= step.freed
            heap = _trimmed(heap, used, threshold)
        heap = _trimmed(heap, 0, threshold)
    return tuple(found)


def _trimmed(heap: int, used: int, threshold: int) -> int:
    return used + LEAST if heap - used > 2 * threshold + LEAST else heap


def _steps(load: Workload) -> list[_Step]:
    sizes = {tensor.name: tensor.nbytes for tensor in load.tensors}
    owners = {tensor.name: tensor.alias_of for tensor in load.tensors}
    kept = {tensor.name for tensor in load.tensors if tensor.role != "activation"}
    last: dict[str, int] = {}
    for place, layer in enumerate(load.layers):
        for name in (*layer.inputs, *layer.outputs):
            last[_storage(name, owners)] = place
    for name in load.outputs:
        last[_storage(name, owners)] = len(load.layers)
    there = set(kept)
    return [
        _step(place, layer, sizes, owners, last, kept, there)
        for place, layer in enumerate(load.layers)
    ]


def _step(
    place: int, layer: Layer, sizes: Mapping[str, int], owners: Mapping[str, str], last: Mapping[str, int],
    kept: set[str], there: set[str],
) -> _Step:  # fmt: skip
    outs = {_storage(name, owners) for name in layer.outputs}
    new = outs - there
    there |= new
    dying = {
        n for n in outs | {_storage(name, owners) for name in layer.inputs} if last[n] == place
    }
    copies: Sequence[int] = ()
    if layer.kind == "conv" and layer.nest is not None:
        nest = layer.nest
        copies = (4 * nest.input_elements, 4 * nest.output_elements, 4 * nest.weights)
    return _Step(
        sum(sizes[name] for name in new), sum(copies),
        sum(sizes[name] for name in dying - kept),
        max([0, *copies, *(sizes[name] for name in outs)]),
    )  # fmt: skip


def _storage(name: str, owners: Mapping[str, str]) -> str:
    while owners.get(name):
        name = owners[name]
    return name
