"""What would help: savings worked out by hand for ceilings, and rewrites against captures of the rewritten network."""

from __future__ import annotations

import json

import pytest

from steelyard.cost import cost
from steelyard.report.advice import advise
from steelyard.report.api import Report
from steelyard.report.htmladvice import findings_table, rewrites_table
from steelyard.report.inshort import in_short, say_savings
from steelyard.report.parts import Parts
from steelyard.report.placed import place_on


@pytest.fixture(scope="module")
def wide(net_builder):
    """A 1x1 convolution of very unequal widths, a ReLU behind it."""
    return net_builder("wide", (1, 4, 64, 64)).conv("conv", 64, 1).relu("relu").done()


def test_findings_save_their_bytes_and_time_of_memory_at_most(wide):
    """G1: PQ (c1 + c2) + c1 c2 elements against 2 sqrt(PQ B) + B / PQ with B = PQ c1 c2 (Ma et al. 2018, eq. 1)."""
    placed = place_on(wide, ["h100"])
    report = cost(wide)
    advice = advise(report, placed)
    g1 = next(one for one in advice.findings if one.guideline == "G1")
    area, bandwidth = 64 * 64, placed[0].roof.bandwidth_bytes_per_s
    gain = 4 * (area * 68 + 256 - (2 * area * 16 + 256))
    time, access = g1.savings
    assert (access.by, access.at_most) == ("cost", False)
    assert access.quantity.before - access.quantity.after == pytest.approx(gain, abs=8)
    assert (time.by, time.at_most) == ("roofline", True)
    # the convolution waits for the memory: its bytes over the bandwidth; a bias of 64 elements is accessed, too
    saved = time.quantity.before - time.quantity.after
    assert saved == pytest.approx(gain / bandwidth, rel=1e-3)
    g4 = next(one for one in advice.findings if one.guideline == "G4")
    # not written by the convolution and not read by the ReLU
    assert g4.savings[-1].quantity.before - g4.savings[-1].quantity.after == 2 * 4 * area * 64
    assert "let a runtime compute it inside the layer before" in g4.fix


def test_energy_saved_on_an_accelerator_is_a_part_of_its_outermost_memory(placed, small):
    advice = advise(cost(small), (placed,))
    outer = placed.estimate.device.memories[0].name
    moving = placed.estimate.energy_by_level()[outer]
    for one in advice.findings:
        energy = one.savings[0]
        assert (energy.by, energy.at_most) == ("estimate", True)
        assert 0 <= energy.quantity.before - energy.quantity.after <= moving
    shares = [one.share for one in advice.findings]
    assert shares == sorted(shares, reverse=True)


def test_rewrites_save_what_the_counts_of_the_new_network_say():
    """A 3x3 convolution of 32 to 64 channels becomes depthwise 3x3 and 1x1: 1/M + 1/RS of the MACs."""
    from torch import nn

    from steelyard.design.rewrite import rewrite, try_rules

    net = nn.Sequential(nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.ReLU())
    found = try_rules(
        net, ["depthwise_separable", "stack3x3", "grouped"], input_shape=(1, 32, 16, 16)
    )
    assert list(found) == ["depthwise_separable", "grouped"]  # a 3x3 is its own stack
    alone = rewrite(net, "depthwise_separable", input_shape=(1, 32, 16, 16))
    after = {rule: one.comparison.b.workload for rule, one in found.items()}
    assert after["depthwise_separable"].macs == alone.comparison.b.workload.macs
    report = alone.comparison.a
    advice = advise(report, (), {rule: (load, ()) for rule, load in after.items()}, "pkg:net")
    first, second = advice.rewrites
    assert (first.rule, second.rule) == ("depthwise_separable", "grouped")
    assert first.share == pytest.approx(1 - (1 / 64 + 1 / 9))
    assert second.share == pytest.approx(3 / 4)
    assert first.where == "1 of 1 layers with MACs"
    assert first.command == "steelyard rewrite pkg:net depthwise_separable"
    parts = Parts(report, advice=advice)
    help_ = dict(in_short(parts))["What would help most"]
    assert "depthwise_separable" in help_
    assert "must then be trained again" in help_
    assert say_savings(first).startswith("87% of the MACs")
    assert len(rewrites_table(advice, "net").rows) == 2


def test_the_report_shows_it_and_its_json_knows_it(wide, placed, small):
    page = Report((cost(small),), "t", placed=((placed,),)).to_html()
    assert "What would help" in page
    assert "energy, chip saved" in page
    assert "on chip estimated (at most; steelyard estimate)" in page
    data = json.loads(Report((cost(wide),), "t").to_json())["networks"][0]
    assert [one["guideline"] for one in data["advice"]["findings"]] == ["G4", "G1"]
    assert list(data["in_short"]) == [
        "What it is", "What it costs", "What limits it", "What would help most",
    ]  # fmt: skip
    assert len(findings_table(advise(cost(wide)), "wide").columns) == 5
