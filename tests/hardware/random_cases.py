"""Random small layers, devices and mappings, drawn by hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from steelyard.hardware.device import (
    DIMENSIONS,
    OPERANDS,
    Accelerator,
    Array,
    Axis,
    Link,
    Memory,
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
def mappings(draw: Draw, problem: Problem, device: Accelerator, *, living: bool = False) -> Mapping:
    """Any loops in any order, dividing or not, with any bypass; operands may live on the chip if asked."""
    inner = dict.fromkeys(DIMENSIONS, 1)
    loops: list[tuple[Loop, ...]] = []
    for place in range(len(device.levels) - 1, -1, -1):
        level = device.levels[place]
        own: list[Loop] = []
        if isinstance(level, Memory):
            for dim in DIMENSIONS:
                left = -(-problem.size(dim) // inner[dim])
                bound = left if place == 0 else draw(st.integers(1, left))
                inner[dim] *= bound
                if bound > 1:
                    own.append(Loop(dim, bound))
            own = draw(st.permutations(own))
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
    return Mapping(tuple(reversed(loops)), tuple(keep), tuple(resident))
