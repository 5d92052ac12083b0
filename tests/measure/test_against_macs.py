"""MACs against latency: rank correlation, trend and front, against hand cases, scipy and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.errors import UsageError
from steelyard.measure.against_macs import (
    against_macs,
    compare_latency,
    pareto,
    published_error,
    spearman,
    trend,
)
from steelyard.measure.energy import Energy
from steelyard.measure.measurement import Measurement, Measurements
from steelyard.measure.timing import Timing

NUMBERS = st.integers(1, 9).map(float)


def test_spearman_by_hand() -> None:
    """1 - 6 sum d^2 / (n (n^2 - 1)), where no values are equal."""
    a, b = [86, 97, 99, 100, 101], [2, 20, 28, 27, 50]
    assert spearman(a, b) == pytest.approx(1 - 6 * (1 + 1) / (5 * 24))
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    with pytest.raises(UsageError, match="2 and 1 values"):
        spearman([1, 2], [1])


@settings(deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=30))
def test_spearman_is_scipys_also_with_equal_values(pairs: list[tuple[float, float]]) -> None:
    stats = pytest.importorskip("scipy.stats")
    a, b = zip(*pairs, strict=True)
    if len(set(a)) > 1 and len(set(b)) > 1:
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    else:
        assert spearman(a, b) is None


def test_the_trend_of_a_power_law_is_found_beside_outliers() -> None:
    macs = np.array([1e6, 3e6, 1e7, 2e7, 5e7, 1e8, 4e8])
    seconds = 2e-9 * macs**0.9
    seconds[2] *= 20
    seconds[5] *= 10
    start, slope = trend(list(macs), list(seconds))
    assert slope == pytest.approx(0.9, abs=0.12)
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.theilslopes(np.log(seconds), np.log(macs))
    assert slope == pytest.approx(theirs.slope)
    assert start == pytest.approx(float(np.median(np.log(seconds) - slope * np.log(macs))))


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20))
def test_the_front_holds_what_nothing_beats(costs: list[tuple[float, float]]) -> None:
    found = pareto(costs)
    for own, on in zip(costs, found, strict=True):
        beaten = [
            o
            for o in costs
            if (o[0] < own[0] and o[1] <= own[1]) or (o[0] <= own[0] and o[1] < own[1])
        ]
        assert on is not bool(beaten)


def test_offenders_and_front_by_hand() -> None:
    rows = [
        ("a", 100, 1.0, 40.0),
        ("b", 200, 2.0, 30.0),
        ("c", 300, 3.0, 35.0),
        ("slow", 400, 40.0, 20.0),
        ("e", 500, 5.0, None),
        ("f", 600, 6.0, 25.0),
        ("g", 700, 7.0, 24.0),
    ]
    found = compare_latency(rows)
    assert found.correlation == pytest.approx(1 - 6 * (9 + 1 + 1 + 1) / (7 * 48))
    assert [p.network for p in found.offenders] == ["slow"]
    assert found.offenders[0].ratio == pytest.approx(10.0, rel=1e-6)
    assert [p.network for p in found.front] == ["a", "b", "f", "g", "slow"]
    said = " ".join(found.sentences())
    assert "rank correlation 0.79" in said
    assert "slow 10.0x" in said
    assert "a (1e+03 ms, 40.0 % top-1 error)" in said
    with pytest.raises(UsageError, match="MACs or latencies of 0"):
        compare_latency([("none", 0, 1.0, None)])


def row(network: str, seconds: float) -> Measurement:
    return Measurement(
        network, "eager", "made up", "float32", 1, 1, (), False, Timing((seconds, seconds)), 0.0,
        1e-4, 0.0, None, Energy(None, "made up"), "key", "2026-01-01",
    )  # fmt: skip


def test_measured_networks_are_joined_to_their_macs_and_published_errors() -> None:
    names = ["lenet5", "squeezenet1_1", "mobilenet_v2", "shufflenet_v2_x1_0", "resnet18"]
    rows = [row(name, 0.001 * (i + 1)) for i, name in enumerate(names)]
    assert against_macs(rows[:4]) == ()
    (found,) = against_macs(rows)
    macs = {point.network: point.macs for point in found.points}
    assert macs["mobilenet_v2"] == pytest.approx(300e6, rel=0.02)  # Sandler et al. 2018, table 4
    assert macs["resnet18"] == pytest.approx(1.8e9, rel=0.02)  # He et al. 2016, table 1
    assert published_error("mobilenet_v2:width=0.5") == 34.6  # its authors' README
    assert published_error("net.onnx") is None
    text = str(Measurements(tuple(rows), against_macs=(found,)))
    assert "rank correlation" in text
    assert Measurements(tuple(rows), against_macs=(found,)).to_dict()["against_macs"]
