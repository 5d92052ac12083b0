"""ResNet-50 on systolic arrays: SCALE-Sim's cycles and time beside ours.

Run: ``python benchmarks/systolic.py --scalesim PYTHON``, PYTHON being an interpreter with ``scalesim==3.0.0`` and
``numpy<2.4`` (its own environment). Writes results/systolic.md; with ``--reference`` also the figures that the
tests and docs/reference/hardware-validation.md are held against, tests/hardware/data/scalesim_resnet50.csv.

What has run is kept in out/scalesim.jsonl, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from typing import Any

from common import HERE, machine, markdown, publish

ARRAYS = ((256, 256), (128, 128), (32, 32), (16, 64))
WHOLE = ((256, 256), (128, 128))
"""Arrays on which all of SCALE-Sim runs; on the others, whose cycles are ten times as many, its first half."""
FLOWS = ("ws", "os", "is")
KEPT = HERE.parent / "out" / "scalesim.jsonl"
REFERENCE = HERE.parent / "tests" / "hardware" / "data" / "scalesim_resnet50.csv"
SIZES = ("P", "Q", "R", "S", "C", "M", "stride")

Task = tuple[tuple[int, ...], int, int, str]
"""Layer, rows, columns, dataflow."""


def shapes(load: Any) -> list[tuple[int, ...]]:
    """The different layers that multiply."""
    nests = [nest for layer in load.layers for nest in layer.nests if nest.macs]
    return [*dict.fromkeys((n.P, n.Q, n.R, n.S, n.C, n.M, n.stride[-1]) for n in nests)]


def simulate(task: Task, python: str) -> dict[str, Any]:
    """What SCALE-Sim says, in a process of its own."""
    layer, rows, columns, flow = task
    asked = {
        "layer": layer, "rows": rows, "columns": columns, "dataflow": flow, "memory": (rows, columns) in WHOLE,
    }  # fmt: skip
    done = subprocess.run(
        [python, str(HERE / "scalesim_child.py")],
        input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True,
        env={"OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"]},
    )  # fmt: skip
    return {**asked, **json.loads(done.stdout.splitlines()[-1])}


def known() -> dict[Task, dict[str, Any]]:
    """What was run before."""
    lines = KEPT.read_text().splitlines() if KEPT.exists() else []
    found = [json.loads(line) for line in lines]
    return {(tuple(d["layer"]), d["rows"], d["columns"], d["dataflow"]): d for d in found}


def ours_s(load: Any, array: tuple[int, int], flow: str) -> float:
    """CPU seconds for all layers: the best of a second's repetitions."""
    import steelyard as sy

    times, deadline = [], time.process_time() + 1
    while time.process_time() < deadline:
        begun = time.process_time()
        sy.systolic(load, array, flow)
        times.append(time.process_time() - begun)
    return min(times)


def write_reference(found: dict[Task, dict[str, Any]]) -> None:
    """The CSV of the tests."""
    counted = ("cycles", "inputs", "weights", "outputs")
    with REFERENCE.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(("rows", "columns", "dataflow", *SIZES, *counted, "simulated"))
        for (layer, rows, columns, flow), figures in found.items():
            part = "all" if figures["memory"] else "array"
            lines.writerow(
                (rows, columns, flow, *layer, *(figures[name] for name in counted), part)
            )
    print(f"written to {REFERENCE}", file=sys.stderr)


def main() -> None:
    """Simulates what is missing, prints and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scalesim", required=True, metavar="PYTHON")
    parser.add_argument("--reference", action="store_true")
    options = parser.parse_args()

    import steelyard as sy

    load = sy.capture("resnet50")
    layers = shapes(load)
    tasks = [(layer, *array, flow) for array in ARRAYS for flow in FLOWS for layer in layers]
    KEPT.parent.mkdir(exist_ok=True)
    found = known()
    for task in tasks:
        if task not in found:
            found[task] = simulate(task, options.scalesim)
            with KEPT.open("a") as file:
                file.write(json.dumps(found[task]) + "\n")
    found = {task: found[task] for task in tasks}
    if options.reference:
        write_reference(found)

    rows = []
    for array in ARRAYS:
        for flow in FLOWS:
            mine = sy.systolic(load, array, flow)
            theirs = {task[0]: d for task, d in found.items() if task[1:] == (*array, flow)}
            by_layer = zip(mine.layers, _shapes_in_order(load), strict=True)
            off = max(abs(layer.apart / theirs[shape]["cycles"] - 1) for layer, shape in by_layer)
            cpu_s = sum(d["cpu_s"] for d in theirs.values())
            own_s = ours_s(load, array, flow)
            part = "all" if array in WHOLE else "array only"
            rows.append(
                [
                    f"{array[0]} x {array[1]}", flow.upper(), f"{mine.apart:,}", f"{100 * off:.2f} %", part,
                    f"{cpu_s:.1f}", f"{own_s * 1e3:.2f}", f"{cpu_s / own_s:,.0f}",
                ]
            )  # fmt: skip
    text = [
        "# ResNet-50 on systolic arrays, beside SCALE-Sim",
        "",
        f"SCALE-Sim 3.0.0, memories that keep up, on the {len(layers)} different layers of the {len(mine.layers)} that "
        "multiply; `sy.systolic` on all of them. CPU time, without imports and capture. SCALE-Sim goes through every "
        "cycle and every request; on the two small arrays only its first half was run, which lists the requests and "
        f"does not look them up. Load of the machine at the end {os.getloadavg()[0]:.0f}; ratios are good to a factor of two.",
        "",
        markdown(
            ["array", "dataflow", "cycles", "largest difference of a layer", "simulated", "SCALE-Sim, s", "ours, ms", "ratio"],
            rows,
            left=2,
        ),
        "",
        machine(),
    ]  # fmt: skip
    publish("systolic.md", "\n".join(text))


def _shapes_in_order(load: Any) -> list[tuple[int, ...]]:
    nests = [nest for layer in load.layers for nest in layer.nests if nest.macs]
    return [(n.P, n.Q, n.R, n.S, n.C, n.M, n.stride[-1]) for n in nests]


if __name__ == "__main__":
    main()
