"""What the charts of a network on a device say, held against the estimate and against arithmetic."""

from __future__ import annotations

from dataclasses import replace
from math import log10

import pytest

from steelyard.errors import UsageError
from steelyard.hardware.bounds import STEPS
from steelyard.hardware.estimate import estimate
from steelyard.report.layerpanels import (
    bounds_panel,
    cycles,
    energy_by_level,
    energy_by_operand,
    utilisation,
)
from steelyard.report.placed import place, place_on
from steelyard.report.plotdata import ceiling_groups
from steelyard.report.roofplot import roof_axes, roofline_chart


def test_every_layer_that_costs_something_has_a_row(placed, small):
    names = [row.name for row in placed.rows]
    assert names == ["conv1", "pool1", "conv2", "fc"]
    assert sum(row.layer.macs for row in placed.rows) == sum(layer.macs for layer in small.layers)


def test_bars_add_up_to_the_estimate(placed):
    found = placed.estimate
    for panel, truth in (
        (energy_by_level(placed), found.energy_by_level()),
        (energy_by_operand(placed), found.energy_by_operand()),
    ):
        sums = {band.title: sum(band.values) for band in panel.bands}
        words = {"I": "inputs", "W": "weights", "O": "outputs"}
        if "inputs" in sums:
            words["MAC"] = "operations"
        assert sums == pytest.approx({words.get(k, k): pj for k, pj in truth.items() if pj})
        assert sum(sums.values()) == pytest.approx(found.energy_pj)
        # a bar ends where its layer's energy is, on an axis that ends at its last tick
        tops = [max(band.spans[n][1] for band in panel.bands) for n in range(len(placed.rows))]
        energies = [row.cost.energy_pj for row in placed.rows]
        most = max(range(len(tops)), key=lambda n: tops[n])
        assert [top / tops[most] for top in tops] == pytest.approx(
            [energy / energies[most] for energy in energies]
        )


def test_cycles_are_split_without_a_rest(placed):
    for row in placed.rows:
        assert sum(row.split.values()) == row.cost.cycles
    panel = cycles(placed)
    assert sum(sum(band.values) for band in panel.bands) == placed.estimate.cycles
    (pool,) = [row for row in placed.rows if row.name == "pool1"]
    # 8 x 16 x 16 read and a quarter of that written, 4 elements a cycle through ports of their own
    assert dict(pool.split) == {"waiting for dram": 8 * 16 * 16 / 4}


def test_spatial_times_temporal_is_the_utilisation(placed):
    for row in placed.rows:
        assert row.spatial * row.temporal == pytest.approx(row.cost.utilization)
        if row.cost.macs:
            assert row.cost.utilization == row.cost.macs / (row.cost.cycles * 8)
            assert 0 < row.spatial <= 1
    panel = utilisation(placed)
    for n, row in enumerate(placed.rows):
        (_, reached), (_, used) = (band.spans[n] for band in panel.bands)
        assert (reached, used) == pytest.approx((row.cost.utilization, row.spatial))


def test_bounds_and_what_they_cost_make_up_all_units(placed):
    panel = bounds_panel(placed)
    for n, row in enumerate(placed.rows):
        heights = sum(top - low for low, top in (band.spans[n] for band in panel.bands))
        assert heights == pytest.approx(1.0 if row.cost.macs else 0.0)
        if row.cost.macs:
            assert placed.limits[row.name].attainable >= row.cost.macs / row.cost.cycles


def values(placed, chart, dot):
    """MAC/B and MAC/s of a point, from its place."""
    x, y = roof_axes([placed])
    return (
        10 ** (x.low + dot.x * (x.high - x.low)),
        10 ** (y.low + dot.y * (y.high - y.low)),
    )


OWN = {"I": 1, "W": 3, "O": 2}


@pytest.mark.parametrize(("read", "write"), [(4, 1), (OWN, OWN), (None, None)])
def test_no_layer_is_above_the_roof(small, chip, read, write):
    outer = replace(chip.levels[0], read_bandwidth=read, write_bandwidth=write)
    found = replace(chip, levels=(outer, *chip.levels[1:]))
    on = place(small, found, estimate(small, found, objective="latency", cache=False))
    assert above_the_roof(on) == []


@pytest.mark.parametrize("name", ["a100", "h100", "jetson_nano", "epyc_9654"])
def test_no_layer_is_above_the_roof_of_a_machine(small, name):
    assert above_the_roof(place_on(small, [name])[0]) == []


def above_the_roof(on):
    """Names of the layers that are faster than the roof allows; there must be three layers."""
    chart = roofline_chart(on)
    assert [dot.name for dot in chart.dots] == ["conv1", "conv2", "fc"]
    above = []
    for dot in chart.dots:
        intensity, rate = values(on, chart, dot)
        roof = min(on.roof.peak_macs_per_s, intensity * on.roof.bandwidth_bytes_per_s)
        if rate > roof * (1 + 1e-6):
            above.append(dot.name)
    return above


def test_points_are_where_counting_by_hand_puts_them(placed, small):
    chart = roofline_chart(placed)
    (dot,) = [dot for dot in chart.dots if dot.name == "fc"]
    inputs = 8 * 8 * 8
    intensity, rate = values(placed, chart, dot)
    # a byte a weight and a byte an input, read once; writes have a port of their own
    assert intensity == pytest.approx(10 * inputs / (10 * inputs + inputs))
    assert rate == pytest.approx(10 * inputs / placed.estimate.layer("fc").cycles * 100e6)
    assert placed.roof.ridge == 8 * 100e6 / (4 * 100e6)
    assert chart.mark[2] == "ridge at 2 MAC/B"


def test_ceilings_of_a_layer_are_its_bounds(placed):
    chart = roofline_chart(placed)
    _, y = roof_axes([placed])
    for dot in chart.dots:
        bounds = placed.limits[dot.name].macs_per_cycle
        assert len(dot.lines) == len(STEPS)
        for height, bound in zip(dot.lines, bounds, strict=True):
            place_ = (log10(bound * 100e6) - y.low) / (y.high - y.low)
            assert height == pytest.approx(min(1.0, max(0.0, place_)))
    assert ceiling_groups([1.0, 0.9, 0.89, 0.3]) == [(0.89, "steps 2–3"), (0.3, "step 4")]


def test_a_roofline_has_points_and_nothing_else(ceilings):
    assert ceilings.rows == ()
    assert ceilings.result is ceilings.roof
    chart = roofline_chart(ceilings)
    assert len(chart.dots) == 3
    assert chart.ceilings == ()


def test_the_mapping_and_the_ceilings_are_in_the_plain_data(placed):
    data = placed.to_dict()
    assert (data["device"], data["estimate"]["schema"]) == ("chip", "steelyard.estimate/1")
    assert data["bounds"]["steps"] == list(STEPS)


def test_devices_are_named_files_or_devices(small, chip, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "mine.yaml"
    path.write_text(replace(chip, name="mine").to_yaml(), encoding="utf-8")
    said = []
    placed = place_on(small, [path, "h100"], "dram", "", said.append)
    assert [on.device.name for on in placed] == ["mine", "h100"]
    assert placed[0].estimate.objective == "dram"
    assert placed[1].estimate is None
    assert said[-1].startswith("mapping small to mine: 3 of 3 different layers, ")
    with pytest.raises(UsageError, match="a int is no device"):
        place_on(small, [3])
