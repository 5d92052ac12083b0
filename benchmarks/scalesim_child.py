"""Runs SCALE-Sim on one layer; needs ``scalesim`` and nothing of steelyard. Used by systolic.py.

Reads one JSON object from the standard input (layer: P, Q, R, S, C, M, stride; rows, columns, dataflow; memory)
and prints one: cycles, stalls, requests of inputs, weights and outputs, CPU seconds without the imports.

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
from typing import Any

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

MANY_BYTES = 1 << 20


def run(
    layer: list[int], rows: int, columns: int, dataflow: str, memory: bool, folder: Path
) -> dict[str, float | int | None]:
    """One layer; P, Q, R, S, C, M, stride.

    SCALE-Sim knows no padding, and rounds a map up to whole strides; so it is given the input that the outputs
    reach, (P - 1) stride + R by (Q - 1) stride + S.

    With ``memory`` the whole simulation, else its first half: what the array asks for in each cycle, whose
    lines are the cycles when memories keep up. The second half looks each of them up, one by one.
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
    if memory:
        simulator.run_scale(top_path=str(folder))
        (found,) = simulator.runner.single_layer_sim_object_list
        # "total cycles" is the number of the last cycle, counted from 0
        cycles, stalls = int(found.total_cycles) + 1, int(found.stall_cycles)
        system = found.compute_system
    else:
        (cycles, system), stalls = _demands(simulator), None
    return {
        "cycles": cycles,
        "stalls": stalls,
        "inputs": int(system.get_ifmap_requests()),
        "weights": int(system.get_filter_requests()),
        "outputs": int(system.get_ofmap_requests()),
        "cpu_s": round(time.process_time() - begun, 3),
    }


class _Numpy:
    """NumPy, but what is appended to a large matrix is written behind it instead of copying both.

    SCALE-Sim appends every fold to the requests so far; with a thousand folds nearly all time is copying.
    """

    def __init__(self, numpy: Any) -> None:
        self.numpy = numpy
        self.filled: dict[int, tuple[Any, int]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.numpy, name)

    def concatenate(self, parts: Any, axis: int = 0) -> Any:
        """As NumPy's."""
        first, *rest = parts
        if axis != 0 or len(rest) != 1 or first.nbytes < MANY_BYTES:
            return self.numpy.concatenate(parts, axis=axis)
        store, filled = self.filled.get(id(first.base), (None, 0))
        total = len(first) + len(rest[0])
        if store is None or filled != len(first) or total > len(store):
            self.filled.pop(id(first.base), None)
            store = self.numpy.empty((2 * total, first.shape[1]), dtype=first.dtype)
            store[: len(first)] = first
        store[len(first) : total] = rest[0]
        self.filled[id(store)] = (store, total)
        return store[:total]


def _demands(simulator: Any) -> tuple[int, Any]:
    """Cycles, and the object that counted the requests."""
    import numpy
    from scalesim.compute import systolic_compute_is, systolic_compute_os
    from scalesim.single_layer_sim import single_layer_sim

    systolic_compute_is.np, systolic_compute_os.np = _Numpy(numpy), _Numpy(numpy)
    single = single_layer_sim()
    single.set_params(0, simulator.config, simulator.topo, simulator.layout, verbose=False)
    operands = single.op_mat_obj
    single.compute_system.set_params(
        config_obj=simulator.config,
        ifmap_op_mat=operands.get_ifmap_matrix()[1],
        filter_op_mat=operands.get_filter_matrix()[1],
        ofmap_op_mat=operands.get_ofmap_matrix()[1],
    )
    return len(single.compute_system.get_demand_matrices()[2]), single.compute_system


def main() -> None:
    """Reads, runs, prints."""
    warnings.simplefilter("ignore")
    task = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        found = run(**task, folder=Path(folder))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
