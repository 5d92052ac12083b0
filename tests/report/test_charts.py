from __future__ import annotations

import struct
import sys
import xml.etree.ElementTree as ET

import pytest

from steelyard.cost import compare, cost
from steelyard.errors import InputError, MissingExtraError, UsageError
from steelyard.report.charts import COLOURS, save_chart
from steelyard.report.describe import FAMILIES

pytest.importorskip("matplotlib", reason="the extra plots is not installed")
pytest.importorskip("squarify", reason="the extra plots is not installed")

SVG = "{http://www.w3.org/2000/svg}"


def svg_texts(path) -> list[str]:
    return ["".join(node.itertext()).strip() for node in ET.parse(path).iter(f"{SVG}text")]


@pytest.mark.parametrize("kind", ["bars", "treemap", "timeline"])
def test_png_files_are_pictures(alexnet, tmp_path, kind):
    path = save_chart(alexnet, tmp_path / "chart.png", kind=kind)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 900
    assert height > 500
    assert [p.name for p in tmp_path.iterdir()] == ["chart.png"]


def test_bars_are_labelled_with_layers_and_units(alexnet, tmp_path):
    texts = svg_texts(save_chart(cost(alexnet), tmp_path / "c.svg"))
    for text in (
        "conv1",
        "fc8",
        "memory of the outputs (B)",
        "parameters",
        "MACs",
        "30.0 M",
        "200 M",
    ):
        assert text in texts
    assert "alexnet: 5.76 MB memory of the outputs, 61.0 M parameters, 724 M MACs" in texts


def test_the_timeline_names_the_peak(alexnet, tmp_path):
    texts = svg_texts(save_chart(alexnet, tmp_path / "t.svg", kind="timeline"))
    assert "peak 2.32 MB at relu1" in texts


def test_treemap_areas_are_in_proportion(alexnet, tmp_path):
    path = save_chart(alexnet, tmp_path / "m.svg", kind="treemap", by="params")
    areas = []
    for node in ET.parse(path).iter(f"{SVG}path"):
        style = node.get("style", "")
        if "fill: " + COLOURS["linear"] in style and "stroke: #ffffff" in style:
            xs, ys = zip(*_points(node.get("d")), strict=True)
            areas.append((max(xs) - min(xs)) * (max(ys) - min(ys)))
    areas.sort(reverse=True)
    assert len(areas) == 3
    assert areas[0] / areas[1] == pytest.approx(37_752_832 / 16_781_312, rel=0.01)
    assert areas[1] / areas[2] == pytest.approx(16_781_312 / 4_097_000, rel=0.01)


def _points(data: str) -> list[tuple[float, float]]:
    numbers = [
        float(word) for word in data.replace("L", " ").replace("M", " ").replace("z", "").split()
    ]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_an_svg_loads_nothing_and_is_the_same_every_time(alexnet, tmp_path):
    one = save_chart(alexnet, tmp_path / "1.svg").read_text()
    two = save_chart(alexnet, tmp_path / "2.svg").read_text()
    assert one == two
    for node in ET.fromstring(one).iter():
        for key, value in node.attrib.items():
            if key.endswith("href"):
                assert value.startswith("#")


@pytest.mark.parametrize("kind", ["bars", "treemap", "timeline"])
def test_names_are_drawn_as_they_are(hostile_net, tmp_path, kind):
    path = save_chart(hostile_net, tmp_path / "h.svg", kind=kind)
    assert not [
        node for node in ET.parse(path).iter() if node.tag in (f"{SVG}script", f"{SVG}image")
    ]
    if kind == "bars":
        assert any("$x^2$" in text for text in svg_texts(path))


@pytest.mark.parametrize("shape", [(1, 4), (1, 4, 8, 8)])
def test_networks_without_macs_or_layers_can_be_drawn(net_builder, tmp_path, shape):
    empty = net_builder("empty", shape).done()
    idle = net_builder("idle", shape).relu("r").done()
    for number, load in enumerate((empty, idle)):
        for kind in ("bars", "treemap", "timeline"):
            assert save_chart(load, tmp_path / f"{number}{kind}.png", kind=kind).is_file()


def test_every_family_has_its_colour():
    assert set(COLOURS) == set(FAMILIES)


def test_mistakes_are_explained(alexnet, tmp_path):
    with pytest.raises(
        UsageError, match=r"cannot save a chart as 'x.gif'\nexpected: .*\.png, \.svg, \.pdf"
    ):
        save_chart(alexnet, "x.gif")
    with pytest.raises(
        UsageError, match="no chart of kind 'pie' by 'macs'\nexpected: kind: bars, treemap"
    ):
        save_chart(alexnet, tmp_path / "x.png", kind="pie")
    with pytest.raises(UsageError, match="there is no chart of a Comparison"):
        save_chart(compare(alexnet, alexnet), tmp_path / "x.png")
    with pytest.raises(InputError, match=r"the folder .* does not exist"):
        save_chart(alexnet, tmp_path / "no" / "x.png")


@pytest.mark.parametrize(("package", "kind"), [("matplotlib", "bars"), ("squarify", "treemap")])
def test_a_missing_library_is_named_with_the_install_line(
    alexnet, tmp_path, monkeypatch, package, kind
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        MissingExtraError, match=f"needs the package {package}, which is not"
    ) as info:
        save_chart(alexnet, tmp_path / "x.png", kind=kind)
    assert "pip install 'steelyard[plots]'" in str(info.value)
    assert list(tmp_path.iterdir()) == []
