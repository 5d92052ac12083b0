"""`study_device`: the row-stationary study's hardware for each dataflow, as a device that the mapper takes.

The study (Chen, Emer, Sze, ISCA 2016) gives every dataflow the same number of PEs and the same area for
storage, but not the same storage: a PE has the registers that its dataflow needs, and what that leaves goes
to the buffer (`steelyard.hardware.study.storage`). Registers hold what the dataflow keeps there (RS: all;
WS: a weight; OS: a partial sum; NLR: nothing); other operands go from the buffer over the array straight to
the units. Inputs of OS-A and OS-B are handed from PE to PE: the registers for that stand together as one
memory, ``shift``, whose reading costs the hop that the array charges anyway. Energies are the study's, in
MACs: 200, 6, 2, 1; a partial sum passed on is a read and a write, as everywhere in the study. Weights of NLR
come to each PE by its own wire, which the study does not charge.
"""

from __future__ import annotations

from collections.abc import Mapping

from steelyard.hardware.device import OPERANDS, Accelerator, Array, Axis, Link, Memory, Operand
from steelyard.hardware.study import COSTS, WORD_BYTES, flow, storage

DATAFLOWS: Mapping[str, str] = {
    "RS": "RS", "WS": "WS", "OSA": "OS-A", "OSB": "OS-B", "OSC": "OS-C", "NLR": "NLR",
}  # fmt: skip
"""The study's name -> that of `steelyard.hardware.dataflows`."""

_KEPT: Mapping[str, tuple[Operand, ...]] = {
    "RS": OPERANDS, "WS": ("W",), "OSA": ("O",), "OSB": ("O",), "OSC": ("O",), "NLR": (),
}  # fmt: skip
_SHIFTED = ("OSA", "OSB")


def study_device(name: str, pes: int = 256) -> Accelerator:
    """The hardware of one dataflow of the study.

    >>> study_device("WS").level("buffer").capacity_bytes
    342286

    Args:
        name: RS, WS, OSA, OSB, OSC or NLR.
        pes: processing elements; the area for storage follows.

    Raises:
        UnknownNameError: no such dataflow.
    """
    which = flow(name)
    room = storage(name, pes)
    delivery = Link("multicast", COSTS["array"])
    links: dict[Operand, Link] = {
        "I": delivery,
        "W": Link("multicast") if name == "NLR" else delivery,
        "O": Link("neighbour", 2 * COSTS["array"]),
    }
    levels: list[Memory | Array] = [
        Memory("dram", read_pj=COSTS["dram"], write_pj=COSTS["dram"]),
        Memory(
            "buffer",
            capacity_bytes=room.buffer * WORD_BYTES,
            read_pj=COSTS["buffer"],
            write_pj=COSTS["buffer"],
        ),
    ]
    words = room.rf
    if name in _SHIFTED:
        words = 1
        levels.append(
            Memory("shift", holds=("I",), capacity_bytes=pes * (room.rf - words) * WORD_BYTES)
        )
    levels.append(Array("pes", (Axis("pe", pes, links),)))
    if _KEPT[name]:
        levels.append(
            Memory(
                "rf",
                holds=_KEPT[name],
                capacity_bytes=words * WORD_BYTES,
                read_pj=COSTS["rf"],
                write_pj=COSTS["rf"],
            )
        )
    return Accelerator(
        f"isca16_{name.lower()}",
        tuple(levels),
        mac_pj=1,
        title=f"The row-stationary study's hardware for {which.title}",
        bits=dict.fromkeys(OPERANDS, 8 * WORD_BYTES),
        node_nm=65,
    )
