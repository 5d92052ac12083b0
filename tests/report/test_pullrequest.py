"""The short Markdown: totals first, changes, folded details; scorecards with what is not known."""

from __future__ import annotations

import pytest

from steelyard.cost import cost
from steelyard.metrics import Factor, Figure, Metric, Scorecard
from steelyard.report.api import Report, report
from steelyard.report.cardwords import cards_table, figure_words


@pytest.fixture
def card() -> Scorecard:
    """Two of the eight metrics, one of them unknown; a hostile reason."""
    time = Figure(
        "latency", 0.012, "s", "product", (Factor("cycles", 24e5), Factor("clock", 2e8, "Hz", True)), "modelled"
    )  # fmt: skip
    none = Figure("energy", None, "J", unavailable="<script>window.pwned=1</script>")
    return Scorecard(
        "small",
        "chip",
        1,
        (
            Metric("latency", time, equation="cycles / clock", stated=(("batch", "1"),)),
            Metric("energy", none),
        ),
    )


def test_totals_come_first_and_the_rest_is_short(alexnet):
    lines = report(alexnet).to_markdown().splitlines()
    assert lines[0] == "# The cost of alexnet"
    assert lines[2] == "| network | MACs | parameters | peak activations | memory access |"
    assert lines[4].startswith("| alexnet | 724 M | 61.0 M |")
    assert len(lines) < 40
    assert sum(line.startswith("- **What") for line in lines) == 4
    heaviest = [line.split("|")[1].strip() for line in lines if line.startswith("| conv")]
    assert heaviest == ["conv2", "conv3", "conv4", "conv1", "conv5"]


def test_changes_stand_behind_the_totals_and_in_a_table(alexnet, net_builder):
    net = net_builder("alexnet", (1, 3, 227, 227)).conv("conv1", 96, 11, 4).done()
    text = report(net, against=report(alexnet)).to_markdown()
    assert "| alexnet | 105 M (−85.4 %) | 34.9 k (−99.9 %) |" in text
    assert "<summary>18 layers changed</summary>" in text


def test_a_scorecard_says_what_is_not_known_and_names_stay_inert(small, card):
    made = Report((cost(small),), "t", cards=((card,),))
    page = made.to_html()
    assert "<strong>12.0 ms (modelled)</strong>" in page
    assert "<li>÷ clock 200 MHz</li>" in page
    assert "not known" in page
    assert "<script>window.pwned" not in page
    assert "&lt;script&gt;window.pwned" in page
    assert figure_words(card.metrics[1].figure) == "not known"
    assert cards_table([card]).rows == (("small", "chip", "12.0 ms (modelled)", "not known"),)
    assert "| small | chip | 12.0 ms (modelled) | not known |" in made.to_markdown()
