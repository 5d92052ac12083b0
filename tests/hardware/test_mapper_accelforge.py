"""The mapper finds the optimum that AccelForge finds, access by access."""

import pytest

from steelyard.hardware.device import Accelerator, Memory
from steelyard.hardware.evaluate import evaluate
from steelyard.hardware.mapper import find_mapping
from steelyard.hardware.mapping import Mapping
from steelyard.hardware.problem import Problem

# AccelForge 1.0.467 (PyPI) on the same matrix product and memories: 16 bits a value, DRAM 200 and buffer 6 pJ a
# value, unit 1, everything kept everywhere, objective energy: pJ by (memory, tensor), reads and writes together.
SMALL = {
    ("dram", "I"): 3276800.0,
    ("dram", "W"): 1638400.0,
    ("dram", "O"): 409600.0,
    ("buffer", "I"): 1572864.0 + 98304.0,
    ("buffer", "W"): 1572864.0 + 49152.0,
    ("buffer", "O"): 1572864.0 + 1572864.0,
}
SMALLER = {
    ("dram", "I"): 2304000.0,
    ("dram", "W"): 3840000.0,
    ("dram", "O"): 768000.0,
    ("buffer", "I"): 1382400.0 + 69120.0,
    ("buffer", "W"): 1382400.0 + 115200.0,
    ("buffer", "O"): 1382400.0 + 1382400.0,
}


# Tiles that give these figures. The optimum of the first is not unique: to read the first factor and the second
# twice each costs as much as once and four times.
TILES = {"dram": "N2 M2 C16", "buffer": "N32 M16 C8"}
SMALLER_TILES = {"dram": "N8 M2 C60", "buffer": "N12 M20"}


@pytest.mark.parametrize(
    ("m", "k", "n", "room", "total", "parts", "tiles"),
    [
        (64, 128, 32, 2048, 12025856.0, SMALL, TILES),
        (96, 60, 40, 600, 12856320.0, SMALLER, SMALLER_TILES),
    ],
)
def test_matrix_product_as_accelforge(m, k, n, room, total, parts, tiles):
    """(m x k) @ (k x n) with so many bytes of buffer."""
    device = Accelerator(
        "two",
        (
            Memory("dram", read_pj=200, write_pj=200),
            Memory("buffer", capacity_bytes=room, read_pj=6, write_pj=6),
        ),
        mac_pj=1,
    )
    problem = Problem((m, 1, n, k, 1, 1, 1, 1))
    found = find_mapping(problem, device)
    assert found.optimal
    assert found.value == pytest.approx(total, rel=1e-12)
    theirs = evaluate(problem, Mapping.make(device, tiles), device)
    assert {(a.level, a.operand): a.pj for a in theirs.accesses} == parts
    assert theirs.energy_pj == pytest.approx(total, rel=1e-12)
