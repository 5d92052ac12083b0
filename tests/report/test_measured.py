"""The report of what was measured on this machine: the newest of each network counts, another machine's never."""

from __future__ import annotations

from pathlib import Path

import pytest

import steelyard as sy
from steelyard.errors import InputError
from steelyard.measure.energy import Energy
from steelyard.measure.environment import environment, machine_key
from steelyard.measure.measurement import Measurement
from steelyard.measure.store import keep
from steelyard.measure.timing import Timing

NETWORKS = {
    "mobilenet_v2": 0.012,
    "resnet18": 0.025,
    "resnet50": 0.058,
    "squeezenet1_1": 0.012,
    "googlenet": 0.05,
}


def row(network: str, median_s: float, at: str, machine: str | None = None) -> Measurement:
    return Measurement(
        network=network, setting="eager", ran="PyTorch", precision="float32", batch=1, threads=1, pinned=(0,),
        keep_freed=False, timing=Timing((median_s, median_s, median_s)), deviation=0.0, tolerance=1e-4,
        prepare_s=0.1, peak_memory_bytes=None, energy=Energy(None, unavailable="no counter"),
        machine=machine or machine_key(environment()), taken_at=at,
    )  # fmt: skip


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path / "cache"))
    old = [row("resnet18", 9.0, "2026-01-01T00:00:00+00:00")]
    new = [row(name, took, "2026-01-02T00:00:00+00:00") for name, took in NETWORKS.items()]
    other = [row("resnet18", 7.0, "2026-01-03T00:00:00+00:00", machine="elsewhere")]
    assert keep([*old, *new, *other]) == ()


@pytest.mark.usefixtures("measured")
def test_the_newest_of_each_network_here_is_in_every_form(tmp_path: Path) -> None:
    found = sy.report("resnet18", measured=True)
    (one,) = found.to_dict()["measured"]
    assert {p["network"]: p["latency_s"] for p in one["points"]} == NETWORKS
    assert {p["network"]: p["macs"] for p in one["points"]}["resnet18"] == 1_814_073_344
    page = found.save(tmp_path / "page.html").read_text("utf-8")
    assert 'id="measured"' in page and "MACs against latency, eager, batch 1, 1 thread" in page
    assert "Latency against published accuracy" in page
    for text in (found.to_markdown(), str(found), page):
        assert "MACs and latency of 5 networks (eager, batch 1, 1 thread)" in text


def test_without_being_asked_nothing_is_said_of_it() -> None:
    found = sy.report("resnet18")
    assert "measured" not in found.to_dict()
    assert 'id="measured"' not in found.to_html()


def test_too_few_networks_are_an_error_that_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path / "cache"))
    assert keep([row("resnet18", 0.02, "2026-01-01T00:00:00+00:00")]) == ()
    with pytest.raises(InputError, match="networks measured on this machine: 1") as caught:
        sy.report("resnet18", measured=True)
    assert "steelyard measure" in str(caught.value)
