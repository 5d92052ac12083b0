"""Writes docs/reference/hardware-validation.md: published and measured figures of accelerators beside ours.

``python docs/hardware_validation.py`` maps AlexNet some 500 times, which takes some five minutes; ``make
verify`` checks that the page is current.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from steelyard import capture
from steelyard.hardware.bounds import layer_bounds
from steelyard.hardware.device import Accelerator
from steelyard.hardware.estimate import estimate
from steelyard.hardware.evaluate import evaluate
from steelyard.hardware.eyeriss_mapping import as_loops
from steelyard.hardware.mapper import find_mapping
from steelyard.hardware.problem import Problem
from steelyard.hardware.registry import device
from steelyard.hardware.study_network import network_energy
from steelyard.hardware.systolic import SystolicArray, folding, systolic
from steelyard.report.render import to_markdown
from steelyard.tables import dataflows, eyeriss_chip, row_stationary
from steelyard.tables import network_energy as statements
from steelyard.workload import LoopNest, Workload

PAGE = Path(__file__).parent / "reference" / "hardware-validation.md"
SCALESIM = Path(__file__).parents[1] / "tests" / "hardware" / "data" / "scalesim_resnet50.csv"

HEAD = """\
# Hardware, published and counted

Three bodies of figures test the hardware room: the study that introduced the row-stationary dataflow, the
measurements of the chip that was built from it, and a simulator of systolic arrays. Each figure stands beside
ours, and each difference has its reason below its table. No constant of our models is fitted to a layer; where a
mapping is not published, the page says how it was inferred.

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

SPENT = """
## What whole networks spend

Energy of one image under row stationary with 256 PEs, as multiples of 10^9 MACs of energy, and where it goes.
AlexNet's energy falls with the batch, as its fully connected layers fetch their weights once for all images:

| network | weights | batch | energy | outputs | inputs | weights | computation |
|---|---|---|---|---|---|---|---|
"""

ONE_DEVICE = """
`steelyard estimate alexnet --device eyeriss_isca16 --batch 16 --dataflow WS` and so on hold the mappings on *one*
device to a dataflow. There all operands pass the registers of a PE, a write and a read for each operation where
nothing stays, and inputs are not handed from PE to PE, which costs OS-A most. So the study's other dataflows come out
worse than on the hardware that it gives them (AlexNet's convolutions, batch 16):

| dataflow | energy of an operation | over RS |
|---|---|---|
"""

OTHER_BATCHES = """
The same means for other batches ("cannot run": in the study a layer's partial sums do not fit):

| layers | batch | dataflow | published | over RS | mapped | over RS | free saves |
|---|---|---|---|---|---|---|---|
"""

SYSTOLIC = """
## Systolic arrays: SCALE-Sim's cycles

`steelyard systolic` counts the cycles of a systolic array by formulas (`steelyard.hardware.systolic`), which the
tests hold against a machine that runs register by register. Here they stand beside SCALE-Sim 3.0.0 (PyPI,
`benchmarks/systolic.py`), which lists the array's requests cycle by cycle, on the 53 convolutions and the fully
connected layer of ResNet-50, memories keeping up. On the two large arrays the whole simulation was run (no cycle
was a stall), on the two small ones its first half, which lists the requests.

Cycles of all 54 layers, folds apart; last column: the same folds pipelined, as a second register for weights
allows and as TPU v1 does.

| array | dataflow | SCALE-Sim | ours | largest difference of a layer | requests of inputs and weights | pipelined |
|---|---|---|---|---|---|---|
"""

SYSTOLIC_LAYERS = """
The 24 different layers on 256 x 256:

| layer | times | WS, SCALE-Sim | ours | OS, SCALE-Sim | ours | IS, SCALE-Sim | ours |
|---|---|---|---|---|---|---|---|
"""

SYSTOLIC_NOTES = """
- SCALE-Sim prints the number of the last cycle, counted from 0, as "total cycles"; here it is one more.
- It knows no padding and rounds maps up to whole strides, so that the padded 230 x 230 image of the first layer
  gives 113 x 113 outputs. It was given the part of the input that the outputs reach, 229 x 229.
- Outputs: under OS it adds R + C to the requests of every fold, for a sum of the tile's two sizes; taken off, its
  outputs are ours. Under WS and IS both count the partial sums of every fold.
- OS: the equation of its paper (ISPASS 2020) gives 2 R + C + T - 2 cycles a fold, R more than the program: there
  sums are shifted out through the array, in the program a column's sums leave one a cycle as they are finished.
- `steelyard estimate resnet50 --device tpu_v1 --dataflow WS` shows the WS figures in the column "folds apart",
  beside the cycles of its mappings: these wait for memories (weights come from DRAM at 46 bytes a cycle), and
  their folds are pipelined. No mapping computes in fewer cycles than folds x T.

## TPU v1 in its data centre

Jouppi et al. (ISCA 2017) print counters of six production networks (table 3) and say little of their layers. What
can be compared: the share of the array's operations that are done, ours being an upper bound.

| network | T of a fold | table 3: useful MACs (%) | table 3: of 92 TeraOps/s (%) | ours (%) | bound by |
|---|---|---|---|---|---|
"""

SYSTOLIC_TPU_NOTES = """
- The two published columns come from counters and from production code and "are not perfectly consistent", as
  the table says. Ours lies above the second throughout, by 4 to 12 % but for LSTM1, and above the first but for
  LSTM0, whose counters exceed what the weights' memory can deliver (34 GB/s, 64 rows a weight: 4.7 %).
- MLP0, MLP1, LSTM0, LSTM1: the batch passes a tile of 65,536 weights in 200, 168, 64 and 96 cycles, and the next
  tile takes 1425 to arrive (`sy.bounds` of fully connected layers of 2048 x 2048; any size of whole tiles gives
  the same). LSTM1 does less in part because of its layers' sizes: in 4.2 of the 10.5 % of the time that the array
  is active units have no weight.
- CNN0: 2888 operations a weight at batch 8 are 361 positions, a board of 19 x 19 in every layer, and no unit is
  without a weight: taken as 256 channels, 3 x 3, nine folds a layer of 2888 steps. Weights arrive and are shifted in
  meanwhile: our model, too, has no weight stalls and no shift cycles (table 3: 0.0 % and 0.0 %). With folds apart
  the array would do {apart:.1f} % of its peak: near the counters' 78.2 %, but those put the rest down to cycles without
  work for the array (dependencies, input), and production code reached 93.5 %, which only pipelined folds can.
- CNN1: not compared. Of its 89 layers no size is published; half the units are empty.
"""

TPU = (
    ("MLP0", 200, 12.5, 12.3),
    ("MLP1", 168, 9.4, 9.7),
    ("LSTM0", 64, 8.2, 3.7),
    ("LSTM1", 96, 6.3, 2.8),
    ("CNN0", 2888, 78.2, 86.0),
)
"""Table 1: batch, or positions of a batch; table 3: useful MACs (% of peak), TeraOps/s."""


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
        for batch in (1, 4, 16, 48):
            energy = network_energy(load, batch=batch)
            shares = (*(energy.share(o) for o in ("O", "I", "W")), energy.macs / energy.total)
            percent = " | ".join(f"{100 * share:.0f} %" for share in shares)
            lines.append(
                f"| {name} | {weights:.1f} M | {batch} | {energy.total / 1e9:.2f} | {percent} |\n"
            )
    return "".join(lines)


def _reference() -> dict[tuple[int, int, str], dict[tuple[int, ...], dict[str, int]]]:
    """SCALE-Sim's figures by array and dataflow, and by layer."""
    found: dict[tuple[int, int, str], dict[tuple[int, ...], dict[str, int]]] = {}
    with SCALESIM.open(newline="") as file:
        for row in csv.DictReader(file):
            key = (int(row["rows"]), int(row["columns"]), row["dataflow"].upper())
            layer = tuple(int(row[name]) for name in ("P", "Q", "R", "S", "C", "M", "stride"))
            counted = ("cycles", "inputs", "weights", "outputs")
            found.setdefault(key, {})[layer] = {name: int(row[name]) for name in counted}
    return found


def _shapes(load: Workload) -> Iterator[tuple[str, tuple[int, ...]]]:
    for layer in load.layers:
        for n in layer.nests:
            if n.macs:
                yield layer.name, (n.P, n.Q, n.R, n.S, n.C, n.M, n.stride[-1])


def _arrays(load: Workload) -> str:
    lines = []
    shapes = dict(_shapes(load))
    for (rows, columns, flow), theirs in _reference().items():
        ours = systolic(load, (rows, columns), flow)
        total = sum(theirs[shape]["cycles"] for shape in shapes.values())
        off = max(abs(each.apart / theirs[shapes[each.name]]["cycles"] - 1) for each in ours.layers)
        same = all(
            each.moved[operand] == theirs[shapes[each.name]][name]
            for each in ours.layers
            for operand, name in (("I", "inputs"), ("W", "weights"))
        )
        lines.append(
            f"| {rows} x {columns} | {flow} | {total:,} | {ours.apart:,} | {100 * off:.2f} % | "
            f"{'the same' if same else 'differ'} | {ours.pipelined:,} |\n"
        )
    return "".join(lines)


def _layers(load: Workload) -> str:
    theirs = _reference()
    ours = {flow: systolic(load, (256, 256), flow) for flow in ("WS", "OS", "IS")}
    shapes = [*_shapes(load)]
    first = {shape: name for name, shape in reversed(shapes)}
    lines = []
    for shape in dict.fromkeys(shape for _, shape in shapes):
        name, times = first[shape], sum(other == shape for _, other in shapes)
        cells = " | ".join(
            f"{theirs[256, 256, flow][shape]['cycles']:,} | {ours[flow].layer(name).apart:,}"
            for flow in ours
        )
        lines.append(f"| {name} | {times} | {cells} |\n")
    return "".join(lines)


def _tpu() -> str:
    chip = device("tpu_v1")
    assert isinstance(chip, Accelerator)
    array = SystolicArray.of(chip)
    board = LoopNest(8, 1, 256, 256, (19, 19), (3, 3), (19, 19), (1, 1), (1, 1), ((1, 1), (1, 1)))
    fold = folding(Problem.of(board), array, "WS")
    lines = []
    for name, steps, useful, tera in TPU:
        if name.startswith("CNN"):
            ours, limit = fold.macs / (fold.pipelined * array.units), "filling and draining"
        else:
            nest = LoopNest.linear(steps, 2048, 2048)
            ours, limit = layer_bounds(nest, chip).utilization, "weights from DRAM"
        lines.append(
            f"| {name} | {steps} | {useful} | {100 * tera / 92:.1f} | {100 * ours:.1f} | {limit} |\n"
        )
    apart = 100 * fold.macs / (fold.apart * array.units)
    return "".join(lines) + SYSTOLIC_TPU_NOTES.format(apart=apart)


def _systolic() -> str:
    load = capture("resnet50")
    return SYSTOLIC + _arrays(load) + SYSTOLIC_LAYERS + _layers(load) + SYSTOLIC_NOTES + _tpu()


def _one_device() -> str:
    load = capture("alexnet")
    first = 0.0
    lines = []
    for flow in ("RS", "WS", "IS", "OS-B", "OS-C", "NLR", "OS-A", ""):
        found = estimate(load, "eyeriss_isca16", dataflow=flow, batch=16)
        layers = [found.layer(f"conv{k}") for k in range(1, 6)]
        energy = sum(layer.energy_pj for layer in layers) / sum(layer.macs for layer in layers)
        first = first or energy
        lines.append(f"| {flow or 'any'} | {energy:.2f} | {energy / first:.2f} |\n")
    return "".join(lines)


def _other_batches() -> str:
    lines = []
    for mean in dataflows(batches=(1, 64, 256)).means:
        published = f"{mean.published['total']:.2f}" if mean.published else "cannot run"
        factor = "" if mean.published_factor is None else f"{mean.published_factor:.2f}"
        saved = 100 * (1 - mean.free / mean.mapped["total"])
        lines.append(
            f"| {mean.kind} | {mean.batch} | {mean.dataflow} | {published} | {factor} | "
            f"{mean.mapped['total']:.2f} | {mean.factor:.2f} | {saved:.1f} % |\n"
        )
    return "".join(lines)


def page() -> str:
    """The page as it should be."""
    return (
        HEAD
        + to_markdown(eyeriss_chip(), level=2)
        + "\n"
        + CHIP
        + LOOPS.lstrip("\n")
        + _alexnet_on_the_chip()
        + "\n"
        + to_markdown(statements(), level=2)
        + SPENT
        + _networks()
        + "\n"
        + to_markdown(row_stationary(), level=2)
        + "\n"
        + to_markdown(dataflows(), level=2)
        + OTHER_BATCHES
        + _other_batches()
        + ONE_DEVICE
        + _one_device()
        + _systolic()
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
