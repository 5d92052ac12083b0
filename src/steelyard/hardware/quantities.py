"""Numbers of a device's file, plain or with a unit: ``64 KiB``, ``1.2 GHz``, ``0.2 nJ``, ``25.6 GB/s``."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite

from steelyard.errors import UsageError
from steelyard.hardware.yamltree import Node
from steelyard.units import parse_bytes, parse_count

MAX_WHOLE = 2**24
"""More processing elements, or bits, than any device has."""

_PICO = {"fj": 1e-3, "pj": 1.0, "nj": 1e3, "uj": 1e6}


def _number(node: Node, unit: str, parse: Callable[[str], float]) -> float:
    """A number of at least 0, plain or as text with a unit."""
    value = node.value
    expected = f"a number from 0{f', in {unit}' if unit else ''}"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise node.error(f"{node.shown} is no number", expected=expected)
    if isinstance(value, str):
        try:
            value = parse(value)
        except UsageError as error:
            raise node.error(error.given, expected=error.expected or expected) from error
    if not isfinite(value) or value < 0 or value > 1e30:
        raise node.error(f"{value:g}", expected=expected)
    return value


def _no_unit(text: str) -> float:
    raise UsageError(f"{text!r} is no number", expected="a number")


def positive(node: Node) -> float:
    """A number above 0.

    Raises:
        FileFormatError: it is something else.
    """
    value = _number(node, "", _no_unit)
    if value <= 0:
        raise node.error(f"{value:g}", expected="a number above 0")
    return value


def whole(node: Node) -> int:
    """A whole number from 1.

    Raises:
        FileFormatError: it is something else.
    """
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_WHOLE:
        raise node.error(f"{node.shown}", expected=f"a whole number from 1 to {MAX_WHOLE:,}")
    return value


def whole_bytes(node: Node) -> int:
    """Bytes, at least 1: ``4096`` or ``64 KiB``.

    Raises:
        FileFormatError: it is something else.
    """
    value = _number(node, "bytes or such as 64 KiB", parse_bytes)
    if value < 1 or value != int(value):
        raise node.error(f"{value:g} bytes", expected="whole bytes, at least 1")
    return int(value)


def _with_unit(unit: str, parse: Callable[[str], float], example: str) -> Callable[[str], float]:
    def parsed(text: str) -> float:
        stripped = text.strip()
        if not stripped.lower().endswith(unit.lower()):
            raise UsageError(f"{text!r} has no unit {unit}", expected=f"such as {example}")
        try:
            return parse(stripped[: len(stripped) - len(unit)])
        except UsageError as error:
            raise UsageError(
                f"{text!r} is not a number of {unit}", expected=f"such as {example}"
            ) from error

    return parsed


def _above_zero(node: Node, unit: str, parse: Callable[[str], float]) -> float:
    value = _number(node, unit, parse)
    if value <= 0:
        raise node.error(f"{value:g} {unit}", expected="a number above 0")
    return float(value)


def hertz(node: Node) -> float:
    """Cycles per second above 0: ``2e8`` or ``200 MHz``.

    Raises:
        FileFormatError: it is something else.
    """
    return _above_zero(node, "Hz", _with_unit("Hz", parse_count, "200 MHz"))


def bytes_per_second(node: Node) -> float:
    """Bytes per second above 0: ``25.6 GB/s``.

    Raises:
        FileFormatError: it is something else.
    """
    return _above_zero(node, "B/s", _with_unit("/s", parse_bytes, "25.6 GB/s"))


def macs_per_second(node: Node) -> float:
    """Multiply-accumulates per second above 0: ``1.5 TMAC/s``.

    Raises:
        FileFormatError: it is something else.
    """
    return _above_zero(node, "MAC/s", _with_unit("MAC/s", parse_count, "1.5 TMAC/s"))


def picojoules(node: Node) -> float:
    """pJ from 0: ``6``, ``6 pJ`` or ``0.2 nJ``.

    Raises:
        FileFormatError: it is something else.
    """

    def parse(text: str) -> float:
        match = re.fullmatch(r"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([fpnu]J)\s*", text)
        if match is None:
            raise UsageError(f"{text!r} is no energy", expected="pJ, such as 6, 6 pJ or 0.2 nJ")
        try:
            return float(match[1]) * _PICO[match[2].lower()]
        except ValueError as error:
            raise UsageError(f"{text!r} is no energy", expected="pJ, such as 6 pJ") from error

    return float(_number(node, "pJ", parse))
