"""The chip's published mappings as loops: `evaluate` and the closed form count the same."""

from __future__ import annotations

import pytest
from published import alexnet, convolution

from steelyard.errors import InputError
from steelyard.hardware.device import Accelerator
from steelyard.hardware.evaluate import evaluate
from steelyard.hardware.eyeriss_chip import EYERISS, ChipMapping, run
from steelyard.hardware.eyeriss_mapping import as_loops
from steelyard.hardware.registry import device

# JSSC 2017, table III; conv3 as the buffer's accesses say
PUBLISHED = {
    "1": ChipMapping(96, 1, 7, 16, 1, 1, 2),
    "2": ChipMapping(64, 1, 27, 16, 2, 1, 1),
    "3": ChipMapping(64, 4, 13, 16, 3, 2, 2),
    "4": ChipMapping(64, 4, 13, 16, 3, 2, 2),
    "5": ChipMapping(64, 4, 13, 16, 3, 2, 2),
}


@pytest.fixture(scope="module")
def chip() -> Accelerator:
    preset = device("eyeriss")
    assert isinstance(preset, Accelerator)
    return preset


@pytest.mark.parametrize("layer", sorted(PUBLISHED))
def test_loops_and_closed_form_count_the_same(layer: str, chip: Accelerator) -> None:
    nest, mapping = alexnet(layer, 4), PUBLISHED[layer]
    closed = run(nest, mapping)
    counted = evaluate(nest, as_loops(nest, mapping, chip), chip)
    at = {(access.level, access.operand): access for access in counted.accesses}
    for operand, words in closed.dram_words.items():
        assert at["dram", operand].total == words
    assert at["glb", "O"].total == closed.buffer_words["O"]
    padding = (nest.H * nest.W) / (
        (nest.H + sum(nest.padding[0])) * (nest.W + sum(nest.padding[1]))
    )
    assert at["glb", "I"].reads == pytest.approx(closed.buffer_words["I"] * padding)
    # the fold of conv2 leaves one column of PEs idle in its second band
    assert counted.units_used == (140 if layer == "2" else closed.active_pes)
    load_and_fill = closed.cycles - counted.compute_cycles
    assert 0 < load_and_fill < 0.2 * closed.cycles


def test_the_preset_is_the_chip_of_the_model(chip: Accelerator) -> None:
    assert chip.pes == EYERISS.rows * EYERISS.columns
    assert chip.clock_hz == EYERISS.clock_hz
    buffer = {memory.name: memory for memory in chip.memories}
    assert buffer["glb"].capacity_bytes == 2 * EYERISS.buffer
    assert buffer["spad"].capacity_bytes == {
        "I": 2 * EYERISS.input_pad,
        "W": 2 * EYERISS.filter_pad,
        "O": 2 * EYERISS.sum_pad,
    }


def test_tiles_are_refused(chip: Accelerator) -> None:
    nest = convolution(n=1, c=1, m=1, h=8, r=3, stride=1, pad=1)
    with pytest.raises(InputError, match="tiles"):
        as_loops(nest, ChipMapping(1, 1, 1, 1, 1, 1, 1, width=4), chip)
