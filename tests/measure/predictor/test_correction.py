"""The correction by measured networks: known costs are found again, and a family that is left out cannot leak."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.errors import UsageError
from steelyard.measure.predictor.correction import Correction, Reference, corrected, left_out


def references(
    seed: int, slope: float = 1.1, call_s: float = 4e-6, count: int = 30
) -> list[Reference]:
    dice = np.random.default_rng(seed)
    found = []
    for number in range(count):
        summed, operators = float(10 ** dice.uniform(-3, -1)), int(dice.integers(20, 900))
        measured = slope * summed + call_s * operators
        found.append(Reference(f"net{number}", f"family{number % 6}", summed, operators, measured))
    return found


def test_what_networks_take_beyond_their_operators_is_found_again() -> None:
    found = corrected(references(0))
    assert found.slope == pytest.approx(1.1, rel=1e-3)
    assert found.call_s == pytest.approx(4e-6, rel=1e-2)
    assert max(map(abs, left_out(references(0)))) < 1e-3


def test_one_wild_measurement_hardly_matters() -> None:
    wild = references(1)
    wild[3] = replace(wild[3], measured_s=5 * wild[3].measured_s)
    assert corrected(wild).slope == pytest.approx(1.1, rel=0.02)


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
