"""The mapper finds the optimum that AccelForge finds, access by access."""

import pytest

from steelyard.hardware.device import Accelerator, Memory
from steelyard.hardware.mapper import find_mapping
from steelyard.hardware.problem import Problem

# AccelForge 1.0.467 (PyPI) on the same matrix product and memories: 16 bits a value, DRAM 200 and buffer 6 pJ a
# value, unit 1, everything kept everywhere, objective energy: pJ by (memory, tensor), reads and writes together.
THEIRS = {
    ("dram", "I"): 3276800.0,
    ("dram", "W"): 1638400.0,
    ("dram", "O"): 409600.0,
    ("buffer", "I"): 1572864.0 + 98304.0,
    ("buffer", "W"): 1572864.0 + 49152.0,
    ("buffer", "O"): 1572864.0 + 1572864.0,
}


def test_matrix_product_as_accelforge():
    device = Accelerator(
        "two",
        (
            Memory("dram", read_pj=200, write_pj=200),
            Memory("buffer", capacity_bytes=2048, read_pj=6, write_pj=6),
        ),
        mac_pj=1,
    )
    # (64 x 128) @ (128 x 32)
    found = find_mapping(Problem((64, 1, 32, 128, 1, 1, 1, 1)), device)
    assert found.optimal
    assert found.value == pytest.approx(12025856.0, rel=1e-12)
    # two mappings that mirror each other may cost the same: the tensors' parts are those of one of them
    assert {(a.level, a.operand): a.pj for a in found.evaluation.accesses} == THEIRS
