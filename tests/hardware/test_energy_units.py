"""Devices whose energies are ratios: what is printed, drawn and written never calls them joules or watts."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.errors import FileFormatError, UnknownNameError
from steelyard.hardware.device import Accelerator, Array, Axis, Link, Memory
from steelyard.hardware.energy_units import format_energy, million
from steelyard.hardware.estimate import estimate
from steelyard.hardware.estimate_layout import estimates_document
from steelyard.hardware.explore import explore
from steelyard.hardware.registry import device
from steelyard.hardware.sweep import parse_sweep
from steelyard.hardware.yamlfile import parse_device
from steelyard.report.document import document
from steelyard.report.htmldevices import devices_page
from steelyard.report.layerpanels import layer_panels
from steelyard.report.placed import place
from steelyard.report.sweepplot import energy_latency
from steelyard.report.terminal import to_text
from steelyard.workload import Layer, LoopNest, TensorSpec, Workload

CHIP = Accelerator(
    "chip",
    (
        Memory("DRAM", read_pj=200, write_pj=200, read_bandwidth=2, write_bandwidth=1),
        Array("PE", (Axis("x", 4, {"I": Link("multicast", 2.0)}),)),
        Memory("RF", capacity_bytes=64, read_pj=1, write_pj=1),
    ),
    mac_pj=1.0,
    clock_hz=1e6,
)
LOAD = Workload(
    "net",
    (
        Layer(
            *("fc", "linear", "aten.linear"),
            inputs=("x",),
            outputs=("y",),
            nests=(LoopNest.linear(3, 8, 8),),
        ),
    ),
    (TensorSpec("x", (3, 8), role="input"), TensorSpec("y", (3, 8))),
    inputs=("x",),
    outputs=("y",),
)
RATIOS = replace(CHIP, name="ratios", energy_unit="MAC")


def test_the_study_counts_in_macs() -> None:
    study = device("eyeriss_isca16")
    assert isinstance(study, Accelerator)
    assert study.energy_unit == "MAC"
    assert parse_device(study.to_yaml()) == study
    text = to_text(document(study))
    assert "1 MAC each" in text
    assert "multiples of the energy of one MAC" in text
    assert "pJ" not in text.split("sources")[0]


def test_the_unit_changes_no_mapping() -> None:
    assert RATIOS.digest == CHIP.digest


def test_units_of_one_amount() -> None:
    """2.5 million MACs of energy are not 2.5 µJ."""
    assert (format_energy(2.5e6, RATIOS), million(RATIOS)) == ("2.50 MMAC", "M MAC")
    assert (format_energy(2.5e6, CHIP), million(CHIP)) == ("2.50 µJ", "µJ")


def test_tables_and_json(tmp_path: Path) -> None:
    found = estimate(LOAD, RATIOS, cache=tmp_path / "kept")
    text = to_text(document(found))
    assert "(M MAC)" in text
    assert "power unknown" in text
    assert "not joules: only ratios mean anything" in text
    assert "µJ" not in text
    assert found.power_w is None
    data = json.loads(json.dumps(found.to_dict()))
    assert (data["energy_unit"], data["total"]["power_w"]) == ("MAC", None)
    plain = estimate(LOAD, CHIP, cache=tmp_path / "kept")
    assert plain.to_dict()["energy_unit"] == "pJ"
    assert plain.power_w == pytest.approx(plain.energy_pj * 1e-12 / plain.latency_s)
    assert found.energy_pj == plain.energy_pj


def test_ratios_are_not_ranked_beside_joules(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    costly = replace(CHIP, name="costly", mac_pj=1e6)
    ratios = estimate(LOAD, RATIOS, cache=kept)
    mixed = estimates_document([ratios, estimate(LOAD, costly, cache=kept)])
    assert mixed.tables[0].column("energy_uj")[0] is None
    assert "least energy: costly" in mixed.notes[0]
    assert any("ratios are multiples" in note for note in mixed.notes)
    alike = estimates_document([ratios, ratios])
    assert alike.tables[0].column("energy_uj")[0] == ratios.energy_pj * 1e-6
    assert alike.tables[0].columns[1].unit == "M MAC"


def test_page_and_charts(tmp_path: Path) -> None:
    placed = place(LOAD, RATIOS, estimate(LOAD, RATIOS, cache=tmp_path / "kept"))
    page = devices_page([placed], title="t", created="now", provenance=[])
    assert "multiples of the energy of one MAC" in page
    assert "power unknown" in page
    for joules in ("µJ", "nJ", "mJ", "pJ"):
        assert joules not in page
    assert layer_panels(placed)[0].unit == "MAC"


def test_sweeps(tmp_path: Path) -> None:
    sweep = [parse_sweep("x.size=2,4")]
    found = explore(LOAD, RATIOS, sweep, workers=1, store=tmp_path / "s")
    assert found.to_dict()["energy_unit"] == "MAC"
    assert "(M MAC)" in to_text(document(found))
    assert "(MAC)" in energy_latency(found).y_title


def test_other_units_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="no unit of energy is named 'J'"):
        replace(CHIP, energy_unit="J")  # type: ignore[arg-type]
    text = CHIP.to_yaml().replace("mac_pj: 1", "mac_pj: 1\nenergy_unit: mac")
    with pytest.raises(FileFormatError, match="energy_unit: 'mac' is not known\nexpected: one of"):
        parse_device(text)
