"""`peak_activation_memory`: how many bytes of activations one inference needs at once, and where.

The memory is counted by liveness: a storage is live from the layer that allocates it to the last layer
that uses it or any of its aliases (views, in-place results); results of the network stay to the end.
While a layer runs, what it reads and what it writes are live together. Parameters, buffers, constants
and work space inside an operator are not activations and are not counted.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from steelyard._display import Printable
from steelyard.cost.flow import DataFlow, InPlace, data_flow
from steelyard.errors import UsageError
from steelyard.workload import Workload

STATE_CAP = 10_000
"""Partial execution orders that the search for the best one looks at before it gives up."""


@dataclass(frozen=True, slots=True)
class LiveTensor(Printable):
    """A storage that is live at the peak.

    Attributes:
        name: the tensor that owns it.
        shape: that tensor's shape.
        nbytes: its size.
        made_by: name of the layer that allocated it, "" for inputs of the network.
    """

    name: str
    shape: tuple[int, ...]
    nbytes: int
    made_by: str = ""


@dataclass(frozen=True, slots=True)
class PeakMemory(Printable):
    """Activation memory of one inference.

    Attributes:
        peak_bytes: most bytes live at once, in the order in which the layers were captured.
        at_layer: name of the first layer at which that happens ("" without layers).
        timeline: bytes live while each layer runs, aligned with ``workload.layers``.
        live: what is live at the peak, largest first; the sizes add up to ``peak_bytes``.
        lower_bound_bytes: no order of execution needs less (see `lower_bound`).
        best_order_bytes: the least peak over all orders of execution; None if the search for it was
            given up.
        inplace: reuse assumption, see `peak_activation_memory`.
        keep_inputs: whether the network's inputs stay to the end.
    """

    peak_bytes: int
    at_layer: str
    timeline: tuple[int, ...]
    live: tuple[LiveTensor, ...]
    lower_bound_bytes: int
    best_order_bytes: int | None
    inplace: InPlace
    keep_inputs: bool

    def to_dict(self) -> dict[str, object]:
        """The fields as plain data."""
        return {
            "peak_bytes": self.peak_bytes,
            "at_layer": self.at_layer,
            "timeline": list(self.timeline),
            "live": [
                {"name": t.name, "shape": list(t.shape), "bytes": t.nbytes, "made_by": t.made_by}
                for t in self.live
            ],
            "lower_bound_bytes": self.lower_bound_bytes,
            "best_order_bytes": self.best_order_bytes,
            "inplace": self.inplace,
            "keep_inputs": self.keep_inputs,
        }


def peak_activation_memory(
    workload: Workload,
    *,
    inplace: InPlace = "as_written",
    keep_inputs: bool = False,
    state_cap: int = STATE_CAP,
) -> PeakMemory:
    """Peak activation memory by liveness.

    Args:
        inplace: ``as_written``: only what the network itself does in place shares memory.
            ``elementwise``: besides, the result of an element-wise, activation or normalisation layer
            takes the place of an operand that dies there and is at least as large (what is left of
            that place is free again). ``never``: in-place layers get an output of their own.
        keep_inputs: the caller holds on to the network's inputs; else they are free after last use.
        state_cap: how many partial orders to look at for ``best_order_bytes``.

    Raises:
        UsageError: no such ``inplace``.
    """
    if inplace not in ("as_written", "elementwise", "never"):
        raise UsageError(f"inplace={inplace!r}", expected="'as_written', 'elementwise' or 'never'")
    flow = data_flow(workload, inplace=inplace, keep_inputs=keep_inputs)
    timeline = _timeline(flow)
    peak = max(timeline, default=0)
    at = timeline.index(peak) if timeline else -1
    bound = lower_bound(flow)
    names = [layer.name for layer in workload.layers]
    return PeakMemory(
        peak_bytes=peak,
        at_layer=names[at] if timeline else "",
        timeline=tuple(timeline),
        live=_live(flow, at, names) if timeline else (),
        lower_bound_bytes=bound,
        best_order_bytes=_best_order(flow, bound, peak, state_cap),
        inplace=inplace,
        keep_inputs=keep_inputs,
    )


def _span(flow: DataFlow, index: int) -> tuple[int, int]:
    """First and last layer at which a storage is live, in the written order; (0, -1) if never."""
    storage = flow.storages[index]
    last = len(flow.touched) - 1 if storage.kept else storage.users.bit_length() - 1
    return max(storage.producer, 0), last


def _saved(flow: DataFlow, layer: int, done: int) -> int:
    """Bytes that the layer's result needs no room for, ``done`` being the layers run, it included."""
    size, operands = flow.overwrites[layer]
    for i in operands:
        storage = flow.storages[i]
        if not storage.kept and not storage.users & ~done:
            return size
    return 0


def _timeline(flow: DataFlow) -> list[int]:
    count = len(flow.touched)
    change = [0] * (count + 1)
    for i, storage in enumerate(flow.storages):
        first, last = _span(flow, i)
        if last >= first:
            change[first] += storage.nbytes
            change[last + 1] -= storage.nbytes
    timeline, now = [], 0
    for layer in range(count):
        now += change[layer]
        timeline.append(now - _saved(flow, layer, (2 << layer) - 1))
    return timeline


def _live(flow: DataFlow, at: int, names: list[str]) -> tuple[LiveTensor, ...]:
    inplace = flow.made[at][:1] if _saved(flow, at, (2 << at) - 1) else ()
    found = []
    for i, storage in enumerate(flow.storages):
        first, last = _span(flow, i)
        if first <= at <= last and i not in inplace:
            made_by = names[storage.producer] if storage.producer >= 0 else ""
            tensor = storage.tensor
            found.append(LiveTensor(tensor.name, tensor.shape, storage.nbytes, made_by))
    return tuple(sorted(found, key=lambda t: -t.nbytes))


def lower_bound(flow: DataFlow) -> int:
    """Bytes that every order of execution needs at some moment.

    The greatest of: all sources that are used (live at the first step); all that is kept (live at the
    last one); and for each layer v what is live at v in *every* order: what v reads and writes, and
    each storage that v itself or a layer that v depends on makes, while v itself or a layer that
    depends on v still needs it.
    """
    count = len(flow.needs)
    if not count:
        return 0
    every = (1 << count) - 1
    before = _closure(flow.needs)
    after = [0] * count
    for layer in range(count - 1, -1, -1):
        after[layer] |= 1 << layer
        for need in _bits(flow.needs[layer]):
            after[need] |= after[layer]
    live = [-size for size, _ in flow.overwrites]
    sources = kept = 0
    for storage in flow.storages:
        sources += storage.nbytes if storage.producer < 0 else 0
        kept += storage.nbytes if storage.kept else 0
        made = every if storage.producer < 0 else after[storage.producer]
        wanted = every if storage.kept else 0
        if not storage.kept:
            for user in _bits(storage.users):
                wanted |= before[user]
        for layer in _bits(made & wanted):
            live[layer] += storage.nbytes
    return max(sources, kept, *live)


def _closure(needs: tuple[int, ...]) -> list[int]:
    """For each layer the layers that must run before it, and itself."""
    before: list[int] = []
    for layer, mask in enumerate(needs):
        all_before = 1 << layer
        for need in _bits(mask):
            all_before |= before[need]
        before.append(all_before)
    return before


def _bits(mask: int) -> list[int]:
    """Indices of the bits that are set.

    >>> _bits(0b1010)
    [1, 3]
    """
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def _best_order(flow: DataFlow, bound: int, written: int, cap: int) -> int | None:
    """The least peak over all topological orders, None if more than ``cap`` states were seen.

    Best-first search over the sets of layers already run (the bytes live after such a set do not
    depend on the order within it). A ready layer that raises neither the peak nor what stays live can
    be run at once: any order that runs it later gets no worse by running it now.
    """
    if written <= bound or not flow.needs:
        return written
    count = len(flow.needs)
    everything = (1 << count) - 1
    followers: list[list[int]] = [[] for _ in range(count)]
    for layer, mask in enumerate(flow.needs):
        for need in _bits(mask):
            followers[need].append(layer)
    ready = tuple(layer for layer in range(count) if not flow.needs[layer])
    start = sum(s.nbytes for s in flow.storages if s.producer < 0)
    heap = [(bound, 0, 0, start, ready)]
    best = {0: bound}
    while heap:
        peak, _, done, live, ready = heapq.heappop(heap)
        if done == everything:
            return peak
        if peak > best[done]:
            continue
        if len(best) > cap:
            return None
        steps = []
        for layer in ready:
            at, after = _step(flow, layer, done, live)
            if at <= peak and after <= live:
                steps = [(layer, at, after)]
                break
            if at < written:
                steps.append((layer, at, after))
        for layer, at, after in steps:
            then, worst = done | 1 << layer, max(peak, at)
            if worst >= best.get(then, written):
                continue
            best[then] = worst
            freed = [f for f in followers[layer] if not flow.needs[f] & ~then]
            left = (*(r for r in ready if r != layer), *freed)
            heapq.heappush(heap, (worst, -then.bit_count(), then, after, left))
    return written


def _step(flow: DataFlow, layer: int, done: int, live: int) -> tuple[int, int]:
    """Bytes live while ``layer`` runs after the layers ``done``, and after it."""
    then = done | 1 << layer
    at = live + sum(flow.storages[i].nbytes for i in flow.made[layer])
    after = at
    for i in flow.touched[layer]:
        storage = flow.storages[i]
        if not storage.kept and not storage.users & ~then:
            after -= storage.nbytes
    return at - _saved(flow, layer, then), after
