"""Runs SCALE-Sim on one layer; needs ``scalesim`` and nothing of steelyard. Used by systolic.py.

Reads one JSON object from the standard input (layer: P, Q, R, S, C, M, stride; rows, columns, dataflow) and
prints one: cycles, sram accesses of inputs, weights and outputs, CPU seconds without the imports.

SCALE-Sim 3.0.0 takes ``int()`` of an array of one element, which NumPy 2.4 refuses: use an environment with
``scalesim==3.0.0`` and ``numpy<2.4``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

CONFIG = """\
[general]
run_name = run
[architecture_presets]
ArrayHeight = {rows}
ArrayWidth = {columns}
IfmapSramSzkB = 12288
FilterSramSzkB = 12288
OfmapSramSzkB = 12288
IfmapOffset = 0
FilterOffset = 100000000
OfmapOffset = 200000000
Dataflow = {dataflow}
Bandwidth = 10
ReadRequestBuffer = 512
WriteRequestBuffer = 512
[sparsity]
SparsitySupport = false
[layout]
IfmapCustomLayout = False
FilterCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
"""
"""``CALC``: memories deliver whatever the array asks for, so that no cycle is a stall."""


def run(
    layer: list[int], rows: int, columns: int, dataflow: str, folder: Path
) -> dict[str, float | int]:
    """One layer; P, Q, R, S, C, M, stride.

    SCALE-Sim knows no padding, and rounds a map up to whole strides; so it is given the input that the outputs
    reach, (P - 1) stride + R by (Q - 1) stride + S.
    """
    from scalesim.scale_sim import scalesim

    p, q, r, s, c, m, stride = layer
    config, topology, layout = (folder / name for name in ("run.cfg", "layer.csv", "layout.csv"))
    config.write_text(CONFIG.format(rows=rows, columns=columns, dataflow=dataflow))
    height, width = (p - 1) * stride + r, (q - 1) * stride + s
    topology.write_text(f"header,\nlayer,{height},{width},{r},{s},{c},{m},{stride},\n")
    layout.write_text("header,\nlayer," + "1," * 21 + "\n")
    begun = time.process_time()
    simulator = scalesim(
        save_disk_space=True, verbose=False, config=str(config), topology=str(topology), layout=str(layout)
    )  # fmt: skip
    simulator.run_scale(top_path=str(folder))
    (found,) = simulator.runner.single_layer_sim_object_list
    # "total cycles" is the number of the last cycle, counted from 0
    last, stalls = found.total_cycles, found.stall_cycles
    return {
        "cycles": int(last) + 1,
        "stalls": int(stalls),
        "inputs": int(found.ifmap_sram_reads),
        "weights": int(found.filter_sram_reads),
        "outputs": int(found.ofmap_sram_writes),
        "cpu_s": round(time.process_time() - begun, 3),
    }


def main() -> None:
    """Reads, runs, prints."""
    warnings.simplefilter("ignore")
    task = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        found = run(**task, folder=Path(folder))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
