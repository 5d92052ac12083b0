"""ShuffleNet V2's guidelines: the bounds cannot be beaten, and the gains are what a change saves."""

from __future__ import annotations

from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workload_strategies import Net, workloads

from steelyard.cost import cost, guidelines
from steelyard.cost.guidelines import g1_bound, g2_bound, pointwise_access
from steelyard.workload import Workload


def network(*convs: tuple[int, int], c: int, size: int = 8, relu: bool = False) -> Workload:
    """A chain of 1x1 convolutions (output channels, groups)."""
    net = Net()
    value = net.tensor("x", (2, c, size, size), "input")
    for m, groups in convs:
        value = net.conv(value, m, groups=groups)
        value = net.relu(value) if relu else value
    return net.finish()


def only(load: Workload, guideline: str):
    return [f for f in guidelines(load) if f.guideline == guideline]


# ---- G1 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 7, 49, 3136])
def test_g1_bound_is_never_beaten(rows):
    """Every pair of widths up to 40: none with the same macs accesses less, equal widths reach it."""
    for c1 in range(1, 41):
        for c2 in range(1, 41):
            access, bound = pointwise_access(rows, c1, c2), g1_bound(rows, c1, c2)
            assert access >= bound * (1 - 1e-12)
            assert isclose(access, bound, rel_tol=1e-12) == (c1 == c2)
            for d1 in range(1, 41):  # the same product of widths means the same macs
                if c1 * c2 % d1 == 0:
                    other = pointwise_access(rows, d1, c1 * c2 // d1)
                    assert other >= bound * (1 - 1e-12)


def test_g1_orders_the_papers_configurations_as_their_speeds():
    """Table 1 of ShuffleNet V2: at (nearly) fixed FLOPs speed falls as c1:c2 leaves 1:1."""
    rows = 56 * 56
    table = [((128, 128), 1480), ((90, 180), 1296), ((52, 312), 876), ((36, 432), 748)]
    excess = [pointwise_access(rows, *c) / g1_bound(rows, *c) for c, _ in table]
    assert excess[0] == 1.0
    assert excess == sorted(excess)
    macs = [rows * c1 * c2 for (c1, c2), _ in table]
    assert max(macs) / min(macs) < 1.06


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 12))
def test_g1_findings(c1, c2, size):
    load = network((c2, 1), c=c1, size=size)
    found = only(load, "G1")
    bound = g1_bound(2 * size * size, c1, c2)
    access = cost(load).total.access_bytes / 4
    if int(4 * (access - bound)) == 0:  # equal widths, or less than a byte to gain
        assert found == []
    else:
        assert c1 != c2
        assert found[0].layer == "l0"
        assert found[0].value == access and found[0].bound == bound
        assert found[0].gain == int(4 * (access - bound))


def test_g1_gain_is_what_equal_widths_save():
    (finding,) = only(network((16, 1), c=4), "G1")
    saved = cost(network((16, 1), c=4)).total - cost(network((8, 1), c=8)).total
    assert (saved.macs, saved.params) == (0, 0)
    assert finding.gain == saved.access_bytes
    assert finding.text.startswith("4 -> 16 channels: with the same macs, 8 -> 8 would access")


# ---- G2 ----------------------------------------------------------------------------------------


@given(st.integers(1, 50), st.integers(1, 8), st.integers(1, 8), st.integers(1, 6))
def test_g2_more_groups_at_equal_macs_access_more(rows, c1, c2, groups):
    """Fixed input and macs: c2 grows with G; eq. 2 of the paper is met exactly."""
    c1 *= groups
    dense, grouped = c2, c2 * groups
    access = pointwise_access(rows, c1, grouped, groups=groups)
    macs = rows * c1 * c2
    assert access == rows * c1 + macs * groups // c1 + macs // rows
    assert isclose(g2_bound(rows, c1, grouped, groups), pointwise_access(rows, c1, dense))
    assert access >= pointwise_access(rows, c1, dense)


def test_g2_orders_the_papers_configurations_as_their_speeds():
    """Table 2: 10 layers c -> c, g = 1, 2, 4, 8 with c = 128, 180, 256, 360; speed falls."""
    rows = 56 * 56
    table = [(1, 128, 2451), (2, 180, 1725), (4, 256, 1026), (8, 360, 634)]
    access = [pointwise_access(rows, c, c, groups=g) for g, c, _ in table]
    assert access == sorted(access)


def test_g2_gain_is_what_the_dense_convolution_saves():
    (finding,) = only(network((16, 4), c=8), "G2")
    saved = cost(network((16, 4), c=8)).total - cost(network((4, 1), c=8)).total
    assert (saved.macs, saved.params) == (0, 0)
    assert finding.gain == saved.access_bytes
    assert "4 groups, 8 -> 16 channels" in finding.text


# ---- G3 ----------------------------------------------------------------------------------------


def test_g3_gain_is_what_one_merged_convolution_saves():
    net = Net()
    net.tensor("x", (1, 8, 6, 6), "input")
    net.cat([net.conv("x", 3), net.conv("x", 5), net.relu("x")])
    (finding,) = only(net.finish(), "G3")
    merged = network((8, 1), c=8, size=6).with_batch(1)
    parts = [row.cost.access_bytes for row in cost(net.finish()).rows[:2]]
    assert finding.gain == sum(parts) - cost(merged).total.access_bytes
    assert (finding.value, finding.bound, finding.layer) == (2, 1, "")
    assert finding.text == (
        "2 branches with 2 operators that multiply run side by side on the network's input until l3"
    )


def test_g3_a_shortcut_is_no_branch():
    net = Net()
    net.tensor("x", (1, 4, 6, 6), "input")
    net.binary("add", net.relu(net.conv("x", 4)), "x")
    assert only(net.finish(), "G3") == []


# ---- G4 ----------------------------------------------------------------------------------------


def test_g4_gain_is_what_fusing_saves():
    convs = [(8, 1), (8, 1), (4, 1)]
    plain, active = network(*convs, c=8), network(*convs, c=8, relu=True)
    (finding,) = only(active, "G4")
    assert finding.gain == cost(active).total.access_bytes - cost(plain).total.access_bytes
    relus = cost(active).by("kind")["activation"].access_bytes
    assert finding.value == relus / cost(active).total.access_bytes
    assert finding.layer == "aten.relu" and finding.text.startswith("aten.relu (3 times) makes ")


def test_g4_an_operand_that_others_read_must_still_be_written():
    net = Net()
    net.tensor("x", (1, 4, 6, 6), "input")
    stem = net.conv("x", 4)
    net.cat([net.relu(stem), stem])
    (finding,) = only(net.finish(), "G4")
    assert finding.gain == 4 * 36 * 4  # reading it back


# ---- all ---------------------------------------------------------------------------------------


@given(workloads(max_layers=12))
@settings(deadline=None)
def test_findings_are_ranked_and_point_somewhere(load):
    found = guidelines(load)
    assert [f.gain for f in found] == sorted((f.gain for f in found), reverse=True)
    layers, ops = {layer.name for layer in load.layers}, {layer.op for layer in load.layers}
    for finding in found:
        assert finding.layer in (ops if finding.guideline == "G4" else layers | {""})
        assert finding.value > finding.bound and finding.gain >= 0
        assert list(finding.to_dict()) == [
            "guideline", "layer", "formula", "value", "bound", "gain", "text",
        ]  # fmt: skip
    shares = [f.value for f in found if f.guideline == "G4"]
    assert sum(shares) <= 1 + 1e-9


def test_nothing_is_found_in_nothing():
    assert guidelines(Workload("empty", (), ())) == ()
