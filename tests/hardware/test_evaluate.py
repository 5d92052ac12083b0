"""Closed-form cases: matrix products, pointwise layers, one processing element, cycles and limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from steelyard.errors import InputError, UsageError
from steelyard.hardware.device import Accelerator, Array, Axis, Link, Memory
from steelyard.hardware.evaluate import evaluate
from steelyard.hardware.mapping import Mapping
from steelyard.hardware.problem import Problem
from steelyard.workload import LoopNest

SHARING = {"I": Link("multicast", 2), "W": Link("multicast", 2), "O": Link("neighbour", 2)}


def two_levels(capacity: int | None = None, **ports: float) -> Accelerator:
    return Accelerator(
        "two",
        (
            Memory("DRAM", read_pj=200, write_pj=300),
            Memory("RF", capacity_bytes=capacity, read_pj=1, write_pj=2, **ports),
        ),
        mac_pj=5.0,
    )


def test_one_element_at_a_time_moves_four_for_each_operation() -> None:
    """Without any memory inside, each operation reads I, W and the old sum, and writes the new one."""
    bare = Accelerator("bare", (Memory("DRAM", read_pj=200, write_pj=300),), 1.0)
    nest = LoopNest.linear(rows=3, in_features=5, out_features=7)
    found = evaluate(nest, Mapping.make(bare, {"DRAM": "N3 M7 C5"}), bare)
    assert found.access("DRAM", "I").reads == found.access("DRAM", "W").reads == 3 * 5 * 7
    assert found.access("DRAM", "O").updates == 3 * 5 * 7
    assert found.access("DRAM", "O").psum_reads == 3 * 5 * 7 - 3 * 7  # no read of the first
    assert found.cycles == 3 * 5 * 7


@pytest.mark.parametrize(
    "order, i, w, o",
    [
        # a tiled matrix product of N x C and C x M in tiles of 2 x 2 x 2: each operand moves once for
        # each round of the loop it does not depend on, unless that loop is innermost
        ("N3 M4 C5", 6 * 10 * 4, 8 * 10 * 3, 6 * 8),
        ("N3 C5 M4", 6 * 10, 8 * 10 * 3, 6 * 8 * 5),
        ("M4 C5 N3", 6 * 10 * 4, 8 * 10, 6 * 8 * 5),
    ],
)
def test_tiled_matrix_product(order: str, i: int, w: int, o: int) -> None:
    device = two_levels()
    found = evaluate(
        LoopNest.linear(6, 10, 8), Mapping.make(device, {"DRAM": order, "RF": "N2 C2 M2"}), device
    )
    assert found.access("DRAM", "I").reads == found.access("RF", "I").fills == i
    assert found.access("DRAM", "W").reads == found.access("RF", "W").fills == w
    assert found.access("DRAM", "O").updates == found.access("RF", "O").drains == o
    assert found.access("DRAM", "O").psum_reads == o - 6 * 8
    assert found.access("RF", "I").reads == found.macs == 6 * 10 * 8
    assert found.access("RF", "O").psum_reads == 6 * 10 * 8 - o
    dram = 200 * (i + w + o - 48) + 300 * o
    # inside, sums are read as often as they arrive: old sums, and what goes up
    inside = (480 + 480 + 480) * 1 + (i + w + 480) * 2
    assert found.energy_pj == dram + inside + 480 * 5
    assert found.energy_by_level() == {"DRAM": dram, "RF": inside, "MAC": 2400}


def test_sliding_window_reads_each_row_once() -> None:
    """Q innermost, stride 1: of a window of 3 one new column comes at each step; 3 at the start of a row."""
    device = two_levels()
    nest = LoopNest(1, 1, 1, 1, (4, 8), (3, 3), (6, 10), (1, 1), (1, 1), ((0, 0), (0, 0)))
    found = evaluate(nest, Mapping.make(device, {"DRAM": "P4 Q8", "RF": "R3 S3"}), device)
    assert found.access("DRAM", "I").reads == 4 * 3 * 10
    found = evaluate(nest, Mapping.make(device, {"DRAM": "Q8 P4", "RF": "R3 S3"}), device)
    assert found.access("DRAM", "I").reads == 8 * 3 * 6


def test_stride_beyond_the_filter_leaves_inputs_out() -> None:
    device = two_levels()
    nest = LoopNest(1, 1, 4, 2, (3, 3), (1, 1), (6, 6), (2, 2), (1, 1), ((0, 0), (0, 0)))
    found = evaluate(nest, Mapping.make(device, {"DRAM": "M4", "RF": "C2 P3 Q3"}), device)
    assert found.access("DRAM", "I").reads == 2 * 3 * 3  # of 6 x 6, and once for all filters


def test_padding_is_not_fetched_unless_stored() -> None:
    device = two_levels()
    nest = LoopNest(1, 1, 1, 1, (4, 4), (3, 3), (4, 4), (1, 1), (1, 1), ((1, 1), (1, 1)))
    mapping = Mapping.make(device, {"RF": "P4 Q4 R3 S3"})
    assert evaluate(nest, mapping, device).access("DRAM", "I").reads == 4 * 4
    stored = Problem.of(nest, stored_padding=True)
    assert evaluate(stored, mapping, device).access("DRAM", "I").reads == 6 * 6


def test_tiles_of_one_memory_that_begin_at_different_loops() -> None:
    """8 inputs stay, weights pass one by one, each sum is done before the next: all moves once."""
    device = two_levels(capacity=20)
    nest = LoopNest.linear(rows=1, in_features=8, out_features=8)
    apart = Mapping.make(device, {"RF": "I: M8 O: C8 W:"})
    assert apart.begins == (("I", "RF", 0), ("O", "RF", 1), ("W", "RF", 2))
    found = evaluate(nest, apart, device)
    assert found.footprint_bytes["RF"] == (8 + 1 + 1) * 2
    assert [found.access("DRAM", o).total for o in ("I", "W", "O")] == [8, 64, 8]
    assert apart.text(device).splitlines() == [
        "# DRAM keeps I W O",
        "# RF keeps I W O",
        "for m in range(8):",
        "  # tile of O in RF",
        "  for c in range(8):",
        "    # tile of W in RF",
        "    o += i * w",
    ]
    with pytest.raises(InputError, match="I 16, W 128, O 16 bytes"):
        evaluate(nest, Mapping.make(device, {"RF": "M8 C8"}), device)


def test_where_tiles_cannot_begin() -> None:
    device = two_levels()
    nest = LoopNest.linear(1, 8, 8)
    for begins, what in (
        ((("I", "RF", 3),), "the tile of I in 'RF' begins 3 loops later"),
        ((("I", "DRAM", 1),), "the tile of I in 'DRAM' begins 1 loops later"),
        ((("I", "RF", 1), ("I", "RF", 2)), "a tile begins twice"),
    ):
        mapping = replace(Mapping.make(device, {"RF": "M8 C8"}), begins=begins)
        with pytest.raises(UsageError, match=what):
            evaluate(nest, mapping, device)
    with pytest.raises(UsageError, match="cannot read 'X:'"):
        Mapping.make(device, {"RF": "X: M8"})
    nested = Accelerator("nested", (*device.levels, Memory("L0")), 1.0)
    mapping = replace(Mapping.make(nested, {"RF": "M8", "L0": "C8"}), begins=(("I", "RF", 2),))
    with pytest.raises(UsageError, match="the tiles of I in RF, L0 begin at loops"):
        evaluate(nest, mapping, nested)


def test_links_of_an_array() -> None:
    """4 x 2 units: inputs shared along M, weights not, sums handed along C."""
    array = Array("PE", (Axis("x", 4, SHARING), Axis("y", 2, SHARING)))
    device = Accelerator("array", (Memory("DRAM"), array), 1.0)
    nest = LoopNest.linear(1, 2, 4)
    found = evaluate(nest, Mapping.make(device, {"PE": "M4@x C2@y"}), device)
    assert found.access("DRAM", "I").reads == 2
    assert found.access("DRAM", "W").reads == 8
    assert found.access("DRAM", "O").updates == 4
    carried = {(c.axis, c.operand): c.elements for c in found.crossings}
    assert carried == {("x", "I"): 8, ("x", "W"): 8, ("x", "O"): 0} | {
        ("y", "I"): 8,
        ("y", "W"): 8,
        ("y", "O"): 4,
    }
    assert found.cycles == 1
    assert found.utilization == found.spatial_utilization == 1


def test_edges_use_fewer_units() -> None:
    array = Array("PE", (Axis("x", 4, SHARING),))
    device = Accelerator("array", (Memory("DRAM"), array), 1.0)
    found = evaluate(
        LoopNest.linear(1, 1, 10), Mapping.make(device, {"DRAM": "M3", "PE": "M4@x"}), device
    )
    assert found.macs == 10  # the last round has two
    assert found.cycles == 3
    assert found.temporal_utilization == pytest.approx(10 / 12)


def test_cycles_with_and_without_double_buffers() -> None:
    nest = LoopNest.linear(4, 4, 4)
    slow = {"write_bandwidth": 0.5}
    single = two_levels(**slow)
    found = evaluate(nest, Mapping.make(single, {"DRAM": "C2", "RF": "N4 M4 C2"}), single)
    # 64 operations wait for 16 inputs and 16 weights at half an element a cycle; the port also takes 64 sums
    assert found.stall_cycles == (16 + 16) / 0.5
    assert found.cycles == max(64 + 64, (16 + 16 + 64) / 0.5)
    fast = {"write_bandwidth": 4}
    single = two_levels(**fast)
    found = evaluate(nest, Mapping.make(single, {"DRAM": "C2", "RF": "N4 M4 C2"}), single)
    assert found.cycles == 64 + 32 / 4
    double = Accelerator(
        "double",
        (Memory("DRAM"), Memory("RF", write_bandwidth=4, double_buffered=("I", "W", "O"))),
        1.0,
    )
    assert evaluate(nest, Mapping.make(double, {"RF": "N4 M4 C4"}), double).cycles == 64


def test_groups_are_a_loop_of_all_operands() -> None:
    device = two_levels()
    nest = LoopNest(2, 6, 6, 6, (3, 3), (2, 2), (4, 4), (1, 1), (1, 1), ((0, 0), (0, 0)))
    found = evaluate(nest, Mapping.make(device, {"DRAM": "N2 G6", "RF": "P3 Q3 R2 S2"}), device)
    assert found.access("DRAM", "I").reads == 2 * 6 * 4 * 4
    assert found.access("DRAM", "W").reads == 2 * 6 * 4
    assert found.access("DRAM", "O").updates == 2 * 6 * 9


def test_what_does_not_fit_is_refused() -> None:
    device = two_levels(capacity=20)
    nest = LoopNest.linear(2, 2, 4)
    with pytest.raises(InputError, match=r"do not fit 'RF': I 8, W 16, O 16 bytes"):
        evaluate(nest, Mapping.make(device, {"RF": "N2 C2 M4"}), device)
    with pytest.raises(UsageError, match="the loops over M reach 2 of 4"):
        evaluate(nest, Mapping.make(device, {"RF": "N2 C2 M2"}), device)
    with pytest.raises(UsageError, match="loop M3 over tiles of 2 of M=4"):
        evaluate(nest, Mapping.make(device, {"DRAM": "M3", "RF": "N2 C2 M2"}), device)
    with pytest.raises(InputError, match="nothing to map: N=0"):
        evaluate(LoopNest(0, 1, 1, 1), Mapping.make(device, {}), device)
    with pytest.raises(InputError, match="counts would overflow"):
        Problem((2**30, 1, 2**30, 2**30, 1, 1, 1, 1))
    with pytest.raises(UsageError, match="4 instances along x"):
        array = Accelerator(
            "array", (Memory("DRAM"), Array("PE", (Axis("x", 2), Axis("y", 2)))), 1.0
        )
        evaluate(nest, Mapping.make(array, {"DRAM": "N2 C2", "PE": "M4@x"}), array)


def test_three_dimensions_and_transposed_convolutions_have_all_their_operations() -> None:
    deep = LoopNest(2, 1, 3, 2, (2, 4, 4), (3, 3, 3), (4, 6, 6), (1,) * 3, (1,) * 3, ((0, 0),) * 3)
    assert Problem.of(deep).macs == deep.macs
    up = LoopNest(1, 2, 4, 6, (8, 8), (2, 2), (4, 4), (2, 2), (1, 1), ((0, 0),) * 2, True)
    assert Problem.of(up).macs == up.macs
    line = LoopNest(1, 1, 3, 2, (5,), (3,), (7,), (1,), (1,), ((0, 0),))
    assert Problem.of(line).macs == line.macs
