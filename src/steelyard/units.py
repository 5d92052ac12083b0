"""Counts, bytes, joules and seconds: parsed from what people type, printed as people read.

SI prefixes are decimal (1 MB = 10**6 bytes); binary ones (KiB, MiB, GiB) are accepted when parsing.
"""

from __future__ import annotations

import re
from math import isfinite

from steelyard.errors import UsageError

_PREFIX = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12, "p": 10**15}
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_NUMBER = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]*)\s*\Z")


def parse_count(text: str) -> int:
    """A count such as ``300M``, ``1.5G``, ``4_000`` or ``2e6``.

    >>> parse_count("300M"), parse_count("1.5G")
    (300000000, 1500000000)

    Raises:
        UsageError: not a non-negative number with an optional prefix k, M, G (or B), T, P.
    """
    match = _NUMBER.match(text)
    if match and match[2].lower() in _PREFIX:
        value = float(match[1].replace("_", "")) * _PREFIX[match[2].lower()]
        if isfinite(value):
            return round(value)
    raise UsageError(
        f"{text!r} is not a count", expected="a number with an optional k, M, G or T, e.g. 300M"
    )


def parse_bytes(text: str) -> int:
    """A size such as ``32KiB``, ``1.5MB``, ``64K`` (decimal) or ``4096``.

    >>> parse_bytes("32KiB"), parse_bytes("1.5MB")
    (32768, 1500000)

    Raises:
        UsageError: not a size.
    """
    match = _NUMBER.match(text)
    if match:
        unit = match[2].lower()
        unit = unit[:-1] if unit.endswith("b") else unit
        factor = _BINARY.get(unit, None if unit == "b" else _PREFIX.get(unit))
        value = float(match[1].replace("_", "")) * (factor or 0)
        if factor is not None and isfinite(value):
            return round(value)
    raise UsageError(
        f"{text!r} is not a size in bytes", expected="a number with KB, MB, GB or KiB, MiB, GiB"
    )


def format_si(value: float, unit: str = "", *, digits: int = 3) -> str:
    """``value`` with an SI prefix and ``digits`` significant digits.

    >>> format_si(3_857_973_248), format_si(1536, "B"), format_si(0.0125, "s"), format_si(7)
    ('3.86 G', '1.54 kB', '12.5 ms', '7')
    """
    if value == 0:
        return f"0 {unit}".strip()
    scales = [(15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k"), (0, "")]
    if not float(value).is_integer() or unit in ("s", "J"):
        scales += [(-3, "m"), (-6, "µ"), (-9, "n"), (-12, "p")]
    # the power of ten after rounding: what would be printed as 1000 belongs to the next prefix up
    power = int(f"{value:.{digits - 1}e}".partition("e")[2])
    exponent, prefix = next((s for s in scales if power >= s[0]), scales[-1])
    if prefix == "" and float(value).is_integer():
        text = f"{int(value)}"
    else:
        text = f"{value / 10.0**exponent:.{max(0, digits - 1 - (power - exponent))}f}"
    return f"{text} {prefix}{unit}".strip()


def format_bytes(value: float) -> str:
    """Bytes with a decimal prefix: ``format_bytes(1536) == '1.54 kB'``."""
    return format_si(value, "B")
