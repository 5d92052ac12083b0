from __future__ import annotations

import re

import pytest

from steelyard.cost import cost
from steelyard.report.chartdata import METRICS, layer_bars, metric
from steelyard.report.svg import bar_charts, nice_ceiling, timeline


@pytest.mark.parametrize(
    "value", [1e-3, 0.5, 1, 7, 9.99, 10, 11, 99, 123, 5e5, 2.24e8, 1e9, 9.1e18]
)
def test_the_axis_ends_at_a_round_number_just_above(value):
    top = nice_ceiling(value)
    assert value <= top * (1 + 1e-9)
    assert top <= 1.6 * value
    assert len(f"{top:.6e}".rstrip("0").split("e")[0].replace(".", "").rstrip("0")) <= 2


def test_bars_are_as_high_as_their_numbers(alexnet):
    report = cost(alexnet)
    bars = layer_bars(report)
    charts = bar_charts(report, bars).split("<figure>")[1:]
    assert len(charts) == 3
    for chart, which in zip(charts, METRICS, strict=True):
        heights = [float(h) for h in re.findall(r'width="0.8" height="([0-9.]+)"', chart)]
        values = [metric(bar.cost, which) for bar in bars]
        assert len(heights) == len(values) == 8
        scale = nice_ceiling(max(values))
        for height, value in zip(heights, values, strict=True):
            assert height == pytest.approx(1000 * value / scale, abs=0.01)


def test_every_chart_has_a_title_a_unit_and_a_description(alexnet):
    report = cost(alexnet)
    html = bar_charts(report, layer_bars(report))
    for words in ("Memory of the outputs per layer (B)", "Parameters per layer", "MACs per layer"):
        assert html.count(words) == 2  # caption and aria-label
    for mark in ("1.20 MB", "600 kB", "0 B", "40.0 M", "300 M"):
        assert f"<span>{mark}</span>" in html
    assert "largest: fc6, 37.8 M" in html


def test_many_layers_get_few_names(deep):
    html = bar_charts(cost(deep), layer_bars(cost(deep)))
    labels = re.findall(r"<span>(stage[^<]*)</span>", html)
    assert 10 <= len(labels) <= 24
    assert "one in 2 is named" in html


def test_the_timeline_marks_the_peak(alexnet):
    report = cost(alexnet)
    html = timeline(report, report.memory)
    assert html.count('class="hit"') == len(alexnet.layers)
    # ReLU 1 holds two maps of 96 x 55 x 55 floats at once
    assert 2 * 96 * 55 * 55 * 4 == 2_323_200 == report.memory.peak_bytes
    assert "peak 2.32 MB at relu1" in html
    assert f"left:{1.5 / 19:.2%}" in html
