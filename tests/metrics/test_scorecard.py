"""The scorecard: every figure is its factors' product or sum, figures worked out by hand, nothing guessed."""

import json
from dataclasses import replace

import pytest
from by_hand import linear, row_of_pes

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.measure.energy import Energy
from steelyard.measure.measurement import Measurement
from steelyard.measure.predictor.prediction import LatencyPrediction
from steelyard.measure.timing import Timing
from steelyard.metrics import METRICS, timed
from steelyard.metrics.card import Figure, Metric, Scorecard
from steelyard.metrics.equations import REQUIRED


def figures(metrics: tuple[Metric, ...]) -> list[Figure]:
    return [figure for metric in metrics for figure in metric.figures]


def assert_honest(metrics: tuple[Metric, ...]) -> None:
    """Factors give the figure; what must stand beside it does, or is named as missing; gaps have reasons."""
    for figure in figures(metrics):
        assert (figure.value is None) == bool(figure.unavailable), figure
        if figure.factors:
            assert figure.value == pytest.approx(figure.computed(), rel=1e-12), figure
    for metric in metrics:
        said = {what for what, _ in (*metric.stated, *metric.missing)}
        if metric.value is not None:
            assert set(REQUIRED[metric.name]) <= said, metric.name
        assert all(reason for _, reason in metric.gaps)


@pytest.fixture(scope="module")
def by_hand() -> Scorecard:
    """Six outputs of eight inputs on four PEs that share out outputs: three of them work for 16 cycles."""
    return sy.scorecard(
        linear(6, 8),
        row_of_pes(4),
        objective="edp",
        pe_factors=(1, 2),
        price=3.6,
        power_limit_w=1e-3,
    )


def test_what_can_be_worked_out_by_hand(by_hand: Scorecard) -> None:
    throughput = by_hand.metric("throughput")
    factors = {factor.name: factor.value for factor in throughput.factors}
    assert factors == {
        "clock": 1e7, "cycles per operation of a PE": 1, "PEs": 4, "active PEs": 0.75,
        "utilisation of the active": 1, "operations per inference": 48,
    }  # fmt: skip
    assert throughput.value == pytest.approx(1e7 / 16)
    assert by_hand.metric("latency").value == pytest.approx(16 / 1e7)
    assert throughput.other("inferences in flight").value == pytest.approx(1)
    # 8 inputs, 48 weights and 6 outputs cross DRAM once at 100 pJ; 48 operations of 2 pJ
    energy = by_hand.metric("energy")
    assert energy.value == pytest.approx((62 * 100 + 48 * 2) * 1e-12)
    assert energy.other("DRAM").value == pytest.approx(6.2e-9)
    assert energy.other("chip").value == pytest.approx(96e-12)
    assert by_hand.metric("power").value == pytest.approx(6.296e-9 * 625_000)
    assert by_hand.metric("power").other("throughput that the power allows").value == pytest.approx(
        1e-3 / 6.296e-9
    )
    cost = by_hand.metric("cost")
    assert cost.value == 4.0
    assert cost.other("throughput per area").value == pytest.approx(156_250)
    assert cost.other("on-chip memory").value == 4 * 2**20
    # 8 inputs and 6 outputs live at once, 48 weights, two bytes each
    assert cost.other("memory needed").value == 2 * (48 + 14)
    # 0.1 cent a second buys 625,000 inferences
    assert cost.other("rent per million inferences").value == pytest.approx(0.0016)
    # six outputs on eight PEs: six work, one round
    assert by_hand.metric("scalability").value == pytest.approx(2 / 2)


@pytest.mark.parametrize("device", ["eyeriss", "eyeriss_isca16", "h100"])
def test_a_card_is_honest_and_agrees_with_the_estimate(device: str) -> None:
    load = sy.capture("lenet5", batch=2)
    card = sy.scorecard(load, device, pe_factors=(1, 2))
    assert tuple(metric.name for metric in card.metrics) == METRICS
    assert_honest(card.metrics)
    if device == "h100":
        roof = sy.roofline(load, device)
        assert card.metric("latency").value == pytest.approx(roof.time_s)
        assert card.metric("energy").value is card.metric("flexibility").value is None
        assert card.metric("throughput").figure.basis == "bound"
        return
    found = sy.estimate(load, device)
    throughput = card.metric("throughput")
    assert throughput.value == pytest.approx(found.throughput_per_s)
    assert throughput.other("utilisation").value == pytest.approx(found.utilization)
    assert throughput.other("inferences in flight").value == pytest.approx(2)
    assert card.metric("latency").value == pytest.approx(found.latency_s)
    scale = 1.0 if device == "eyeriss_isca16" else 1e-12
    assert card.metric("energy").value == pytest.approx(found.energy_pj * scale / 2)
    operations = found.energy_by_level()["MAC"] * scale / 2
    assert card.metric("energy").other("operations").value == pytest.approx(operations)
    assert (card.metric("power").value is None) == (device == "eyeriss_isca16")
    assert card.metric("flexibility").value == 1


def measured(**changes: object) -> Measurement:
    facts = {
        "network": "net", "setting": "eager", "ran": "PyTorch", "precision": "float32", "batch": 4, "threads": 2,
        "pinned": (), "keep_freed": False, "timing": Timing((0.1, 0.1, 0.1), ()), "deviation": 0.0, "tolerance": 1e-3,
        "prepare_s": 0.0, "peak_memory_bytes": None, "energy": Energy(2.0, "a counter"), "machine": "m", "taken_at": "now",
    }  # fmt: skip
    return Measurement(**facts | changes)


def test_a_measurement() -> None:
    here = sy.Roofline("cpu", {"float32": 1e9}, {"dram": 1e9})
    speed = timed.measured(measured(), 4_000_000, here)
    throughput, latency, energy, power = speed
    assert (throughput.value, latency.value) == (pytest.approx(40), pytest.approx(0.1))
    # four million operations in a tenth of a second of a peak of a thousand million
    assert throughput.factors[1].value == pytest.approx(0.04)
    assert (energy.value, power.value) == (pytest.approx(0.5), pytest.approx(20))
    assert_honest((*speed, timed.flexibility(measured())))
    unknown = timed.measured(measured(energy=Energy(None, unavailable="no counter here")), 10, here)
    assert_honest(unknown)
    assert [metric.figure.unavailable for metric in unknown[2:]] == ["no counter here"] * 2


def test_a_prediction_is_called_one() -> None:
    here = sy.Roofline("cpu", {"float32": 1e9}, {"dram": 1e9})
    told = LatencyPrediction("net", "eager", 1, 2, 0.02, (0.01, 0.03), (), "2026-01-01", 0.0)
    speed = timed.predicted(told, 1_000_000, here)
    assert_honest(speed)
    assert speed[0].value == pytest.approx(50)
    assert {metric.figure.basis for metric in speed[:2]} == {"predicted"}
    assert speed[2].value is speed[3].value is None


def test_a_network_that_does_not_fit_has_reasons_not_figures() -> None:
    chip = row_of_pes(4)
    tiny = replace(chip, levels=(*chip.levels[:2], replace(chip.levels[2], capacity_bytes=5)))
    card = sy.scorecard(linear(6, 8), tiny)
    assert_honest(card.metrics)
    assert (
        "no mapping fits 'row': 'RF' holds 5 bytes" in card.metric("throughput").figure.unavailable
    )
    assert card.metric("flexibility").value == 0
    assert "no mapping fits" in str(card)


def test_cards_side_by_side_say_what_makes_them_unlike() -> None:
    load = linear(6, 8)
    cards = sy.scorecards(
        [
            sy.scorecard(load, row_of_pes(4), pe_factors=()),
            sy.scorecard(load, replace(row_of_pes(4), name="old", node_nm=65.0), pe_factors=()),
        ]
    )
    assert "cost, process node: 45 nm (row); 65 nm (old)" in cards.unlike
    assert all("dataflow" not in sentence for sentence in cards.unlike)
    assert "before you compare" in str(cards)
    with pytest.raises(UsageError, match="1 cards to compare"):
        sy.scorecards(cards.cards[:1])


def test_the_same_as_data(by_hand: Scorecard) -> None:
    data = json.loads(json.dumps(by_hand.to_dict(), allow_nan=False))
    assert data["schema"] == "steelyard.scorecard/1"
    assert [metric["name"] for metric in data["metrics"]] == list(METRICS)
    assert by_hand.records().column("figure").count("throughput") == 1


def test_what_cannot_be_asked() -> None:
    with pytest.raises(UsageError, match="measured=True for net on row"):
        sy.scorecard(linear(6, 8), row_of_pes(4), measured=True)
    with pytest.raises(UsageError, match="a int is no device"):
        sy.scorecard(linear(6, 8), 3)
