"""The points of a sweep as a chart: energy against latency or memory on the chip, the Pareto front joined."""

from __future__ import annotations

from collections.abc import Callable

from steelyard.hardware.explore import Exploration, Point
from steelyard.hardware.sweep import Value
from steelyard.report.plotdata import Dot, LogAxis, Scatter
from steelyard.units import format_bytes, format_si

_OTHER, _FRONT = "mac", "stall"


def energy_latency(found: Exploration) -> Scatter:
    """Energy against latency."""
    return _chart(
        found,
        "Energy against latency",
        "latency of one pass (s), logarithmic",
        lambda point: point.latency_s or 0.0,
        "s",
    )


def energy_memory(found: Exploration) -> Scatter:
    """Energy against the memory on the chip, which takes most of its area."""
    return _chart(
        found,
        "Energy against memory on the chip",
        "memory on the chip (B), logarithmic",
        lambda point: point.on_chip_bytes,
        "B",
    )


def variant_name(point: Point) -> str:
    """The values that make the variant: ``131 kB / 14``."""
    return " / ".join(_value(path, value) for path, value in point.settings.items())


def _value(path: str, value: Value) -> str:
    return format_bytes(float(value)) if "capacity_bytes" in path else str(value)


def _chart(
    found: Exploration, title: str, x_title: str, x_of: Callable[[Point], float], unit: str
) -> Scatter:
    known = [point for point in found.points if not point.problem]
    across = LogAxis.over([x_of(point) for point in known], 0.01)
    energy_unit, scale = ("MAC", 1.0) if found.energy_unit == "MAC" else ("J", 1e-12)
    up = LogAxis.over([(point.energy_pj or 0.0) * scale for point in known], 0.01)
    # the line joins what is best in these two alone; a star may stand for less memory or fewer units
    line = _best(known, x_of)
    front = set(map(id, found.front))
    dots = tuple(
        Dot(
            across.at(x_of(point)),
            up.at((point.energy_pj or 0.0) * scale),
            variant_name(point),
            _FRONT if id(point) in front else _OTHER,
            _tip(
                point, id(point) in front, format_si((point.energy_pj or 0.0) * scale, energy_unit)
            ),
            weight=1.0 if point in line else 0.0,
        )
        for point in known
    )
    corners = tuple((across.at(x_of(p)), up.at((p.energy_pj or 0.0) * scale)) for p in line)
    words = (
        (_FRONT, "on the front of energy, latency, memory on the chip and units"),
        (_OTHER, "another is as good in all four and better in one"),
    )
    paths = [sweep.path for sweep in found.sweeps]
    shown = {dot.colour for dot in dots}
    return Scatter(
        title=title,
        note=f"{len(known)} variants of {found.device}, named by {' / '.join(paths)}; "
        "the line joins what is best in these two",
        x_title=x_title,
        y_title=f"energy of one pass ({energy_unit}), logarithmic",
        x_ticks=across.ticks(unit),
        y_ticks=up.ticks(energy_unit),
        dots=dots,
        line=corners,
        legend=tuple(one for one in words if one[0] in shown),
    )


def _best(points: list[Point], x_of: Callable[[Point], float]) -> list[Point]:
    """Points than which none is as good in both and better in one, from left to right."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (x_of(p), p.energy_pj or 0.0)):
        if not best or (point.energy_pj or 0.0) < (best[-1].energy_pj or 0.0):
            best.append(point)
    return best


def _tip(point: Point, on_front: bool, energy: str) -> str:
    lines = [f"{path} {_value(path, value)}" for path, value in point.settings.items()]
    lines += [
        f"{energy}, {format_si(point.latency_s or 0.0, 's')}",
        f"utilisation {point.utilization or 0.0:.1%}, {point.units:,} units",
        f"{format_bytes(point.on_chip_bytes)} on the chip",
        "on the front" if on_front else "not on the front",
    ]
    return "\n".join(lines)
