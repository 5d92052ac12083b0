"""Memories whose sums are wider than outputs: energy, room, the search, the file, and the first TPU's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_cases import devices, mappings, problems

from steelyard.errors import FileFormatError, InputError
from steelyard.hardware.device import Accelerator, Memory
from steelyard.hardware.drawing import draw_mapping
from steelyard.hardware.evaluate import evaluate
from steelyard.hardware.export import timeloop_architecture, zigzag_accelerator
from steelyard.hardware.mapper import find_mapping
from steelyard.hardware.mapping import Mapping
from steelyard.hardware.mapspace import Constraints
from steelyard.hardware.problem import Problem
from steelyard.hardware.registry import device
from steelyard.hardware.yamlfile import parse_device

DRAM = Memory("dram", read_pj=200, write_pj=200)
SUMS = Memory("sums", ("O",), 64, 2, 3, psum_bits=32)
CHIP = Accelerator("chip", (DRAM, SUMS), 1.0, {"I": 8, "W": 8, "O": 8})
LAYER = Problem((1, 1, 8, 4, 1, 1, 1, 1))


@given(st.data())
@settings(deadline=None)
def test_each_memory_counts_with_its_own_width(data: st.DataObject) -> None:
    """As on a device all of whose outputs are wide, where they are; as on the narrow one elsewhere."""
    problem, narrow = data.draw(problems(60)), data.draw(devices())
    mapping = data.draw(mappings(problem, narrow))
    wide = replace(narrow, bits={**narrow.bits, "O": 48})
    can = [m.name for m in narrow.memories[1:] if "O" in m.holds]
    chosen = {name for name in can if data.draw(st.booleans())}
    levels = tuple(
        replace(level, psum_bits=48) if level.name in chosen else level for level in narrow.levels
    )
    found = evaluate(problem, mapping, replace(narrow, levels=levels))
    low, high = evaluate(problem, mapping, narrow), evaluate(problem, mapping, wide)
    for k, access in enumerate(found.accesses):
        assert access == (high if access.level in chosen else low).accesses[k]
    for name, taken in found.footprint_bytes.items():
        assert taken == (high if name in chosen else low).footprint_bytes[name]
    assert found.exact_cycles == low.exact_cycles
    assert found.crossings == low.crossings


def test_by_hand() -> None:
    """8 outputs of 4 products: 16 sums of 32 bits fit 64 bytes, and each of 8 x 4 arrivals is a word of 4 bytes."""
    mapping = Mapping.make(CHIP, {"dram": "", "sums": "M8 C4"})
    found = evaluate(LAYER, mapping, CHIP)
    sums = found.access("sums", "O")
    assert (sums.updates, sums.psum_reads, sums.drains) == (32, 24, 8)
    assert sums.pj == 32 * (3 * 32 / 16) + 32 * (2 * 32 / 16)
    assert found.access("dram", "O").pj == 8 * 200 * 8 / 16
    assert found.footprint_bytes["sums"] == 32
    assert "O: 8 elements, 32 B" in draw_mapping(LAYER, mapping, CHIP, found)
    small = replace(CHIP, levels=(DRAM, replace(SUMS, capacity_bytes=31)))
    with pytest.raises(InputError, match="do not fit 'sums'"):
        evaluate(LAYER, mapping, small)
    assert find_mapping(LAYER, small).evaluation.footprint_bytes["sums"] <= 31
    none = replace(CHIP, levels=(DRAM, replace(SUMS, capacity_bytes=3)))
    kept = Constraints(keep=(("sums", ("O",)),))
    with pytest.raises(
        InputError, match="holds 3 bytes, and the smallest tile is 4 bytes of outputs"
    ):
        find_mapping(LAYER, none, constraints=kept)


def test_the_file_says_it() -> None:
    assert parse_device(CHIP.to_yaml()) == CHIP
    assert "psum_bits: 32" in CHIP.to_yaml()
    assert "O (32 bits)" in str(CHIP)
    for old, new, says in (
        ("psum_bits: 32", "psum_bits: 0", "levels.sums.psum_bits: 0"),
        ("psum_bits: 32", "psum_bits: 4", "sums of 4 bits in 'sums', outputs of 8"),
        ("psum_bits: 32", "psum_bits: wide", "a whole number from 1"),
        ("dram: {", "dram: {psum_bits: 32, ", "not in the outermost memory"),
        ("holds: [O]", "holds: [I]", "psum_bits, and it holds no outputs"),
    ):
        text = CHIP.to_yaml()
        assert old in text
        with pytest.raises(FileFormatError) as error:
            parse_device(text.replace(old, new))
        assert says in str(error.value)


def test_the_first_tpu_has_them() -> None:
    """4 MiB of 32 bits are as many sums, at the same price, as 1 MiB of 8 bits."""
    tpu = device("tpu_v1")
    assert isinstance(tpu, Accelerator)
    held = tpu.level("accumulators")
    assert isinstance(held, Memory) and held.psum_bits == 32
    assert held.capacity_bytes == 4096 * 256 * 4
    same = replace(held, psum_bits=None, capacity_bytes=2**20, word_bits=8)
    other = replace(tpu, levels=tuple(same if x is held else x for x in tpu.levels))
    layer = Problem((4, 1, 512, 512, 1, 1, 1, 1))
    first, second = find_mapping(layer, tpu), find_mapping(layer, other)
    assert first.value == pytest.approx(second.value, rel=1e-12)
    assert first.evaluation.exact_cycles == second.evaluation.exact_cycles


def test_files_for_others() -> None:
    assert "datawidth: 32" in timeloop_architecture(CHIP)
    narrow = replace(CHIP, levels=(DRAM, Memory("sums", ("O",), 16, 8, 12)))
    assert zigzag_accelerator(CHIP) == zigzag_accelerator(narrow)
    shared = replace(CHIP, levels=(DRAM, replace(SUMS, holds=("I", "O"))))
    with pytest.raises(InputError, match="holds sums of 32 bits beside other operands"):
        zigzag_accelerator(shared)
