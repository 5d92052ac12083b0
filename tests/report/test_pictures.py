"""Pages and charts of estimates, rooflines and sweeps as files."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from steelyard.errors import MissingExtraError, UsageError
from steelyard.hardware.explore import Exploration, Point
from steelyard.hardware.sweep import Sweep
from steelyard.report.pictures import save_estimates, save_exploration, save_roofline
from steelyard.report.sweepplot import energy_latency, energy_memory

SVG = "{http://www.w3.org/2000/svg}"


def texts(path) -> list[str]:
    return ["".join(node.itertext()).strip() for node in ET.parse(path).iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def sweep() -> Exploration:
    costs = [(9e6, 1e-3, 400), (5e6, 2e-3, 100), (6e6, 3e-3, 200), (2e6, 8e-3, 200)]
    points = tuple(
        Point({"glb.capacity_bytes": 1024 * 2**n, "x.size": n + 1}, pj, s, 10, 0.5, 8, room)
        for n, (pj, s, room) in enumerate(costs)
    )
    none = Point({"glb.capacity_bytes": 1, "x.size": 9}, None, None, None, None, 8, 1, "too small")
    sweeps = (Sweep("glb.capacity_bytes", ()), Sweep("x.size", ()))
    return Exploration("net", "chip", "energy", 1, sweeps, (*points, none), 5)


def test_the_front_is_joined_and_what_another_beats_is_not_on_it(sweep):
    chart = energy_latency(sweep)
    assert [dot.colour for dot in chart.dots] == ["stall", "stall", "mac", "stall"]
    # 6 µJ in 3 ms is beaten by 5 µJ in 2 ms
    corners = [(chart.dots[n].x, chart.dots[n].y) for n in (0, 1, 3)]
    assert list(chart.line) == corners
    assert chart.dots[1].name == "2.05 kB / 2"
    assert chart.dots[0].tip.split("\n")[:3] == [
        "glb.capacity_bytes 1.02 kB",
        "x.size 1",
        "9.00 µJ, 1.00 ms",
    ]
    assert len(energy_memory(sweep).line) == 2


def test_a_sweep_as_a_page_and_as_a_chart(sweep, tmp_path):
    page = save_exploration(sweep, tmp_path / "s.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "No figures where too small." in page
    assert len(re.findall(r"<tr[ >]", page)) == 1 + 5
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    found = texts(save_exploration(sweep, tmp_path / "s.svg"))
    assert "energy of one pass (J), logarithmic" in found
    assert "2.05 kB / 2" in found


def test_a_roofline_as_a_file(small, chip, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    found = texts(save_roofline(small, chip, tmp_path / "r.svg"))
    assert "ridge at 2 MAC/B" in found
    assert "MACs per byte of the outermost memory (MAC/B), logarithmic" in found
    assert "speed (MAC/s), logarithmic" in found
    assert any(text.startswith("step") for text in found)
    assert {"convolution", "depthwise or grouped convolution", "fully connected"} <= set(found)


def test_an_estimate_as_a_file(small, placed, tmp_path):
    page = save_estimates(small, [placed.estimate], tmp_path / "e.html").read_text("utf-8")
    assert "<title>small on chip</title>" in page
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    path = save_estimates(small, [placed.estimate], tmp_path / "e.svg")
    found = texts(path)
    assert {"conv1", "pool1", "conv2", "fc", "dram", "weights", "computing"} <= set(found)
    assert path.read_text("utf-8").count("<title>small on chip, layer by layer</title>") == 1
    both = texts(save_estimates(small, [placed.estimate] * 2, tmp_path / "b.svg"))
    assert sum(text.startswith("Energy on chip") for text in both) == 2
    png = save_estimates(small, [placed.estimate], tmp_path / "e.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")


def test_mistakes_are_explained(small, placed, sweep, tmp_path, monkeypatch):
    for save in (
        lambda path: save_estimates(small, [placed.estimate], path),
        lambda path: save_exploration(sweep, path),
        lambda path: save_roofline(small, placed.device, path),
    ):
        with pytest.raises(UsageError, match=r"as 'x.gif'\nexpected: .*\.html, \.htm, \.png"):
            save("x.gif")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match="matplotlib"):
        save_exploration(sweep, tmp_path / "x.svg")
    assert list(tmp_path.iterdir()) == []
