"""Areas of devices against what papers state of their chips."""

import dataclasses

import pytest

from steelyard.errors import UsageError
from steelyard.hardware.area import silicon_area, storage_um2
from steelyard.hardware.energy_tables import mac_um2
from steelyard.hardware.registry import device
from steelyard.hardware.sweep import variant


def test_shidiannaos_parts() -> None:
    """ISCA 2015, table 4 (from memory): 128 KB 1.65 mm2, 64 KB 1.12 mm2, all of it 4.86 mm2 with 0.31 for instructions."""
    assert storage_um2(128 * 1024) * 1e-6 == pytest.approx(1.65, rel=0.02)
    assert 0.7 * 1.12 < storage_um2(64 * 1024) * 1e-6 < 1.12
    assert 0.75 < silicon_area(device("shidiannao_like")).mm2 / (4.86 - 0.31) < 1


def test_chips_are_larger_than_their_memories_and_multipliers() -> None:
    """Stated: Eyeriss 12.25 mm2 (core), the first TPU at most 331 mm2."""
    for name in ("eyeriss", "tpu_v1"):
        chip = device(name)
        found = silicon_area(chip)
        assert chip.area_mm2 is not None
        assert 0.15 < found.mm2 / chip.area_mm2 < 1
        assert found.mm2 == found.memories_mm2 + found.macs_mm2


def test_area_by_hand() -> None:
    """Eyeriss: a buffer, a queue for filters, and in each of 168 PEs memories for W, I, O and a multiplier."""
    chip = device("eyeriss")
    spad = 448 * (27.48 + (20.87 - 27.48) * 192 / 256) + 24 * (169.89 + (96.06 - 169.89) * 8 / 16)
    spad += 48 * (96.06 + (59.15 - 96.06) * 16 / 32)
    memories = (100 + 8) * 1024 * 12.70 + 168 * spad
    found = silicon_area(chip)
    assert found.memories_mm2 == pytest.approx(memories * 1e-6)
    assert found.macs_mm2 == pytest.approx(168 * mac_um2(16, 65) * 1e-6)
    half = silicon_area(dataclasses.replace(chip, node_nm=32.5))
    assert half.mm2 == pytest.approx(found.mm2 / 4)
    more = silicon_area(variant(chip, {"x.size": 28, "glb.capacity_bytes": 200 * 1024}))
    assert more.macs_mm2 == pytest.approx(2 * found.macs_mm2)
    assert more.memories_mm2 == pytest.approx((208 * 1024 * 12.70 + 336 * spad) * 1e-6)


def test_an_unknown_process() -> None:
    chip = dataclasses.replace(device("eyeriss"), node_nm=None)
    with pytest.raises(UsageError, match="in an unknown process"):
        silicon_area(chip)
