"""`save_measurements`: measurements as a page with MACs against latency and latency against accuracy, or as a picture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from steelyard.errors import UsageError
from steelyard.measure.against_macs import FAR, FEWEST, AgainstMacs, Point
from steelyard.measure.measurement import Measurements
from steelyard.report.document import document
from steelyard.report.escape import html_text
from steelyard.report.files import write_file
from steelyard.report.htmlpage import frame
from steelyard.report.htmltables import table_html
from steelyard.report.pictures import PAGES, now
from steelyard.report.plotdata import Dot, LogAxis, Scatter, Tick
from steelyard.report.plotfiles import save_scatter
from steelyard.report.plots import scatter_data, scatter_html
from steelyard.units import format_si

_USUAL, _SLOW, _FRONT = "mac", "stall", "busy"


def save_measurements(found: Measurements, path: str | os.PathLike[str]) -> Path:
    """Writes what was measured: .html with charts and tables, .svg, .png or .pdf MACs against latency alone.

    Args:
        found: with at least five networks in one setting, where there are to be charts.
        path: where to; written completely or not at all.

    Raises:
        UsageError: another suffix, or a picture of too few networks.
        InputError: ``path`` cannot be written.
        MissingExtraError: a picture, and matplotlib is not installed.
    """
    if Path(os.fspath(path)).suffix.lower() in PAGES:
        return write_file(path, _page(found))
    if not found.against_macs:
        raise UsageError(
            "too few networks for a chart",
            expected=f"{FEWEST} in one setting",
            hint="-o FILE.html writes a page with the table",
        )
    chart = macs_chart(found.against_macs[0])
    return save_scatter(chart, path, title=chart.title)


def macs_chart(found: AgainstMacs) -> Scatter:
    """Latency against MACs, with the trend; far slower networks stand out."""
    across = LogAxis.over([float(p.macs) for p in found.points])
    up = LogAxis.over([s for p in found.points for s in (p.latency_s, p.predicted_s)])
    slow = set(found.offenders)
    dots = tuple(
        Dot(
            across.at(p.macs),
            up.at(p.latency_s),
            p.network,
            _SLOW if p in slow else _USUAL,
            f"{format_si(p.macs)}MACs, {format_si(p.latency_s, 's')}\n"
            f"{p.ratio:.2f} times what its MACs say",
            weight=p.ratio,
        )
        for p in found.points
    )
    ends = (min(found.points, key=_macs), max(found.points, key=_macs))
    known = "undefined" if found.correlation is None else f"{found.correlation:.2f}"
    return Scatter(
        title=f"MACs against latency, {found.where}",
        note=f"{len(dots)} networks, rank correlation {known} (Spearman); the line is their trend (Theil-Sen)",
        x_title="MACs of one inference, logarithmic",
        y_title="latency of one inference (s), logarithmic",
        x_ticks=across.ticks(),
        y_ticks=up.ticks("s"),
        dots=dots,
        line=tuple((across.at(p.macs), up.at(p.predicted_s)) for p in ends),
        legend=_legend(dots, ((_SLOW, f"{FAR:g} times the trend and more, the worst"), (_USUAL, "the others"))),
    )  # fmt: skip


def accuracy_chart(found: AgainstMacs) -> Scatter | None:
    """Published error against latency, with the Pareto front; None where fewer than two errors are known."""
    known = [(p, p.top1_error) for p in found.points if p.top1_error is not None]
    if len(known) < 2:
        return None
    across = LogAxis.over([p.latency_s for p, _ in known])
    low, high = min(e for _, e in known) - 1, max(e for _, e in known) + 1
    step = 5 if high - low > 12 else 2

    def height(error: float) -> float:
        return (error - low) / (high - low)

    dots = tuple(
        Dot(
            across.at(p.latency_s),
            height(error),
            p.network,
            _FRONT if p.on_front else _USUAL,
            f"{format_si(p.latency_s, 's')}, {error:.1f} % top-1 error",
            weight=float(p.on_front),
        )
        for p, error in known
    )
    first, last = int(low // step + 1) * step, int(high)
    return Scatter(
        title=f"Latency against published accuracy, {found.where}",
        note=f"{len(dots)} networks whose error is published (ImageNet, one crop); the line joins the Pareto front",
        x_title="latency of one inference (s), logarithmic",
        y_title="top-1 error (%)",
        x_ticks=across.ticks("s"),
        y_ticks=tuple(Tick(height(e), f"{e} %") for e in range(first, last + 1, step)),
        dots=dots,
        line=tuple((across.at(p.latency_s), height(p.top1_error or 0.0)) for p in found.front),
        legend=_legend(dots, ((_FRONT, "none is both faster and more accurate"), (_USUAL, "the others"))),
    )  # fmt: skip


def charts(found: AgainstMacs) -> tuple[Scatter, ...]:
    """MACs against latency; and latency against accuracy, where that is known."""
    accuracies = accuracy_chart(found)
    return (macs_chart(found),) if accuracies is None else (macs_chart(found), accuracies)


def _macs(point: Point) -> int:
    return point.macs


def _legend(
    dots: tuple[Dot, ...], words: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    shown = {dot.colour for dot in dots}
    return tuple(one for one in words if one[0] in shown)


def _page(found: Measurements) -> str:
    said = document(found)
    plots: dict[str, Any] = {}

    def body() -> Iterator[str]:
        for line in said.lead:
            yield f"<p>{html_text(line)}</p>"
        for line in said.warnings:
            yield f'<p class="soft">Warning: {html_text(line)}.</p>'
        for number, one in enumerate(found.against_macs):
            for place, chart in enumerate(charts(one)):
                plots[f"m{number}-{place}"] = scatter_data(chart)
                yield scatter_html(chart, key=f"m{number}-{place}")
        for table in said.tables[:1]:  # none where nothing could be measured
            yield table_html(replace(table, title="All measurements"), sortable=True)
        for line in said.notes:
            yield f'<p class="soft">{html_text(line)}</p>'

    return frame(
        body(),
        title=said.title,
        created=now(),
        units="1 MB is 10<sup>6</sup> bytes.",
        links=(),
        provenance=sorted(found.environment.items()),
        data={"networks": [], "plots": plots},
    )
