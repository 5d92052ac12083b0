"""The energy of a whole network under a dataflow of the row-stationary study, by operand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from steelyard.errors import InputError, UsageError
from steelyard.hardware.device import OPERANDS, Operand
from steelyard.hardware.study import Traffic, storage, traffic
from steelyard.hardware.study_search import best_mapping
from steelyard.workload import LoopNest, Workload


@dataclass(frozen=True, slots=True)
class NetworkEnergy:
    """Energy of one image, in multiples of one multiply-accumulate.

    Attributes:
        macs: operations, each of which costs 1.
        by_operand: moving inputs, weights, and outputs with their partial sums.
        by_level: the same at DRAM, buffer, array, register file.
    """

    macs: float
    by_operand: Mapping[Operand, float]
    by_level: Mapping[str, float]

    @property
    def total(self) -> float:
        """All of it."""
        return self.macs + sum(self.by_operand.values())

    def share(self, operand: Operand) -> float:
        """What moving an operand takes of the total."""
        return self.by_operand[operand] / self.total


def network_energy(
    load: Workload, *, dataflow: str = "RS", pes: int = 256, batch: int = 1
) -> NetworkEnergy:
    """All multiply-accumulate layers, each with its best mapping.

    Args:
        load: captured with one image.
        dataflow: RS, WS, OSA, OSB, OSC or NLR.
        pes: processing elements; storage as in the study.
        batch: images at once.

    Raises:
        UsageError: the workload was captured with several images, or the batch is below 1.
        InputError: a layer that the study does not know, or one that does not fit.
    """
    if batch < 1:
        raise UsageError(f"batch={batch}", expected="1 or more")
    room = storage(dataflow, pes)
    solved: dict[LoopNest, Traffic] = {}
    moved = []
    for layer in load.layers:
        for nest in layer.nests:
            if nest.N != 1:
                raise UsageError(f"{layer.name} has N={nest.N}", expected="one image, and batch=")
            many = replace(nest, N=batch)
            if many not in solved:
                mapping = best_mapping(dataflow, many, room)
                if mapping is None:
                    raise InputError(f"{layer.name} does not fit {pes} PEs under {dataflow}")
                solved[many] = traffic(dataflow, many, mapping)
            moved.append(solved[many])
    return NetworkEnergy(
        sum(t.macs for t in moved) / batch,
        {o: sum(t.operand_energy(o) * t.macs for t in moved) / batch for o in OPERANDS},
        {
            level: sum(t.energy(level) * t.macs for t in moved) / batch
            for level in ("dram", "buffer", "array", "rf")
        },
    )
