"""Figures of a scorecard in words, and the scorecards of several pairs as one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from steelyard.report.table import Cell, Column, Table
from steelyard.report.words import percent
from steelyard.units import format_si

if TYPE_CHECKING:
    from steelyard.metrics import Figure, Scorecard


def figure_words(figure: Figure) -> str:
    """``76.1 % (published)``; ``not known``."""
    if figure.value is None:
        return "not known"
    basis = f" ({figure.basis})" if figure.basis else ""
    return value_words(figure.value, figure.unit) + basis


def value_words(value: float, unit: str) -> str:
    """A number with its unit.

    >>> value_words(0.0125, "s"), value_words(0.5, "share"), value_words(245760.0, "USD"), value_words(76.15, "%")
    ('12.5 ms', '50%', '245,760 USD', '76.2 %')
    """
    if unit == "share":
        return percent(value)
    if unit == "%":
        return f"{value:.1f} %"
    if unit in ("s", "J", "W", "B", "Hz", "MAC"):
        return format_si(value, unit)
    if value and not 1e-3 <= abs(value) < 1e6:
        return format_si(value) + f" {unit}".rstrip()
    number = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{number} {unit}".strip()


def cards_table(cards: Sequence[Scorecard]) -> Table:
    """A row a card, a column a metric."""
    names = [metric.name for metric in cards[0].metrics]
    columns = (
        Column("network", "network"),
        Column("device", "device"),
        *(Column(name, name, "ratio") for name in names),
    )
    rows: list[tuple[Cell, ...]] = [
        (card.network, card.device, *(figure_words(metric.figure) for metric in card.metrics))
        for card in cards
    ]
    return Table("Scorecards", columns, tuple(rows))
