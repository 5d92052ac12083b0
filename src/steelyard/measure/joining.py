"""`join`: what a profiler saw, call by call, beside the layers of the captured workload, in order of execution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from steelyard.workload import Layer


@dataclass(frozen=True, slots=True)
class Event:
    """One operator that ran, not inside another one.

    Attributes:
        op: as the workload writes it: ``aten.conv2d``.
        seconds: from its begin to its end.
        inner: the operators that it called, in order, to any depth: name and seconds.
        name: of the node, where the runtime has names.
    """

    op: str
    seconds: float
    inner: tuple[tuple[str, float], ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One inference under a profiler.

    Attributes:
        seconds: from its begin to its end.
        events: what ran, in order; the rest of the time lies between them.
    """

    seconds: float
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """One event, and the layers that it computes; none: the workload does not have it.

    Attributes:
        event: position of the event.
        layers: positions of the layers.
        shares: of the event's time, one a layer; they sum to 1.
    """

    event: int
    layers: tuple[int, ...] = ()
    shares: tuple[float, ...] = ()


def join(events: Sequence[Event], layers: Sequence[Layer]) -> tuple[Joined, ...]:
    """Each event with its layers; both orders are kept, and no layer is given away twice.

    Operators of the same name in the same order belong together, as many as can. Between them an event
    takes the next layers that bear its name or that of an operator that it called: a capture records the
    parts of some operators (``flatten`` is a ``view``). An event that computes several layers is divided
    among them as its own parts took.
    """
    pairs = _common([event.op for event in events], [layer.op for layer in layers])
    found: list[Joined] = []
    i = k = 0
    for event, layer in (*pairs, (len(events), len(layers))):
        found += _between(events, layers, range(i, event), range(k, layer))
        if event < len(events):
            found.append(Joined(event, (layer,), (1.0,)))
        i, k = event + 1, layer + 1
    return tuple(found)


def _common(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Positions in both of a longest common subsequence (by dynamic programming, ends that agree apart)."""
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    rows, columns = len(a) - head - tail, len(b) - head - tail
    longest = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        here, below = longest[i], longest[i + 1]
        for k in range(columns - 1, -1, -1):
            if a[head + i] == b[head + k]:
                here[k] = below[k + 1] + 1
            else:
                here[k] = max(below[k], here[k + 1])
    pairs = [(at, at) for at in range(head)]
    i = k = 0
    while i < rows and k < columns:
        if a[head + i] == b[head + k]:
            pairs.append((head + i, head + k))
            i, k = i + 1, k + 1
        elif longest[i + 1][k] >= longest[i][k + 1]:
            i += 1
        else:
            k += 1
    return pairs + [(len(a) - n, len(b) - n) for n in range(tail, 0, -1)]


def _between(
    events: Sequence[Event], layers: Sequence[Layer], which: range, whose: range
) -> Iterator[Joined]:
    at = whose.start
    for number in which:
        event = events[number]
        parts = [(event.op, event.seconds), *event.inner]
        first = next(
            (k for k in range(at, whose.stop) if any(op == layers[k].op for op, _ in parts)), None
        )
        if first is None:
            yield Joined(number)
            continue
        taken, times, place, at = [], [], 0, first
        while at < whose.stop:
            here = next((p for p in range(place, len(parts)) if parts[p][0] == layers[at].op), None)
            if here is None:
                break
            taken.append(at)
            times.append(parts[here][1])
            place, at = here + 1, at + 1
        whole = sum(times)
        shares = [time / whole if whole else 1 / len(times) for time in times]
        yield Joined(number, tuple(taken), tuple(shares))
