"""How a scorecard is printed: the eight figures with what stands beside them, every equation with its factors, the gaps."""

from __future__ import annotations

from steelyard.metrics.card import BASES, METRICS, Figure, Metric, Scorecard, Scorecards
from steelyard.metrics.comparison import labels
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.units import format_bytes, format_si


@document.register
def card_document(result: Scorecard) -> Document:
    """The eight metrics, what they are computed from, what must stand beside them, what is missing."""
    return Document(
        title=f"{result.network} on {result.device}: the eight metrics",
        lead=(
            f"Batch {result.batch}. Each figure is computed from the factors below; nothing is guessed.",
        ),
        tables=(
            _headlines(result),
            _equations(result),
            _others(result),
            _beside(result),
            *_gaps(result),
        ),
        notes=result.notes,
    )


@document.register
def cards_document(result: Scorecards) -> Document:
    """A row a card, then what makes them unlike and what is missing."""
    columns = (
        Column("network", "network"),
        Column("device", "device"),
        Column("accuracy_percent", "top-1", "ratio", unit="%"),
        Column("throughput_per_s", "throughput", "ratio", unit="1/s"),
        Column("latency_ms", "latency", "ratio", unit="ms", fine=True),
        Column("energy_mj", "energy", "ratio", unit="mJ", fine=True, rank=1),
        Column("power_w", "power", "ratio", unit="W", fine=True, rank=2),
        Column("area_mm2", "area", "ratio", unit="mm²", rank=3),
        Column("flexibility", "maps", "share", rank=4),
        Column("scalability", "scales", "share", rank=4),
    )
    table = Table("", columns, tuple(_row(card) for card in result.cards))
    gaps = _all_gaps(result)
    return Document(
        title=f"{len(result.cards)} scorecards",
        tables=(table, *_unlike(result), *gaps),
        notes=("A blank is not known; the reason stands in the table of what is missing.",)
        if gaps
        else (),
    )


def records(result: Scorecard) -> Table:
    """Every figure as one flat table, for CSV."""
    columns = (
        Column("network", "network"), Column("device", "device"), Column("metric", "metric"), Column("figure", "figure"),
        Column("value", "value", "ratio"), Column("unit", "unit"), Column("basis", "basis"),
        Column("computed_as", "computed as"), Column("unavailable", "unavailable"),
    )  # fmt: skip
    rows = tuple(
        (
            result.network, result.device, metric.name, figure.name, figure.value, figure.unit, figure.basis,
            equation(figure), figure.unavailable,
        )
        for metric in result.metrics
        for figure in metric.figures
    )  # fmt: skip
    return Table("scorecard", columns, rows)


def shown(value: float | None, unit: str) -> str:
    """A value with its unit, as people read it; "" for None.

    >>> shown(0.125, "share"), shown(2.5e-3, "s"), shown(724e6, "MAC"), shown(245760, "USD")
    ('12.5 %', '2.50 ms', '724 MMAC', '245,760 USD')
    """
    if value is None:
        return ""
    if unit == "share":
        return f"{100 * value:.3g} %"
    if unit == "B":
        return format_bytes(value)
    if unit in ("s", "J", "W") or unit.startswith(("MAC", "J/", "cycles", "elements")):
        return format_si(value, unit)
    digits = ",.0f" if value >= 1000 or float(value).is_integer() else ".4g"
    return f"{value:{digits}} {'mm²' if unit == 'mm2' else unit.replace('mm2', 'mm²')}".strip()


def equation(figure: Figure) -> str:
    """The factors as a line: ``200 Mcycles/s (clock) x 168 (PEs) / 724 MMAC (operations)``."""
    parts: list[str] = []
    for factor in figure.factors:
        sign = "+" if figure.rule == "sum" else "/" if factor.divides else "x"
        text = f"{shown(factor.value, factor.unit)} ({factor.name})"
        if figure.rule == "sum" and factor.value < 0 and parts:
            sign, text = "-", f"{shown(-factor.value, factor.unit)} ({factor.name})"
        if not parts and factor.divides:
            text = f"1 / {text}"
        parts.append(f"{sign} {text}" if parts else text)
    return " ".join(parts)


def _headlines(card: Scorecard) -> Table:
    columns = (
        Column("metric", "metric"),
        Column("value", "value"),
        Column("figure", "of what"),
        Column("basis", "how, or why not", wrap=True),
    )
    return Table("", columns, tuple(_headline(metric) for metric in card.metrics))


def _headline(metric: Metric) -> tuple[Cell, ...]:
    figure = metric.figure
    how = BASES[figure.basis] if figure.value is not None else f"unavailable: {figure.unavailable}"
    return metric.name, shown(figure.value, figure.unit) or "-", figure.name, how


def _equations(card: Scorecard) -> Table:
    """The eight figures, a factor a line."""
    columns = (
        Column("figure", "figure"),
        Column("value", "value"),
        Column("factor", "factor"),
        Column("of", "its value"),
    )
    rows: list[tuple[Cell, ...]] = []
    for metric in card.metrics:
        figure = metric.figure
        head = (figure.name, shown(figure.value, figure.unit))
        for number, factor in enumerate(figure.factors):
            sign = (
                "="
                if not number
                else "+"
                if figure.rule == "sum"
                else "/"
                if factor.divides
                else "x"
            )
            first = head if not number else ("", "")
            rows.append((*first, f"{sign} {factor.name}", shown(factor.value, factor.unit)))
    return Table("the equations", columns, tuple(rows))


def _others(card: Scorecard) -> Table:
    columns = (
        Column("metric", "metric"),
        Column("figure", "figure"),
        Column("value", "value"),
        Column("equation", "computed from", wrap=True),
    )
    rows = tuple(
        (
            metric.name,
            figure.name,
            shown(figure.value, figure.unit),
            equation(figure) or figure.basis,
        )
        for metric in card.metrics
        for figure in metric.others
        if figure.value is not None
    )
    return Table("further figures", columns, rows)


def _beside(card: Scorecard) -> Table:
    columns = (
        Column("metric", "metric"),
        Column("what", "what"),
        Column("text", "must stand beside it", wrap=True),
    )
    rows = tuple(
        (metric.name, what, text)
        for metric in card.metrics
        if metric.value is not None
        for what, text in metric.stated
    )
    return Table("for a fair comparison", columns, rows)


def _gaps(card: Scorecard) -> tuple[Table, ...]:
    columns = (
        Column("metric", "metric"),
        Column("what", "missing"),
        Column("reason", "unavailable because", wrap=True),
    )
    rows = tuple((metric.name, what, why) for metric in card.metrics for what, why in metric.gaps)
    return (Table("what is missing", columns, rows),) if rows else ()


def _row(card: Scorecard) -> tuple[Cell, ...]:
    value = {metric.name: metric.value for metric in card.metrics}
    joules = card.metric("energy").unit == "J"
    return (
        card.network, card.device, value["accuracy"], value["throughput"], _times(value["latency"], 1e3),
        _times(value["energy"], 1e3) if joules else None, value["power"], value["cost"], value["flexibility"], value["scalability"],
    )  # fmt: skip


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _unlike(result: Scorecards) -> tuple[Table, ...]:
    columns = (Column("metric", "metric"), Column("text", "differs between the cards", wrap=True))
    rows = tuple(tuple(sentence.split(", ", 1)) for sentence in result.unlike)
    return (Table("before you compare", columns, rows),) if rows else ()


def _all_gaps(result: Scorecards) -> tuple[Table, ...]:
    columns = (
        Column("metric", "metric"),
        Column("text", "unavailable because", wrap=True),
    )
    rows: list[tuple[Cell, ...]] = []
    for name in METRICS:
        why = [_why_blank(card.metric(name)) for card in result.cards]
        groups: dict[str, dict[str, None]] = {}
        for label, text in zip(labels(result.cards, why), why, strict=True):
            groups.setdefault(text, {})[label] = None
        rows += [(name, f"{text} ({', '.join(found)})") for text, found in groups.items() if text]
    return (Table("what is missing", columns, tuple(rows)),) if rows else ()


def _why_blank(metric: Metric) -> str:
    """Why the table of cards has no figure of it; "" if it has one."""
    figure = metric.figure
    if figure.value is None:
        return figure.unavailable
    if metric.name == "energy" and figure.unit != "J":
        return "energies are multiples of an operation's, no joules"
    return ""
