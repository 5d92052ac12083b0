"""The Eyeriss chip's tables: within the stated distance of every measured figure."""

from __future__ import annotations

import json

import pytest

from steelyard.errors import UnknownNameError
from steelyard.report.render import to_csv, to_json, to_text
from steelyard.tables import EyerissChip, eyeriss_chip


@pytest.fixture(scope="module")
def table() -> EyerissChip:
    return eyeriss_chip()


def test_alexnet_within_what_is_promised(table: EyerissChip) -> None:
    """Active PEs equal; latency within 10 %, buffer 2 %, DRAM 15 % in every layer."""
    layers = [layer for layer in table.layers if layer.network == "alexnet"]
    assert len(layers) == 5
    for layer in layers:
        latency, buffer, dram = layer.differences
        assert layer.ours.active_pes == layer.published.active_pes
        assert abs(latency) < 0.10
        assert abs(buffer) < 0.005
        assert abs(dram) < 0.15


def test_alexnet_in_total(table: EyerissChip) -> None:
    """JSSC 2017, table V, last row: 103.5 ms, 208.5 MB, 15.4 MB."""
    ours = [layer.ours for layer in table.layers if layer.network == "alexnet"]
    assert sum(r.latency_s for r in ours) * 1e3 == pytest.approx(103.5, rel=0.01)
    assert sum(r.buffer_bytes for r in ours) / 1e6 == pytest.approx(208.5, rel=0.01)
    assert sum(r.dram_bytes for r in ours) / 1e6 == pytest.approx(15.4, rel=0.01)


def test_the_same_model_on_vgg16(table: EyerissChip) -> None:
    """Latency within 5 %, buffer 5 %, DRAM 10 %, by mappings inferred from active PEs and DRAM accesses."""
    layers = [layer for layer in table.layers if layer.network == "vgg16"]
    assert len(layers) == 13
    for layer in layers:
        latency, buffer, dram = layer.differences
        assert layer.ours.active_pes == layer.published.active_pes
        assert abs(latency) < 0.05
        assert abs(buffer) < 0.05
        assert abs(dram) < 0.10


def test_transcribed_rows_add_up_to_the_printed_totals(table: EyerissChip) -> None:
    """JSSC 2017: 103.5 ms, 208.5 MB, 15.4 MB; 3755.2 ms, 11035.8 MB, 321.1 MB, each layer rounded."""
    for network, totals in {
        "alexnet": (103.5, 208.5, 15.4),
        "vgg16": (3755.2, 11035.8, 321.1),
    }.items():
        printed = [layer.published for layer in table.layers if layer.network == network]
        rounding = 0.05 * (len(printed) + 1)
        for figure, total in zip(("latency_ms", "buffer_mb", "dram_mb"), totals, strict=True):
            mean = sum(getattr(p, figure) for p in printed)
            assert mean == pytest.approx(total, abs=rounding)


def test_conv3_note_says_what_the_other_mapping_gives(table: EyerissChip) -> None:
    assert any("69.2 MB" in note and "22.2 ms" in note for note in table.notes)
    assert not any("vgg16" in note[:6] for note in eyeriss_chip(["alexnet"]).notes)


def test_printed_and_machine_readable(table: EyerissChip) -> None:
    assert "vgg16, batch 3" in to_text(table)
    assert to_csv(table).splitlines()[1].startswith("alexnet,conv1,4,154,154,16.5")
    data = json.loads(to_json(table))
    assert data["schema"] == "steelyard.eyeriss-chip/1"
    assert data["layers"][0]["differences"]["buffer"] == pytest.approx(-0.0027, abs=1e-4)


def test_other_networks_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="measured on the chip"):
        eyeriss_chip(["resnet50"])
