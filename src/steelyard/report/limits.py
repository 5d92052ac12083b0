"""`Limit`: what a network may cost, absolutely (``300M``) or against an earlier report (``+2%``), and what exceeds it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.errors import InputError, UsageError
from steelyard.report.against import Quantity, say_change, say_value
from steelyard.report.snapshot import Snapshot, snapshot
from steelyard.units import parse_bytes, parse_count

if TYPE_CHECKING:
    from steelyard.report.api import Report

_RELATIVE = re.compile(r"\s*([+-][0-9]+(?:\.[0-9]+)?)\s*%\s*\Z")
_MEASURE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([pnuµmk]?)([sJ])\s*\Z")
_PREFIXES = {"p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that a quantity may be.

    Attributes:
        quantity: a key of `LIMITED`.
        text: as it was typed.
        value: in the quantity's unit (bytes, pJ, s); of a relative one the share that may be added.
        relative: to an earlier report.
    """

    quantity: str
    text: str
    value: float
    relative: bool

    @property
    def option(self) -> str:
        """Of the command line."""
        return LIMITED[self.quantity][0]


def _seconds(text: str) -> float:
    return _measure(text, "s", "5ms")


def _picojoules(text: str) -> float:
    return _measure(text, "J", "2mJ") * 1e12


def _measure(text: str, unit: str, example: str) -> float:
    match = _MEASURE.match(text)
    if match is None or match[3] != unit:
        raise UsageError(f"{text!r} is no limit", expected=f"a number of {unit}, e.g. {example}")
    return float(match[1]) * _PREFIXES[match[2]]


LIMITED: dict[str, tuple[str, str, str, Callable[[str], float]]] = {
    "macs": ("--max-macs", "MACs", "", parse_count),
    "params": ("--max-params", "parameters", "", parse_count),
    "peak_activation_bytes": ("--max-peak-memory", "peak activation memory", "B", parse_bytes),
    "access_bytes": ("--max-access", "memory access", "B", parse_bytes),
    "energy_pj": ("--max-energy", "energy", "pJ", _picojoules),
    "latency_s": ("--max-latency", "latency", "s", _seconds),
}
"""What may be limited: option, words, unit, and how an absolute limit is read."""


def parse_limit(quantity: str, text: str) -> Limit:
    """A limit as it is typed: ``300M``, ``2MB``, ``5ms``, ``2mJ``, or ``+2%`` against an earlier report.

    >>> parse_limit("macs", "+2%").value, parse_limit("latency_s", "5ms").value
    (0.02, 0.005)

    Raises:
        UsageError: neither.
    """
    match = _RELATIVE.match(text)
    if match is not None:
        return Limit(quantity, text.strip(), float(match[1]) / 100, relative=True)
    try:
        return Limit(quantity, text.strip(), LIMITED[quantity][3](text), relative=False)
    except UsageError as error:
        expected = f"{error.expected}, or +2% with --against"
        raise UsageError(f"{LIMITED[quantity][0]}: {error.given}", expected=expected) from None


def check_limits(limits: Sequence[Limit], *, against: bool) -> None:
    """Says before anything is computed that a limit cannot be held against anything.

    Args:
        limits: as they were typed.
        against: there is an earlier report.

    Raises:
        UsageError: a relative limit without an earlier report.
    """
    for limit in limits:
        if limit.relative and not against:
            raise UsageError(
                f"{limit.option} {limit.text} is relative",
                expected="an earlier report to be relative to",
                hint=f"--against old.json {limit.option} {limit.text}",
            )


def exceeded(report: Report, limits: Sequence[Limit]) -> tuple[str, ...]:
    """A sentence for each limit that a network exceeds; none if all is well.

    Args:
        report: with the devices that limits of energy and latency need, and held against an earlier report where
            one is relative.
        limits: to be kept.

    Raises:
        UsageError: the report has no such quantity, or was not held against an earlier one.
        InputError: the earlier report lacks the quantity.
    """
    check_limits(limits, against=bool(report.against))
    said = []
    for number, cost in enumerate(report.costs):
        placed = report.placed[number] if report.placed else ()
        now = snapshot(cost, placed)
        known = report.against[number].quantities if report.against else ()
        for limit in limits:
            said += [f"{now.name}: {text}" for text in _over(now, known, limit)]
    return tuple(said)


def _over(now: Snapshot, known: Sequence[Quantity], limit: Limit) -> Iterator[str]:
    if limit.relative:
        yield from _over_relative(now, known, limit)
        return
    for device, value in _values(now, limit):
        if value > limit.value:
            _, title, unit, _ = LIMITED[limit.quantity]
            one = Quantity(limit.quantity, title, unit, device, limit.value, value)
            over = say_value(one, value - limit.value)
            share = f" ({say_change(one)})" if limit.value else ""
            yield f"{_named(one)}: {say_value(one, value)}, which is {over}{share} over {limit.option} {limit.text}"


def _over_relative(now: Snapshot, known: Sequence[Quantity], limit: Limit) -> Iterator[str]:
    before = {one.device: one for one in known if one.key == limit.quantity}
    for device, _ in _values(now, limit):
        one = before.get(device)
        if one is None:
            raise InputError(
                f"the earlier report has no {LIMITED[limit.quantity][1]} of {now.name} on {device} in these settings",
                expected=f"one that {limit.option} {limit.text} can be relative to",
                hint=f"steelyard report {now.name} --device {device} -o old.json",
            )
        if one.after > one.before * (1 + limit.value):
            yield (
                f"{_named(one)}: {say_value(one, one.after)} against {say_value(one, one.before)} before, "
                f"{say_change(one)}; {limit.option} allows {limit.text}"
            )


def _values(now: Snapshot, limit: Limit) -> list[tuple[str, float]]:
    """(device, value) of all that the limit is held against."""
    if limit.quantity == "peak_activation_bytes":
        return [("", now.peak_bytes)]
    if limit.quantity == "latency_s":
        found = [(name, one.latency_s) for name, one in now.devices.items()]
    elif limit.quantity == "energy_pj":
        known = [(name, one.energy) for name, one in now.devices.items() if one.unit == "pJ"]
        found = [(name, energy) for name, energy in known if energy is not None]
    else:
        return [("", getattr(now.total, limit.quantity))]
    if not found:
        raise UsageError(
            f"{limit.option} without a device whose {LIMITED[limit.quantity][1]} is known",
            expected="--device with an accelerator"
            if limit.quantity == "energy_pj"
            else "--device",
            hint=f"--device eyeriss {limit.option} {limit.text}",
        )
    return found


def _named(one: Quantity) -> str:
    return f"{one.title} on {one.device}" if one.device else one.title
