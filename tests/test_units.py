"""Numbers as people read them: the prefix fits, and the digits are those that were asked for."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.errors import UsageError
from steelyard.report.table import Column, scale_of
from steelyard.units import format_bytes, format_si, parse_bytes, parse_count

FACTORS = {
    "p": 1e-12,
    "n": 1e-9,
    "µ": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
}


@given(st.floats(1e-12, 9e17), st.integers(1, 6))
def test_what_is_printed_is_the_number_rounded(value: float, digits: int) -> None:
    number, _, unit = format_si(value, "J", digits=digits).partition(" ")
    prefix = unit.removesuffix("J")
    assert float(number) * FACTORS[prefix] == pytest.approx(value, rel=0.5001 * 10 ** (1 - digits))
    if not (prefix == "" and value.is_integer()):
        assert 1 <= abs(float(number)) < 1000 or prefix == "P"
        places = number.replace(".", "").lstrip("0")
        assert len(places) == max(digits, 1 + math.floor(math.log10(float(number))))
    assert format_si(-value, "J", digits=digits) == f"-{format_si(value, 'J', digits=digits)}"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (6e14, 1, "600 T"), (3.5e15, 1, "4 P"), (999_600, 3, "1.00 M"), (99_960, 3, "100 k"),
        (999, 1, "1 k"), (0, 3, "0"), (7, 3, "7"), (0.25, 3, "250 m"), (999.4, 3, "999"),
    ],
)  # fmt: skip
def test_prefixes_at_their_edges(value: float, digits: int, text: str) -> None:
    assert format_si(value, digits=digits) == text


def test_bytes() -> None:
    assert (format_bytes(1536), format_bytes(999_999)) == ("1.54 kB", "1.00 MB")


@pytest.mark.parametrize("text", ["1e999", "1e300P", "1e309 GiB", "9" * 400])
def test_more_than_any_number(text: str) -> None:
    for parse in (parse_count, parse_bytes):
        with pytest.raises(UsageError, match="is not a"):
            parse(text)


def test_a_fine_column_shows_its_smallest_number() -> None:
    """0.0463 ms beside 2.351 ms: two decimals would make 0.05 of it."""
    values = [2.35123, 0.046338]
    fine = scale_of(Column("latency_ms", "latency", "ratio", unit="ms", fine=True), values)
    assert [fine.format(value) for value in values] == ["2.3512", "0.0463"]
    coarse = scale_of(Column("latency_ms", "latency", "ratio", unit="ms"), values)
    assert [coarse.format(value) for value in values] == ["2.35", "0.05"]
    large = scale_of(Column("latency_ms", "latency", "ratio", fine=True), [1234.5, 0.000_000_012])
    assert large.format(1.2e-8) == "<0.000001"
