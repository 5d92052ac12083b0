"""A mapping of the Eyeriss chip, written as loops over the levels of the preset ``eyeriss``.

With it `evaluate` counts what `steelyard.hardware.eyeriss_chip` says in closed form: the same accesses of
DRAM, the same partial sums at the buffer, the same cycles of computing, and the same inputs but for
padding, which the chip reads from its buffer and `evaluate` does not count.
"""

from __future__ import annotations

from steelyard.errors import InputError
from steelyard.hardware.device import Accelerator, Array
from steelyard.hardware.eyeriss_chip import ChipMapping
from steelyard.hardware.mapping import Mapping
from steelyard.hardware.study import Shape
from steelyard.workload.loopnest import LoopNest


def as_loops(nest: LoopNest, mapping: ChipMapping, device: Accelerator) -> Mapping:
    """The chip's mapping as loops.

    A strip wider than the array is folded into bands; sets of PEs stand below each other, then beside.

    Args:
        nest: the layer.
        mapping: without tiles.
        device: the preset ``eyeriss``, or one with the same names of levels and axes.

    Raises:
        InputError: the mapping is tiled, or the device's array has not the axes x and y.
    """
    s, k = Shape.of(nest), mapping
    if k.width is not None or k.height is not None:
        raise InputError("a mapping with tiles", expected="one without, as loops have none")
    sizes = {
        axis.name: axis.size
        for level in device.levels
        if isinstance(level, Array)
        for axis in level.axes
    }
    if not {"x", "y"} <= sizes.keys():
        raise InputError(f"device {device.name!r} has axes {sorted(sizes)}", expected="x and y")
    bands = -(-k.e // sizes["x"])
    below = sizes["y"] // (s.R * bands)
    down_r = min(k.r, below)
    down_t = min(k.t, below // down_r)
    spatial = {
        "P@x": min(k.e, sizes["x"]), "M@x": -(-k.t // down_t), "C@x": -(-k.r // down_r),
        "P@y": bands, "R@y": s.R, "C@y": down_r, "M@y": down_t,
    }  # fmt: skip
    held = min(k.m, s.M)
    return Mapping.make(
        device,
        {
            "dram": _loops(
                G=s.G, N=-(-s.N // k.n), P=-(-s.P // k.e), M=-(-s.M // held),
                C=-(-s.C // (k.q * k.r)),
            ),
            "glb": _loops(M=-(-held // (k.p * k.t)), N=min(k.n, s.N), Q=s.Q),
            "pes": " ".join(
                f"{name[0]}{bound}{name[1:]}" for name, bound in spatial.items() if bound > 1
            ),
            "spad": _loops(M=k.p, C=k.q, S=s.S),
        },
    )  # fmt: skip


def _loops(**bounds: int) -> str:
    return " ".join(f"{dim}{bound}" for dim, bound in bounds.items() if bound > 1)
