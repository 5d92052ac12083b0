"""Gating, skipping and compression on a device small enough to count by hand."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from steelyard.errors import UnknownNameError, UsageError
from steelyard.hardware.compression import bitmask_ratio, run_length_ratio
from steelyard.hardware.device import Accelerator, Array, Axis, Link, Memory
from steelyard.hardware.evaluate import evaluate
from steelyard.hardware.mapping import Mapping
from steelyard.hardware.sparsity import Densities, with_sparsity
from steelyard.hardware.zero_means import Sparsity
from steelyard.workload import LoopNest

DEVICE = Accelerator(
    "four",
    (
        Memory("dram", read_pj=200, write_pj=200, read_bandwidth=1, write_bandwidth=1),
        Array("grid", (Axis("x", 4, {"I": Link("multicast")}),)),
        Memory("rf", read_pj=1, write_pj=2, double_buffered=("I", "W", "O")),
    ),
    mac_pj=3,
)
NEST = LoopNest.linear(8, 16, 12)  # 8 rows, C = 16, M = 12
DENSE = evaluate(NEST, Mapping.make(DEVICE, {"dram": "M3 N8", "grid": "M4@x", "rf": "C16"}), DEVICE)


def test_the_dense_counts_are_as_drawn():
    assert DENSE.macs == 8 * 16 * 12
    assert DENSE.access("rf", "W").reads == DENSE.macs
    assert DENSE.compute_cycles == DENSE.macs // 4


def test_gating_on_inputs():
    spared = with_sparsity(DENSE, DEVICE, Densities(I=0.25, W=0.5), Sparsity(gate=("I",)))
    assert spared.mac_pj == 0.25 * DENSE.mac_pj
    # the filter and the sums rest when the input is zero; the input itself is still read
    assert spared.access("rf", "W").reads == DENSE.macs // 4
    assert spared.access("rf", "W").fills == DENSE.access("rf", "W").fills
    assert spared.access("rf", "O").updates == DENSE.macs // 4
    assert spared.access("rf", "O").drains == DENSE.access("rf", "O").drains
    assert spared.access("rf", "I") == DENSE.access("rf", "I")
    assert spared.cycles == DENSE.cycles
    assert spared.dram_accesses == DENSE.dram_accesses


def test_gating_on_both():
    spared = with_sparsity(DENSE, DEVICE, Densities(I=0.25, W=0.5), Sparsity(gate=("I", "W")))
    assert spared.mac_pj == 0.125 * DENSE.mac_pj
    assert spared.access("rf", "I").reads == DENSE.macs // 2
    assert spared.access("rf", "W").reads == DENSE.macs // 4
    assert spared.access("rf", "O").updates == DENSE.macs // 8


def test_skipping_spares_cycles_too():
    quick = Accelerator("quick", (Memory("dram"), *DEVICE.levels[1:]), 3)
    dense = evaluate(
        NEST, Mapping.make(quick, {"dram": "M3 N8", "grid": "M4@x", "rf": "C16"}), quick
    )
    spared = with_sparsity(dense, quick, Densities(I=0.25), Sparsity(skip=("I",)))
    assert spared.compute_cycles == dense.compute_cycles // 4
    assert spared.cycles == dense.cycles // 4
    gated = with_sparsity(dense, quick, Densities(I=0.25), Sparsity(gate=("I",)))
    assert spared.energy_pj == gated.energy_pj


@pytest.mark.parametrize(
    ("scheme", "ratio"), [("run_length", run_length_ratio), ("bitmask", bitmask_ratio)]
)
def test_compression(scheme, ratio):
    means = Sparsity(compress={"I": scheme, "O": scheme})
    spared = with_sparsity(DENSE, DEVICE, Densities(I=0.25, W=0.1, O=0.5), means)
    before, after = DENSE.access("dram", "I"), spared.access("dram", "I")
    assert after.reads == round(before.reads * ratio(0.25))
    assert after.pj == pytest.approx(before.pj * ratio(0.25))
    assert spared.access("dram", "O").updates == round(8 * 12 * ratio(0.5))
    assert spared.access("dram", "W") == DENSE.access("dram", "W")
    assert spared.mac_pj == DENSE.mac_pj
    assert spared.level_cycles["dram"] < DENSE.level_cycles["dram"]


def test_partial_sums_are_not_compressed():
    mapping = Mapping.make(DEVICE, {"dram": "C4 M3 N8", "grid": "M4@x", "rf": "C4"})
    dense = evaluate(NEST, mapping, DEVICE)
    spared = with_sparsity(dense, DEVICE, Densities(O=0.5), Sparsity(compress={"O": "bitmask"}))
    outputs = 8 * 12
    assert dense.access("dram", "O").updates == 4 * outputs
    assert spared.access("dram", "O").psum_reads == 3 * outputs
    assert spared.access("dram", "O").updates == 3 * outputs + round(outputs * bitmask_ratio(0.5))


def test_what_several_units_share_is_not_gated():
    shared = Accelerator("shared", (Memory("dram", read_pj=1), Array("a", (Axis("x", 4),))), 1)
    dense = evaluate(NEST, Mapping.make(shared, {"dram": "M3 N8 C16", "a": "M4@x"}), shared)
    spared = with_sparsity(dense, shared, Densities(I=0.5), Sparsity(gate=("I",)))
    assert spared.accesses == dense.accesses
    assert spared.mac_pj == dense.mac_pj / 2


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_zeros_never_cost(i, w, o):
    means = Sparsity(("I",), ("W",), {"I": "run_length", "W": "bitmask", "O": "run_length"})
    spared = with_sparsity(DENSE, DEVICE, Densities(i, w, o), means)
    assert spared.energy_pj <= DENSE.energy_pj * (1 + 1e-9)
    assert 1 <= spared.cycles <= DENSE.cycles + 1
    assert all(a.total <= b.total for a, b in zip(spared.accesses, DENSE.accesses, strict=True))


def test_without_means_or_zeros_nothing_changes():
    for densities, means in (
        (Densities(0.1, 0.1, 0.1), Sparsity()),
        (Densities(), Sparsity(("I", "W"), ("I",), {"I": "run_length"})),
    ):
        same = with_sparsity(DENSE, DEVICE, densities, means)
        assert same.accesses == DENSE.accesses
        assert same.energy_pj == DENSE.energy_pj
        assert same.cycles == DENSE.cycles


def test_refused():
    with pytest.raises(UsageError, match="density"):
        Densities(I=1.5)
    with pytest.raises(UsageError, match="zeros of 'O'"):
        Sparsity(gate=("O",))
    with pytest.raises(UnknownNameError, match="zip"):
        Sparsity(compress={"I": "zip"})
