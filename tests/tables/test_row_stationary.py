"""The row-stationary study's table: means of every configuration, order of the dataflows, and its forms."""

from __future__ import annotations

import json

import pytest

from steelyard.errors import UnknownNameError
from steelyard.report.render import to_csv, to_json, to_text
from steelyard.tables import RowStationary, row_stationary


def _check(table: RowStationary) -> None:
    for entry in table.entries:
        assert bool(entry.ours) == bool(entry.published)
        for figure, value in entry.published.items():
            # the search may find another mapping of equal total, which moves energy between operands
            tolerance = 5e-4 if figure == "total" else 0.15
            assert entry.ours[figure] == pytest.approx(value, tolerance, 1e-3)


@pytest.fixture(scope="module")
def small() -> RowStationary:
    return row_stationary(("CONV",), (256,))


def test_every_total_of_256_pes(small: RowStationary) -> None:
    assert len(small.entries) == 18
    _check(small)


def test_order_and_factors(small: RowStationary) -> None:
    """1.4 to 2.5 times (ISCA 2016, abstract); 64 images do not fit under WS."""
    factors = {(e.batch, e.dataflow): small.factor(e) for e in small.entries}
    assert factors.pop((64, "WS")) is None
    others = [f for (_, name), f in factors.items() if name != "RS" and f is not None]
    assert min(others) == pytest.approx(1.4, abs=0.01)
    assert max(others) == pytest.approx(2.5, abs=0.01)


@pytest.mark.slow
def test_every_configuration() -> None:
    table = row_stationary()
    assert len(table.entries) == 72
    _check(table)
    for entry in table.entries:
        factor = table.factor(entry)
        if entry.kind == "FC" and entry.dataflow != "RS" and entry.batch > 16:
            assert factor is not None
            assert factor > 1.3


def test_printed_and_machine_readable(small: RowStationary) -> None:
    assert "AlexNet's convolutions, 256 PEs" in to_text(small)
    assert to_csv(small).splitlines()[1].startswith("CONV,256,1,RS,1.0")
    data = json.loads(to_json(small))
    assert data["schema"] == "steelyard.row-stationary/1"
    assert set(data["dataflows"][0]["mappings"]) == {"conv1", "conv2", "conv3", "conv4", "conv5"}


def test_unknown_kind() -> None:
    with pytest.raises(UnknownNameError, match="kind of layers"):
        row_stationary(("POOL",))
