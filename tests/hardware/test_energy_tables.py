"""Energy tables: the ratios that papers state, calibrations by others, and the laws of scaling."""

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.errors import UnknownNameError, UsageError
from steelyard.hardware.energy_tables import (
    DRAM_32_BIT_PJ,
    ISCA16_RATIO,
    OPERATION_PJ,
    OPERATION_UM2,
    SRAM_32_BIT_PJ,
    dram_pj,
    mac_pj,
    operation_pj,
    process_factor,
    sram_pj,
)


class TestPublished:
    # Sze et al., Efficient processing of deep neural networks, Proc. IEEE 2017, sec. VII-A: energy, area
    RATIOS: ClassVar = [
        ("int32_add", "int8_add", 3.3, 3.8),
        ("float32_add", "int8_add", 30, 116),
        ("int32_mult", "int8_mult", 15.5, 12.4),
        ("float32_mult", "int8_mult", 18.5, 27.5),
    ]

    @pytest.mark.parametrize(("wide", "narrow", "energy", "area"), RATIOS)
    def test_ratios_of_the_survey(self, wide, narrow, energy, area) -> None:
        assert OPERATION_PJ[wide] / OPERATION_PJ[narrow] == pytest.approx(energy, rel=0.02)
        assert OPERATION_UM2[wide] / OPERATION_UM2[narrow] == pytest.approx(area, rel=0.02)

    def test_the_row_stationary_study(self) -> None:
        assert list(ISCA16_RATIO.values()) == [1, 1, 2, 6, 200]

    def test_stated_sizes_are_met(self) -> None:
        for size, energy in SRAM_32_BIT_PJ.items():
            assert sram_pj(size, 32) == pytest.approx(energy)
        assert dram_pj(32) == DRAM_32_BIT_PJ == 640

    def test_a_dram_access_costs_as_much_as_hundreds_of_small_operations(self) -> None:
        assert dram_pj(8) / mac_pj(8) > 500
        assert 150 < dram_pj(16) / mac_pj(16, 16, 65) < 300


class TestCalibrationsOfOthers:
    """nn_dataflow's figures for the Eyeriss chip (65 nm, 16 bits), which this table does not use."""

    def test_buffer_of_100_kib(self) -> None:
        assert sram_pj(100 * 1024, 16, 65) == pytest.approx(15, rel=0.1)

    def test_scratch_pad_of_448_bytes(self) -> None:
        assert sram_pj(448, 16, 65) == pytest.approx(1, rel=0.1)

    def test_multiply_accumulate(self) -> None:
        assert mac_pj(16, 32, 65) == pytest.approx(2, rel=0.25)


@given(st.integers(64, 10**9), st.integers(64, 10**9), st.integers(1, 64), st.integers(5, 180))
def test_larger_memories_cost_more_and_width_is_linear(a, b, bits, node) -> None:
    small, large = sorted((a, b))
    assert sram_pj(small, bits, node) <= sram_pj(large, bits, node) * (1 + 1e-12)
    assert sram_pj(a, 2 * bits, node) == pytest.approx(2 * sram_pj(a, bits, node))


@given(st.floats(5, 180), st.floats(5, 180), st.floats(5, 180))
def test_moving_between_processes_has_no_detours(a, b, c) -> None:
    assert process_factor(a, a) == pytest.approx(1)
    assert process_factor(a, b) * process_factor(b, c) == pytest.approx(process_factor(a, c))
    assert a >= b or process_factor(a, b) > 1


@given(st.integers(1, 64), st.integers(1, 64))
def test_wider_operations_cost_more(bits, accumulator) -> None:
    assert mac_pj(bits + 1, accumulator) > mac_pj(bits, accumulator)
    assert mac_pj(bits, accumulator + 1) > mac_pj(bits, accumulator)


def test_what_is_not_known_says_so() -> None:
    with pytest.raises(UnknownNameError, match="no operation is named 'int8_mul'"):
        operation_pj("int8_mul")
    with pytest.raises(UsageError, match="a process of 3 nm"):
        sram_pj(1024, 16, 3)
    with pytest.raises(UsageError, match="an SRAM of 0 bytes"):
        sram_pj(0)
    with pytest.raises(UsageError, match="a multiply-accumulate of 0 and 32 bits"):
        mac_pj(0)
    with pytest.raises(UsageError, match="a DRAM access of 0 bits"):
        dram_pj(0)
    assert operation_pj("int8_add", 65) == pytest.approx(0.03 * process_factor(45, 65))
