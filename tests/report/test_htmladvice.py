"""The measured split of time on the page and in words; the command line in the provenance."""

from __future__ import annotations

from steelyard.cost import cost
from steelyard.measure.breakdown import Breakdown, Part
from steelyard.report.api import Report
from steelyard.report.inshort import in_short
from steelyard.report.parts import Parts


def test_the_split_has_every_kind_and_says_which_takes_most(small):
    parts = (
        Part("conv1", "<b>aten.conv2d", "dense", 0.006, 100, 100, 0.003),
        Part("fc", "aten.linear", "linear", 0.003),
        Part("", "between operators", "between", 0.001),
    )
    split = Breakdown("small", "eager", "PyTorch eager", 1, 1, parts, 0.009, (0.010,), "median", 1)
    page = Report(
        (cost(small),), "t", splits=(split,), command="steelyard report small '<i>'"
    ).to_html()
    assert "One inference took 9.00 ms (PyTorch eager, batch 1, 1 thread)" in page
    assert (
        'aria-label="eager: 10.0 ms, convolution, dense 60%, linear 30%, between operators 10%"'
        in page
    )
    assert "&lt;b&gt;aten.conv2d" in page
    assert "<dt>by</dt><dd>steelyard report small &#x27;&lt;i&gt;&#x27;</dd>" in page
    said = dict(in_short(Parts(cost(small), split=split)))
    assert "one inference took 9.00 ms (eager, measured)" in said["What it costs"]
    assert "Of the measured time 60% goes to convolution, dense." in said["What limits it"]
