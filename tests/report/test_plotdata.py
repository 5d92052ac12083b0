from __future__ import annotations

import re
from importlib import resources
from math import log10

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.report.plotdata import COLOURS, LogAxis, linear_ticks, stack
from steelyard.units import format_si

positive = st.floats(1e-9, 1e15)
PREFIX = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "m": 1e-3, "µ": 1e-6, "n": 1e-9, "p": 1e-12}  # fmt: skip


def number(label: str) -> float:
    value, prefix = re.fullmatch(r"([0-9.]+) ?([kMGTPmµnp]?)J", label).groups()
    return float(value) * PREFIX[prefix]


@given(st.lists(positive, min_size=1, max_size=8))
def test_a_logarithmic_axis_holds_its_values_in_their_order(values):
    axis = LogAxis.over(values)
    places = [axis.at(value) for value in sorted(values)]
    assert places == sorted(places)
    assert 0 < places[0] <= places[-1] < 1
    assert axis.at(0) == 0


@given(st.lists(positive, min_size=1, max_size=8))
def test_ticks_stand_where_their_numbers_are(values):
    axis = LogAxis.over(values)
    ticks = axis.ticks("J")
    assert 2 <= len(ticks) <= 10
    assert [tick.at for tick in ticks] == sorted({tick.at for tick in ticks})
    assert len({tick.label for tick in ticks}) == len(ticks)
    for tick in ticks:
        place = (log10(number(tick.label)) - axis.low) / (axis.high - axis.low)
        assert place == pytest.approx(tick.at, abs=0.01)


def test_bars_stand_on_each_other():
    bands, top = stack([("a", "lv0", [1.0, 0.0]), ("b", "mac", [2.0, 4.0])])
    assert top == 4
    assert [band.spans for band in bands] == [
        ((0.0, 0.25), (0.0, 0.0)),
        ((0.25, 0.75), (0.0, 1.0)),
    ]
    assert [tick.label for tick in linear_ticks(top, format_si)] == ["0", "2", "4"]


def test_the_style_sheet_has_the_same_colours_for_light_dark_and_print():
    text = resources.files("steelyard.report").joinpath("assets", "plots.css").read_text("utf-8")
    light, dark = text.split("@media screen and (prefers-color-scheme: dark)")
    for name, colour in COLOURS.items():
        assert f"--{name}: {colour};" in light
        assert re.search(rf"--{name}: #[0-9a-f]{{6}};", dark), name
