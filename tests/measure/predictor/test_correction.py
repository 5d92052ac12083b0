"""The correction by measured networks: known costs are found again, and a family that is left out cannot leak."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.errors import UsageError
from steelyard.measure.predictor.correction import (
    GROUPS,
    Correction,
    Reference,
    corrected,
    group,
    left_out,
)


def references(
    seed: int, slopes: Sequence[float] = (1.1, 1.1, 1.1, 1.1), call_s: float = 4e-6, count: int = 30
) -> list[Reference]:
    dice = np.random.default_rng(seed)
    found = []
    for number in range(count):
        summed, operators = float(10 ** dice.uniform(-3, -1)), int(dice.integers(20, 900))
        parts = summed * dice.dirichlet(np.ones(len(GROUPS)))
        measured = float(parts @ slopes) + call_s * operators
        found.append(
            Reference(f"net{number}", f"family{number % 6}", tuple(parts), operators, measured)
        )
    return found


def test_what_networks_take_beyond_their_operators_is_found_again() -> None:
    found = corrected(references(0))
    assert found.slopes == pytest.approx((1.1,) * 4, rel=0.02)
    assert found.call_s == pytest.approx(4e-6, rel=0.1)
    assert max(map(abs, left_out(references(0)))) < 0.02


def test_groups_have_slopes_of_their_own_held_to_a_common_one() -> None:
    apart = (1.3, 1.0, 0.8, 0.9)
    found = corrected(references(0, apart, count=200))
    common = float(
        np.median([r.measured_s / sum(r.summed_s) for r in references(0, apart, count=200)])
    )
    for one, true in zip(found.slopes, apart, strict=True):
        assert min(true, common) - 0.05 < one < max(true, common) + 0.05
    assert found.slopes[0] > found.slopes[1] > found.slopes[2]


def test_a_group_that_no_reference_has_gets_the_common_slope() -> None:
    bare = [replace(r, summed_s=(*r.summed_s[:3], 0.0)) for r in references(3)]
    bare = [replace(r, measured_s=1.1 * sum(r.summed_s)) for r in bare]
    assert corrected(bare).slopes[3] == pytest.approx(1.1, rel=1e-3)


@pytest.mark.parametrize(("kind", "place"), [
    ("conv.dense", 0), ("blocked.direct", 0), ("conv.pointwise", 1), ("conv.depthwise", 2),
    ("blocked.grouped", 2), ("op.Gemm", 3), ("norm.batch_norm", 3), ("pool.dense", 3),
])  # fmt: skip
def test_kinds_have_their_group(kind: str, place: int) -> None:
    assert group(kind) == place


def test_one_wild_measurement_hardly_matters() -> None:
    wild = references(1)
    wild[3] = replace(wild[3], measured_s=5 * wild[3].measured_s)
    assert corrected(wild).slopes == pytest.approx((1.1,) * 4, rel=0.03)


def test_few_references_settle_little() -> None:
    assert corrected([]) == Correction()
    assert corrected(references(0)[:2]).call_s == 0
    with pytest.raises(UsageError, match="1 families"):
        left_out([r for r in references(0) if r.family == "family1"])


@settings(max_examples=25)
@given(st.integers(0, 5), st.floats(0.1, 10))
def test_what_is_said_of_a_family_does_not_depend_on_its_own_measurements(
    family: int, factor: float
) -> None:
    before = references(2)
    after = [
        replace(r, measured_s=factor * r.measured_s) if r.family == f"family{family}" else r
        for r in before
    ]
    for r, s, one, other in zip(before, after, left_out(before), left_out(after), strict=True):
        if r.family == f"family{family}":  # the same prediction over another measurement
            assert (one + 1) * r.measured_s == pytest.approx((other + 1) * s.measured_s, rel=1e-9)
