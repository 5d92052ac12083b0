"""How often a network must go to DRAM: at worst, when nothing is reused, and at best, when everything is."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.workload import Workload


@dataclass(frozen=True, slots=True)
class DramBounds:
    """DRAM accesses in elements; every possible mapping lies between.

    Attributes:
        worst: nothing is reused: each operation reads an input, a weight and a partial sum and writes one.
        maps_in_dram: each weight once, each map of a multiply-accumulate layer read and written once.
        best: each weight once, the network's inputs and outputs once; all other maps stay on the chip.
    """

    worst: int
    maps_in_dram: int
    best: int


def dram_bounds(load: Workload) -> DramBounds:
    """The bounds of a network's multiply-accumulate layers (Sze et al., 2020, section 5.2).

    A batch shares the weights. Other layers (pooling, activation) are taken to run on the fly.
    """
    nests = [nest for layer in load.layers for nest in layer.nests]
    weights = sum(nest.weights for nest in nests)
    ends = sum(load.tensor(name).numel for name in (*load.inputs, *load.outputs))
    maps = sum(nest.input_elements + nest.output_elements for nest in nests)
    return DramBounds(4 * load.macs, weights + maps, weights + ends)
