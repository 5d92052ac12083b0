"""Chips and networks so simple that their figures are worked out by hand, and a training run on disk."""

import json
from pathlib import Path

from steelyard.hardware.device import Accelerator, Array, Axis, Link, Memory
from steelyard.workload import Layer, LoopNest, TensorSpec, Workload

RECIPES = Path(__file__).parents[2] / "src/steelyard/train/recipes"


def row_of_pes(size: int, **changes: object) -> Accelerator:
    """PEs that share out output channels, fed without waiting: 10 MHz, 100 pJ a DRAM access, 2 pJ a MAC."""
    links = {"I": Link("multicast"), "W": Link("multicast")}
    dram = Memory("DRAM", read_pj=100, write_pj=100)
    registers = Memory("RF", capacity_bytes=1 << 20, read_pj=0, write_pj=0)
    array = Array("PE", (Axis("x", size, links, ("M",)),))
    facts = {"clock_hz": 1e7, "node_nm": 45.0, "area_mm2": 4.0} | changes
    return Accelerator("row", (dram, array, registers), 2.0, **facts)


def linear(outputs: int, inputs: int, name: str = "net") -> Workload:
    """One fully connected layer without a bias."""
    nest = LoopNest.linear(1, inputs, outputs)
    layer = Layer(
        "fc", "linear", "aten.linear", inputs=("x",), outputs=("y",), params=("w",), nests=(nest,)
    )
    tensors = (
        TensorSpec("x", (1, inputs, 1, 1), role="input"),
        TensorSpec("w", (outputs, inputs, 1, 1), role="parameter"),
        TensorSpec("y", (1, outputs, 1, 1)),
    )
    return Workload(name, (layer,), tensors, ("x",), ("y",))


def made_run(folder: Path, *, processes: int, per_s: tuple[float, ...]) -> Path:
    folder.mkdir()
    (folder / "recipe.toml").write_text((RECIPES / "digits_lenet.toml").read_text())
    (folder / "environment.json").write_text(json.dumps([{"processes": processes}]))
    metrics, timing = [], []
    for epoch, speed in enumerate(per_s, 1):
        metrics.append(
            {
                "kind": "epoch",
                "epoch": epoch,
                "step": epoch,
                "test_top1": 90.0 + epoch,
                "test_top5": 99.0,
            }
        )
        timing.append({"epoch": epoch, "train_seconds": 36.0, "images_per_s": speed})
    for name, rows in (("metrics", metrics), ("timing", timing)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
