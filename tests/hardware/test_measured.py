"""The machine's own roofline: measured once, remembered, measured anew when the memory is spoilt."""

import json

import pytest

import steelyard as sy
from steelyard.hardware import measured


@pytest.fixture
def quick(monkeypatch, tmp_path):
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path))
    monkeypatch.setattr(measured, "SIZES", (64,))
    monkeypatch.setattr(measured, "COPY_BYTES", 1 << 20)
    monkeypatch.setattr(measured, "_BUDGET_S", 0.0)
    monkeypatch.setattr(measured, "_load", lambda: 0.0)
    monkeypatch.setattr(measured, "_others_s", lambda: None)
    return tmp_path


def test_it_is_a_device_with_ceilings_and_sources(quick) -> None:
    device = sy.device("cpu")
    assert device.name == "cpu"
    # 64-wide products and copies within a cache: any machine of today does between these
    assert 1e7 < device.peak_macs_per_s["float32"] < 1e13
    assert 1e7 < device.bandwidth_bytes_per_s["dram"] < 1e13
    assert device.sources["peak_macs_per_s"].startswith("measured on this machine")
    assert sy.roofline(sy.capture("lenet5"), "cpu").time_s > 0


def test_it_is_remembered(quick, monkeypatch) -> None:
    first = measured.measured_cpu()

    def fail(*args: object) -> float:
        raise AssertionError("measured again")

    monkeypatch.setattr(measured, "_gemm_macs_per_s", fail)
    assert measured.measured_cpu() == first
    with pytest.raises(AssertionError, match="measured again"):
        measured.measured_cpu(refresh=True)
    monkeypatch.setattr(measured, "_cores", lambda: 77)
    with pytest.raises(AssertionError, match="measured again"):
        measured.measured_cpu()


@pytest.mark.parametrize("spoilt", ["", "{", "[]", '{"float32": 1}', "null", '"x"'])
def test_a_spoilt_memory_is_written_anew(quick, spoilt) -> None:
    measured.measured_cpu()
    (file,) = quick.rglob("cpu-*.json")
    file.write_text(spoilt)
    measured.measured_cpu()
    assert set(json.loads(file.read_text())) == {"load", "float32", "float64", "copy"}
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_unlikely_rates_are_not_believed(quick) -> None:
    measured.measured_cpu()
    (file,) = quick.rglob("cpu-*.json")
    file.write_text(json.dumps({"load": 0, "float32": 1, "float64": 1e30, "copy": 1e9}))
    assert measured.measured_cpu().peak_macs_per_s["float32"] > 1e7


def test_what_a_busy_machine_did_is_said_and_measured_again(quick, monkeypatch) -> None:
    monkeypatch.setattr(measured, "_load", lambda: 9.0)
    assert "(load 9.0)" in measured.measured_cpu().sources["peak_macs_per_s"]
    monkeypatch.setattr(measured, "_load", lambda: 5.0)
    assert "(load 9.0)" in measured.measured_cpu().sources["peak_macs_per_s"]
    monkeypatch.setattr(measured, "_load", lambda: 0.1)
    assert "busy" not in measured.measured_cpu().sources["peak_macs_per_s"]


def test_the_load_is_that_of_the_moment_where_the_system_says(quick, monkeypatch) -> None:
    """Half a minute of idling leaves the load average high; cores that others used meanwhile are counted."""
    monkeypatch.setattr(measured, "_load", lambda: 9.0)
    monkeypatch.setattr(measured, "_others_s", lambda: 5.0)
    assert "busy" not in measured.measured_cpu().sources["peak_macs_per_s"]
    monkeypatch.setattr(measured, "_others_s", iter([5.0, 5e6]).__next__)
    assert "busy" in measured.measured_cpu(refresh=True).sources["peak_macs_per_s"]


def test_where_nothing_can_be_written_it_still_works(quick, monkeypatch) -> None:
    (quick / "file").write_text("")
    monkeypatch.setenv("STEELYARD_CACHE", str(quick / "file"))
    assert measured.measured_cpu().name == "cpu"
