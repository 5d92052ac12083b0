"""Writes docs/reference/hardware-validation.md: published and measured figures of accelerators beside ours.

``python docs/hardware_validation.py`` maps AlexNet some 360 times, which takes about two minutes; ``make
verify`` checks that the page is current.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from steelyard import capture
from steelyard.hardware.device import Accelerator
from steelyard.hardware.evaluate import evaluate
from steelyard.hardware.eyeriss_mapping import as_loops
from steelyard.hardware.mapper import find_mapping
from steelyard.hardware.problem import Problem
from steelyard.hardware.registry import device
from steelyard.hardware.reuse import dram_bounds
from steelyard.hardware.study_network import network_energy
from steelyard.report.render import to_markdown
from steelyard.tables import eyeriss_chip, row_stationary

PAGE = Path(__file__).parent / "reference" / "hardware-validation.md"

HEAD = """\
# Hardware, published and counted

Two bodies of figures test the hardware room: the study that introduced the row-stationary dataflow, and the
measurements of the chip that was built from it. Each figure stands beside ours, and each difference has its
reason below its table. No constant of our models is fitted to a layer; where a mapping is not published, the
page says how it was inferred.

"""

CHIP = """
`steelyard tables eyeriss-chip` prints this table. The model (`steelyard.hardware.eyeriss_chip`) knows the sizes
of the array, the buffer and the PEs' memories, the widths of the chip's networks, and a mapping. The early
layers of VGG-16 are bound by partial sums: the buffer has room for one channel at a time, so every output
waits in it as a partial sum between channels, and four of them can pass in a cycle, each way. That is why these
layers run at a fifth of the array's speed.

"""

LOOPS = """
## The same mappings as loops, and the optimum

The published mappings of AlexNet can be written as loops over the preset `eyeriss`
(`steelyard.hardware.eyeriss_mapping`). The general counter, `evaluate`, then finds exactly the closed form's
accesses of DRAM, partial sums at the buffer, and cycles of computing; inputs read from the buffer differ by
the padding, which the chip stores and `evaluate` does not read.

Beside them the mapping that `find_mapping` proves to be the best of its mapspace on the same device, free of
any dataflow, batch 4:

| layer | energy, published mapping (uJ) | optimum (uJ) | saved | DRAM accesses, published mapping | optimum |
|---|---|---|---|---|---|
"""

BOUNDS = """
## AlexNet's DRAM accesses

| | published | ours |
|---|---|---|
| nothing reused: four accesses an operation | 2896 M | {worst:.1f} M |
| everything reused | 61 M | {best:.1f} M |

Ours counts 724.4 M operations where 724 M are printed; the best case is 60.95 M weights, the image and the
1000 results, all other maps staying on the chip.

## What whole networks spend

Energy of one image under row stationary with 256 PEs, as multiples of 10^9 MACs of energy, and where it goes:

| network | weights | batch | energy | outputs | inputs | weights | computation |
|---|---|---|---|---|---|---|---|
"""

NETWORKS = """
- GoogLeNet: Yang, Chen and Sze (CVPR 2017) print 43 % outputs, 25 % inputs, 22 % weights, 10 % computation: the
  same order, for another estimate of the hardware and with measured sparsity.
- Fewer weights are not less energy: GoogLeNet has a ninth of AlexNet's weights and needs more energy from
  batch 4; SqueezeNet has a fiftieth, and with a batch of 16 needs more, too, as the same paper found.
- AlexNet's energy falls with the batch: its fully connected layers fetch their weights once for all images.
"""


def _alexnet_on_the_chip() -> str:
    chip = device("eyeriss")
    assert isinstance(chip, Accelerator)
    load = capture("alexnet")
    lines = []
    for entry in eyeriss_chip(["alexnet"]).layers:
        (nest,) = load.layer(entry.layer).nests
        nest = dataclasses.replace(nest, N=entry.batch)
        theirs = evaluate(nest, as_loops(nest, entry.mapping, chip), chip)
        ours = find_mapping(Problem.of(nest), chip).evaluation
        saved = 1 - ours.energy_pj / theirs.energy_pj
        lines.append(
            f"| {entry.layer} | {theirs.energy_pj / 1e6:,.0f} | {ours.energy_pj / 1e6:,.0f} | "
            f"{100 * saved:.1f} % | {theirs.dram_accesses:,} | {ours.dram_accesses:,} |\n"
        )
    return "".join(lines)


def _networks() -> str:
    lines = []
    for name in ("alexnet", "googlenet", "squeezenet1_0"):
        load = capture(name)
        weights = sum(nest.weights for layer in load.layers for nest in layer.nests) / 1e6
        for batch in (1, 4, 16):
            energy = network_energy(load, batch=batch)
            shares = (*(energy.share(o) for o in ("O", "I", "W")), energy.macs / energy.total)
            percent = " | ".join(f"{100 * share:.0f} %" for share in shares)
            lines.append(
                f"| {name} | {weights:.1f} M | {batch} | {energy.total / 1e9:.2f} | {percent} |\n"
            )
    return "".join(lines)


def page() -> str:
    """The page as it should be."""
    bounds = dram_bounds(capture("alexnet"))
    return (
        HEAD
        + to_markdown(eyeriss_chip(), level=2)
        + "\n"
        + CHIP
        + LOOPS.lstrip("\n")
        + _alexnet_on_the_chip()
        + BOUNDS.format(worst=bounds.worst / 1e6, best=bounds.best / 1e6)
        + _networks()
        + NETWORKS
        + "\n"
        + to_markdown(row_stationary(), level=2)
        + "\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
