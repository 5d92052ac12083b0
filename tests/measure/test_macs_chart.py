"""The charts of MACs, latency and accuracy: what lies where, who stands out, and what cannot be drawn."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from steelyard.errors import UsageError
from steelyard.measure.against_macs import AgainstMacs, compare_latency
from steelyard.measure.macs_chart import accuracy_chart, macs_chart, save_measurements
from steelyard.measure.measurement import Measurements

# ten times the MACs take ten times as long, but of "slow" four times that; "b" and "c" are beaten by "a"
ROWS = [
    ("a", 10**8, 0.001, 30.0),
    ("b", 2 * 10**8, 0.002, 31.0),
    ("c", 4 * 10**8, 0.004, 30.0),
    ("slow", 10**9, 0.040, 22.0),
    ("unknown", 3 * 10**9, 0.030, None),
]


@pytest.fixture
def found() -> AgainstMacs:
    return compare_latency(ROWS, threads=2)


def test_points_lie_where_their_numbers_are(found: AgainstMacs) -> None:
    """On logarithmic axes equal factors are equal distances, and the trend of proportional networks passes through them."""
    chart = macs_chart(found)
    a, b, c, slow, _ = chart.dots
    assert b.x - a.x == pytest.approx(c.x - b.x)
    assert b.y - a.y == pytest.approx(c.y - b.y)
    (x0, y0), (x1, y1) = chart.line
    for dot in (a, b, c):
        assert y0 + (dot.x - x0) / (x1 - x0) * (y1 - y0) == pytest.approx(dot.y, abs=1e-6)
    assert slow.y > y0 + (slow.x - x0) / (x1 - x0) * (y1 - y0) + 0.1
    assert [dot.name for dot in chart.dots if dot.colour != a.colour] == ["slow"]


def test_the_front_is_joined_and_unknown_accuracies_are_left_out(found: AgainstMacs) -> None:
    chart = accuracy_chart(found)
    assert chart is not None
    places = {dot.name: (dot.x, dot.y) for dot in chart.dots}
    assert set(places) == {"a", "b", "c", "slow"}
    assert chart.line == (places["a"], places["slow"])
    assert places["slow"][1] < places["a"][1] < places["b"][1]


def test_without_published_accuracies_there_is_one_chart() -> None:
    assert accuracy_chart(compare_latency([(n, m, s, None) for n, m, s, _ in ROWS])) is None


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.figures, self.text = 0, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.figures += tag == "figure"

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_has_both_charts_and_says_the_same(found: AgainstMacs, tmp_path: Path) -> None:
    path = save_measurements(Measurements((), against_macs=(found,)), tmp_path / "speeds.html")
    page = _Text()
    page.feed(path.read_text("utf-8"))
    assert page.figures == 2
    assert "rank correlation 0.90 (Spearman)" in page.text  # ranks 1 2 3 5 4: 1 - 6 * 2 / 120
    assert "Slower than MACs predict: slow" in page.text


def test_too_few_networks_make_a_page_but_no_picture(tmp_path: Path) -> None:
    nothing = Measurements(())
    with pytest.raises(UsageError, match="too few networks for a chart"):
        save_measurements(nothing, tmp_path / "speeds.png")
    assert "0 measurements" in save_measurements(nothing, tmp_path / "speeds.html").read_text()
