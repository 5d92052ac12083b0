"""Random small layers, devices and mappings, drawn by hypothesis."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from steelyard.hardware.device import (
    DIMENSIONS,
    OPERANDS,
    Accelerator,
    Array,
    Axis,
    Link,
    Memory,
    Operand,
)
from steelyard.hardware.mapping import Loop, Mapping
from steelyard.hardware.problem import Problem, Window

Draw = st.DrawFn


@st.composite
def problems(draw: Draw, limit: int = 400) -> Problem:
    sizes = dict.fromkeys(DIMENSIONS, 1)
    total = 1
    for dim in draw(st.permutations(DIMENSIONS)):
        sizes[dim] = draw(st.integers(1, max(1, min(5, limit // total))))
        total *= sizes[dim]
    windows = []
    for out, tap in (("P", "R"), ("Q", "S")):
        stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        reach = (sizes[out] - 1) * stride + (sizes[tap] - 1) * dilation + 1
        before = draw(st.integers(-1, 2))
        windows.append(Window(stride, dilation, before, max(1, reach + draw(st.integers(-2, 2)))))
    return Problem(tuple(sizes.values()), *windows)


@st.composite
def devices(draw: Draw) -> Accelerator:
    """Up to four memories with arrays of one or two axes anywhere between and below them."""
    levels: list[Memory | Array] = [Memory("dram", read_pj=200, write_pj=210)]
    axes = 0
    for place in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            holds = draw(st.sets(st.sampled_from(OPERANDS), min_size=1))
            levels.append(
                Memory(
                    f"m{place}",
                    tuple(o for o in OPERANDS if o in holds),
                    read_pj=draw(st.integers(0, 9)),
                    write_pj=draw(st.integers(0, 9)),
                    read_bandwidth=draw(st.sampled_from([None, 1, 2.5])),
                    write_bandwidth=draw(st.sampled_from([None, 1, 4])),
                    double_buffered=draw(st.sampled_from([(), ("I",), OPERANDS])),
                )
            )
        else:
            own = []
            for _ in range(draw(st.integers(1, 2))):
                links = {
                    "I": Link(draw(st.sampled_from(["unicast", "multicast", "neighbour"])), 1.0),
                    "W": Link(draw(st.sampled_from(["unicast", "multicast", "neighbour"])), 2.0),
                    "O": Link(draw(st.sampled_from(["unicast", "reduce", "neighbour"])), 3.0),
                }
                own.append(Axis(f"x{axes}", draw(st.integers(1, 4)), links))
                axes += 1
            levels.append(Array(f"a{place}", tuple(own)))
    return Accelerator("random", tuple(levels), mac_pj=1.0)


@st.composite
def mappings(
    draw: Draw,
    problem: Problem,
    device: Accelerator,
    *,
    living: bool = False,
    uneven: bool = False,
) -> Mapping:
    """Any loops in any order, dividing or not, with any bypass.

    If asked, operands live on the chip, and tiles in one memory begin at different loops.
    """
    inner = dict.fromkeys(DIMENSIONS, 1)
    loops: list[tuple[Loop, ...]] = []
    for place in range(len(device.levels) - 1, -1, -1):
        level = device.levels[place]
        own: list[Loop] = []
        if isinstance(level, Memory):
            dims = DIMENSIONS * (2 if uneven else 1)
            for k, dim in enumerate(dims, 1):
                left = -(-problem.size(dim) // inner[dim])
                last = place == 0 and k > len(dims) - len(DIMENSIONS)
                bound = left if last else draw(st.integers(1, left))
                inner[dim] *= bound
                if bound > 1:
                    own.append(Loop(dim, bound))
            drawn = {dim: [w for w in own if w.dim == dim] for dim in DIMENSIONS}
            # of two loops over one dimension the one drawn first is the inner one
            own = [drawn[w.dim].pop() for w in draw(st.permutations(own))]
        else:
            for axis in level.axes:
                room = axis.size
                for dim in draw(st.permutations(DIMENSIONS)):
                    left = -(-problem.size(dim) // inner[dim])
                    bound = draw(st.integers(1, min(room, left)))
                    if bound > 1:
                        own.append(Loop(dim, bound, axis.name))
                        room //= bound
                        inner[dim] *= bound
            own.reverse()
        loops.append(tuple(own))
    keep, resident = [], []
    for operand in OPERANDS:
        can = [m.name for m in device.memories if operand in m.holds]
        homes = [n for n in can if device.instances(n) == 1]
        home = draw(st.sampled_from(homes)) if living else "dram"
        if home != "dram":
            resident.append(operand)
        inside = can[can.index(home) + 1 :]
        keep.append((operand, (home, *(n for n in inside if draw(st.booleans())))))
    even = Mapping(tuple(reversed(loops)), tuple(keep), tuple(resident))
    return replace(even, begins=draw(begins(even, device))) if uneven else even


@st.composite
def begins(
    draw: Draw, mapping: Mapping, device: Accelerator
) -> tuple[tuple[Operand, str, int], ...]:
    """Any loops at which the tiles of a mapping may begin."""
    found: list[tuple[Operand, str, int]] = []
    places = {level.name: place for place, level in enumerate(device.levels)}
    for operand, names in mapping.keep:
        least = 0
        for name in names[1:]:
            place = places[name]
            inside = [k for k in range(place, len(places)) if isinstance(device.levels[k], Array)]
            first = sum(map(len, mapping.loops[:place]))
            most = sum(map(len, mapping.loops[: min(inside, default=len(places))]))
            least = draw(st.integers(max(least, first), most))
            found.append((operand, name, least - first))
    return tuple(found)
