"""The charts of a network on devices as PNG, SVG or PDF files through matplotlib (extra ``plots``)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from steelyard.report.charts import COLOURS as FAMILY_COLOURS
from steelyard.report.figures import save_figure, short
from steelyard.report.layerpanels import energy_by_level, layer_panels
from steelyard.report.placed import Placed
from steelyard.report.plotdata import COLOURS, Panel, Scatter, Tick, ceiling_groups
from steelyard.report.plots import tail
from steelyard.report.svg import nice_ceiling

_ALL_COLOURS = COLOURS | FAMILY_COLOURS
_GREY, _INK, _DASHED = "#d5dbe1", "#1d232b", "#b3261e"
_MOST_NAMES = 90


def save_layers(several: Sequence[Placed], path: str | os.PathLike[str]) -> Path:
    """Bars over the layers: of one device all charts, of several the energy of each in one scale.

    Args:
        several: the same network on devices with estimates.
        path: where to; .png, .svg or .pdf.

    Raises:
        UsageError: another format.
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    if len(several) == 1:
        panels = list(layer_panels(several[0]))
    else:
        top = nice_ceiling(max(row.cost.energy_pj for p in several for row in p.rows))
        panels = [
            replace(energy_by_level(placed, top), title=f"Energy on {placed.device.name}")
            for placed in several
        ]
    names = [row.name for row in several[0].rows]
    devices = ", ".join(placed.device.name for placed in several)
    title = f"{several[0].workload.name} on {devices}, layer by layer"
    return save_panels(panels, names, path, title=title, below="layers in order of execution")


def save_panels(
    panels: Sequence[Panel],
    names: Sequence[str],
    path: str | os.PathLike[str],
    *,
    title: str,
    below: str,
) -> Path:
    """Bar charts under one another over the same things.

    Args:
        panels: the charts.
        names: of the bars.
        path: where to; .png, .svg or .pdf.
        title: above the charts.
        below: what the bars are, under the last chart.

    Raises:
        UsageError: another format.
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    return save_figure(
        path, lambda figure: _draw_panels(figure, panels, names, title, below), title=title
    )


def save_scatter(chart: Scatter, path: str | os.PathLike[str], *, title: str) -> Path:
    """A roofline or a Pareto front.

    Args:
        chart: what to draw.
        path: where to; .png, .svg or .pdf.
        title: above the chart.

    Raises:
        UsageError: another format.
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    return save_figure(path, lambda figure: _draw_scatter(figure, chart, title), title=title)


def _draw_panels(
    figure: Any, panels: Sequence[Panel], names: Sequence[str], title: str, below: str
) -> None:
    number = len(names)
    width = max(8.0, min(24.0, 2.5 + 0.15 * number))
    figure.set_size_inches(width, 1.0 + 2.1 * len(panels))
    figure.suptitle(short(title, 100), fontsize=11, x=0.01, ha="left")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, panel in zip(axes, panels, strict=True):
        for band in panel.bands:
            heights = [top - low for low, top in band.spans]
            bottoms = [low for low, _ in band.spans]
            axis.bar(
                range(number), heights, bottom=bottoms, width=0.84,
                color=_ALL_COLOURS[band.colour], label=band.title,
            )  # fmt: skip
        axis.set_title(
            f"{panel.title} ({panel.note})" if panel.note else panel.title, loc="left", fontsize=9
        )
        axis.set_ylim(0, 1)
        _ticks(axis.set_yticks, panel.ticks)
        axis.grid(axis="y", color=_GREY, linewidth=0.6)
        axis.margins(x=0.01)
        axis.legend(
            loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=7, reverse=True
        )
    every = max(1, -(-number // _MOST_NAMES))
    at = list(range(0, number, every))
    axes[-1].set_xticks(at, [short(tail(names[i]), 28) for i in at], rotation=90)
    axes[-1].tick_params(axis="x", labelsize=7)
    step = f", one in {every} named" if every > 1 else ""
    axes[-1].set_xlabel(f"{below} ({number}{step})")


def _ticks(setter: Any, ticks: Sequence[Tick]) -> None:
    setter([tick.at for tick in ticks], [tick.label for tick in ticks])


def _draw_scatter(figure: Any, chart: Scatter, title: str) -> None:
    figure.set_size_inches(9, 5.4)
    axis = figure.subplots()
    axis.set_title(f"{short(title, 90)}\n{short(chart.note, 110)}", fontsize=10)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    _ticks(axis.set_xticks, chart.x_ticks)
    _ticks(axis.set_yticks, chart.y_ticks)
    axis.set_xlabel(chart.x_title)
    axis.set_ylabel(chart.y_title)
    axis.grid(color=_GREY, linewidth=0.6)
    for at, label in ceiling_groups([tick.at for tick in chart.ceilings]):
        axis.axhline(at, color=_DASHED, linestyle="--", linewidth=0.8)
        axis.text(0.005, at, label, color=_DASHED, fontsize=7, va="bottom")
    if chart.line:
        axis.plot(*zip(*chart.line, strict=True), color=_INK, linewidth=1.4)
    words = dict(chart.legend)
    for colour in dict.fromkeys(dot.colour for dot in chart.dots):
        dots = [dot for dot in chart.dots if dot.colour == colour]
        axis.scatter(
            [dot.x for dot in dots], [dot.y for dot in dots], s=28, zorder=3, alpha=0.88,
            color=_ALL_COLOURS[colour], label=words.get(colour, colour), clip_on=False,
        )  # fmt: skip
    if chart.mark:
        x, y, text = chart.mark
        axis.plot([x, x], [0, y], color="#59636f", linestyle=":", linewidth=0.9)
        axis.text(x, y + 0.01, text, fontsize=8, ha="right" if x > 0.5 else "left", va="bottom")
    _name_dots(axis, chart)
    if len(words) > 0:
        columns = min(4, len(words))
        figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=8)


def _name_dots(axis: Any, chart: Scatter, most: int = 6) -> None:
    """The heaviest points' names; one that would stand on another is left out."""
    taken: list[tuple[float, float]] = []
    for dot in sorted(chart.dots, key=lambda dot: -dot.weight)[: 3 * most]:
        free = all(abs(dot.x - x) > 0.2 or abs(dot.y - y) > 0.045 for x, y in taken)
        if free and len(taken) < most:
            taken.append((dot.x, dot.y))
            right = dot.x > 0.8
            axis.annotate(
                short(tail(dot.name), 28), (dot.x, dot.y), xytext=(-5 if right else 5, 5),
                textcoords="offset points", ha="right" if right else "left", va="center", fontsize=7,
            )  # fmt: skip
