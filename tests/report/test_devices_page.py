"""The page's part on devices: every layer, bars as long as their numbers, names that cannot act, small files."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from steelyard.cost import cost
from steelyard.errors import UsageError
from steelyard.hardware.device import Accelerator
from steelyard.hardware.estimate import estimate
from steelyard.hardware.sparsity import Densities
from steelyard.hardware.zero_means import Sparsity
from steelyard.hardware.zeros import with_zeros
from steelyard.report.api import Report, report
from steelyard.report.htmldevices import MOST_TOLD, devices_page
from steelyard.report.placed import place
from steelyard.units import format_si


def made(*several) -> str:
    return devices_page(several, title="t", created="now", provenance=[])


def panels(html: str) -> list[tuple[str, list[str], list[tuple[int, float]]]]:
    """Of each bar chart the title, the axis labels and (bar, height as a share of the axis) of its pieces."""
    found = []
    for figure in re.findall(r"<figure><figcaption>.*?</figure>", html, re.DOTALL):
        title = re.match(r"<figure><figcaption>([^<]*)", figure).group(1).strip()
        ticks = re.findall(r'bottom:[0-9.]+%">([^<]*)</span>', figure)
        pieces = re.findall(r"M(\d+)\.08 ([0-9.]+)V([0-9.]+)h", figure)
        bars = [(int(n), (float(low) - float(high)) / 1000) for n, low, high in pieces]
        found.append((title, ticks, bars))
    return found


def test_bars_are_as_long_as_the_estimate_says(placed):
    drawn = {title: (ticks, bars) for title, ticks, bars in panels(made(placed))}
    whole = placed.estimate.energy_pj
    for title in ("Energy by memory, links and operations", "Energy by type of data"):
        ticks, bars = drawn[title]
        top = float(ticks[-1].split()[0]) * {"nJ": 1e3, "µJ": 1e6}[ticks[-1].split()[1]]
        lengths = [sum(h for n, h in bars if n == number) * top for number in range(4)]
        # a thousandth of the axis is what a height is rounded to
        close = 0.003 * top
        for row, length in zip(placed.rows, lengths, strict=True):
            assert length == pytest.approx(row.cost.energy_pj, abs=close)
        assert sum(lengths) == pytest.approx(whole, abs=4 * close)
    ticks, bars = drawn["Latency"]
    assert ticks[-1].endswith("s")
    assert {n for n, _ in bars} == {0, 1, 2, 3}


def test_every_layer_is_in_the_table_with_its_numbers(placed):
    html = made(placed)
    energies, times = html.split('<div class="layers">')[1:]
    for table, title, truth in (
        (energies, "energy", lambda row: row.cost.energy_pj / 1e6),
        (energies, "weights", lambda row: row.cost.operands["W"] / 1e6),
        (times, "cycles", lambda row: row.cost.cycles),
        (times, "spatial", lambda row: row.spatial if row.cost.macs else -1),
    ):
        rows = re.findall(r"<tr data-layer=.*?</tr>", table)
        heads = [re.sub("<.*?>", "", h) for h in re.findall(r'<th scope="col".*?</th>', table)]
        column = next(n for n, head in enumerate(heads) if head.startswith(title))
        assert len(rows) == 4
        for text, row in zip(rows, placed.rows, strict=True):
            assert f">{row.name}<" in text
            cell = re.findall(r"<t[hd][^>]*>", text)[column]
            found = re.search(r'data-v="([^"]*)"', cell)
            value = truth(row)
            assert (float(found.group(1)) if found else -1) == pytest.approx(value, rel=1e-5)


def test_a_name_leads_to_the_mapping_which_is_drawn_whole(placed):
    html = made(placed)
    for name in ("conv1", "conv2", "fc"):
        (anchor,) = set(re.findall(rf'<a href="#(mapping-[0-9-]+)">{name}</a>', html))
        drawing = html[html.index(f'<details id="{anchor}"') :].partition("</details>")[0]
        text = re.sub("<.*?>", "", drawing)
        assert "o += i * w" in text
        cycles = placed.estimate.layer(name).cycles
        assert f"{cycles:,} cycles ({format_si(cycles / 100e6, 's')})" in text


def test_equal_layers_share_a_drawing(net_builder, chip):
    net = net_builder("twins", (1, 4, 8, 8)).conv("a", 4, 1).conv("b", 4, 1).done()
    html = made(place(net, chip, estimate(net, chip, cache=False)))
    assert html.count("<details") == 1
    assert "<summary><b>a, b</b>" in html


def test_words_say_what_dominates(placed):
    text = made(placed)
    found = placed.estimate
    assert f"small takes {format_si(found.energy_pj * 1e-12, 'J')}" in text
    assert "on chip (a small chip)" in text
    share = found.energy_by_level()["dram"] / found.energy_pj
    assert f"dram ({share:.0%})" in text
    assert "No mapping gets beyond" in text


def test_devices_stand_side_by_side(placed, ceilings, chip):
    fast = replace(chip, name="fast", clock_hz=4e8)
    other = place(placed.workload, fast, estimate(placed.workload, fast, cache=False))
    html = made(placed, other, ceilings)
    assert "Devices side by side" in html
    assert html.count('class="bar" role="img"') == 3 * 2
    assert html.count("Roofline of ") >= 2 * 3
    titles = [title for title, _, _ in panels(html)]
    assert "Energy on chip" in titles
    assert "Energy on fast" in titles
    latency = format_si(other.estimate.latency_s, "s")
    assert f'<span class="what">{latency}</span>' in html


def test_stages_come_first_where_layers_are_many(net_builder, chip):
    net = net_builder("long", (1, 4, 8, 8))
    for i in range(70):
        net.conv(f"blocks.{i}.conv", 4, 1)
    load = net.conv("last", 4, 1, stride=2).done()
    html = made(place(load, chip, estimate(load, chip, cache=False)))
    assert html.index("Stage by stage") < html.index("Layer by layer")
    names = html[html.index('class="names') :].partition("</div>")[0]
    assert "8x8" in names
    assert "4x4" in names


def test_hostile_names_are_text(hostile_net, chip):
    evil = "</script><script>window.pwned=1</script>"
    found = replace(chip, title=evil)
    on = place(hostile_net, found, estimate(hostile_net, found, cache=False))
    html = Report((cost(hostile_net),), evil, placed=((on, on),)).to_html()
    assert html.count("<script") == 2
    assert "<script>window" not in html
    assert 'onerror="' not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL).group(1))
    assert set(data["plots"]) >= {"b-0-0", "r-0-0", "b-0-1", "d-0"}


def test_many_layers_on_several_devices_stay_below_five_megabytes(net_builder, chip):
    net = net_builder("huge", (1, 8, 16, 16))
    for i in range(850):
        net.conv(f"stage{i // 100}.blocks.{i // 10}.branch.path.conv{i}", 8, 1)
    load = net.done()
    on = place(load, chip, estimate(load, chip, cache=False))
    html = made(on, on, on)
    assert MOST_TOLD < 3 * 850
    assert len(html.encode()) < 5_000_000


def test_report_takes_devices_and_every_form_knows_them(small, chip, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = report(small, devices=[chip, "h100"])
    assert [type(on.device) is Accelerator for on in found.placed[0]] == [True, False]
    assert "On chip" in found.to_html()
    assert "| energy, chip | latency, chip | latency, h100 |" in found.to_markdown()
    (network,) = json.loads(found.to_json())["networks"]
    assert [one["device"] for one in network["devices"]] == ["chip", "h100"]
    assert "devices" not in json.loads(report(small).to_json())["networks"][0]
    with pytest.raises(UsageError, match=r"devices='h100'\nexpected: several"):
        report(small, devices="h100")


def test_layers_above_the_roof_are_said_to_skip_zeros(placed, chip):
    assert "but for zeros" not in made(placed)
    fast = replace(
        chip,
        levels=(
            replace(chip.levels[0], read_bandwidth=None, write_bandwidth=None),
            *chip.levels[1:],
        ),
    )
    load = placed.workload
    dense = estimate(load, fast, cache=False)
    assert "but for zeros" not in made(place(load, fast, dense))
    few = {layer.name: Densities(0.01, 0.01, 1.0) for layer in dense.layers if layer.parts}
    found = with_zeros(dense, few, Sparsity(skip=("I", "W")))
    above = sum(
        layer.macs > layer.cycles * fast.pes * (1 + 1e-9) for layer in found.layers if layer.macs
    )
    assert above > 0
    html = made(place(load, fast, found))
    assert f"but for zeros: {above} layers skip operations" in html
    assert "skipped operations count as done" in html


def test_a_network_without_operations_has_a_page(net_builder, chip):
    idle = net_builder("idle", (1, 4, 8, 8)).relu("r").done()
    html = made(place(idle, chip, estimate(idle, chip, cache=False)))
    assert "On chip" in html
    assert "Roofline" not in html
