"""Every kind of layer on every accelerator: found, and counted as the nest that is executed step by step counts."""

from __future__ import annotations

import pytest
from test_simulator import agree

from steelyard.hardware.device import Accelerator
from steelyard.hardware.mapper import find_mapping
from steelyard.hardware.problem import Problem
from steelyard.hardware.registry import device, list_devices
from steelyard.hardware.simulator import simulate
from steelyard.workload import LoopNest

ACCELERATORS = [
    name for name in list_devices() if name != "cpu" and isinstance(device(name), Accelerator)
]


def conv(
    n: int, g: int, m: int, c: int, out: tuple[int, ...], kernel: tuple[int, ...], size: tuple[int, ...],
    stride: int = 1, dilation: int = 1, pad: int = 0, transposed: bool = False,
) -> LoopNest:  # fmt: skip
    axes = len(out)
    pads = ((pad, pad),) * axes
    return LoopNest(
        n, g, m, c, out, kernel, size, (stride,) * axes, (dilation,) * axes, pads, transposed
    )


KINDS = {
    "1-d, stride 2": conv(1, 1, 3, 2, (4,), (3,), (8,), stride=2, pad=1),
    "3-d": conv(1, 1, 2, 2, (1, 2, 2), (2, 2, 2), (2, 3, 3)),
    "transposed": conv(1, 1, 2, 3, (4, 4), (2, 2), (2, 2), stride=2, transposed=True),
    "grouped": conv(1, 2, 4, 4, (2, 2), (3, 3), (4, 4)),
    "depthwise": conv(1, 4, 4, 4, (3, 3), (3, 3), (5, 5), stride=2, pad=1),
    "dilated": conv(1, 1, 2, 2, (3, 3), (2, 2), (5, 5), dilation=2),
    "batched product": LoopNest.matmul(batch=2, rows=3, inner=4, columns=3),
}
MACS = {
    "1-d, stride 2": 4 * 3 * 2 * 3,
    "3-d": 4 * 2 * 2 * 8,
    "transposed": 4 * 3 * 2 * 4,
    "grouped": 4 * 4 * 2 * 9,
    "depthwise": 9 * 4 * 9,
    "dilated": 9 * 2 * 2 * 4,
    "batched product": 2 * 3 * 4 * 3,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ACCELERATORS)
@pytest.mark.parametrize("kind", KINDS)
def test_counts_and_energy(name: str, kind: str) -> None:
    chip = device(name)
    assert isinstance(chip, Accelerator)
    problem = Problem.of(KINDS[kind])
    assert problem.macs == MACS[kind]
    found = find_mapping(problem, chip)
    agree(problem, found.mapping, chip)
    truth = simulate(problem, found.mapping, chip)
    energy = truth.macs * chip.mac_pj
    for (level, operand, word), count in truth.counts.items():
        memory = next(m for m in chip.memories if m.name == level)
        writes = word in ("fills", "updates")
        price = memory.write_energy if writes else memory.read_energy
        energy += count * price(operand, chip.bits[operand])
    links = {axis.name: axis for array in chip.arrays for axis in array.axes}
    for (axis, operand), count in truth.crossed.items():
        energy += count * links[axis].link(operand).pj
    assert found.evaluation.energy_pj == pytest.approx(energy, rel=1e-9)
