"""Charts as PNG, SVG or PDF files through matplotlib (extra ``plots``): bars by layer, module treemap, memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from steelyard.cost import CostReport
from steelyard.errors import UsageError
from steelyard.report.chartdata import METRICS, Metric, ModuleNode, layer_bars, metric, module_tree
from steelyard.report.describe import FAMILIES
from steelyard.report.figures import load, save_figure, short
from steelyard.report.svg import show
from steelyard.units import format_bytes
from steelyard.workload import Workload

ChartKind = Literal["bars", "treemap", "timeline"]

COLOURS: dict[str, str] = {
    "conv": "#2560a3",
    "conv1x1": "#5b9bd9",
    "convdw": "#17807e",
    "linear": "#d9822b",
    "matmul": "#8a56ac",
    "norm": "#7a9a3a",
    "pointwise": "#b3a125",
    "pool": "#8c7a6b",
    "move": "#9aa5b1",
    "unknown": "#c62828",
}
"""Colour of each family of layers, as in the HTML report."""

_MOST_LABELS = 60
_HEADER = 0.036


def save_chart(
    result: CostReport | Workload,
    path: str | os.PathLike[str],
    *,
    kind: ChartKind = "bars",
    by: Metric = "macs",
) -> Path:
    """Draws ``result`` into a file; the suffix (.png, .svg, .pdf) names the format.

    Args:
        result: a cost report or a workload.
        path: where to; written completely or not at all.
        kind: ``bars``: memory, parameters and MACs per layer (as in the classic figure of AlexNet);
            ``treemap``: modules as areas; ``timeline``: live activation memory over the layers.
        by: what the treemap's area shows: ``macs``, ``params`` or ``memory``.

    Raises:
        UsageError: another format, kind, metric or result.
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib, or squarify for the treemap, is not installed.
    """
    report = CostReport(result) if isinstance(result, Workload) else result
    if not isinstance(report, CostReport):
        raise UsageError(
            f"there is no chart of a {type(result).__name__}", expected="a CostReport or a Workload"
        )
    drawers: dict[str, Callable[[Any, CostReport], None]] = {
        "bars": _draw_bars,
        "treemap": lambda figure, report: _draw_treemap(figure, report, by),
        "timeline": _draw_timeline,
    }
    if kind not in drawers or by not in METRICS:
        raise UsageError(
            f"no chart of kind {kind!r} by {by!r}",
            expected=f"kind: {', '.join(drawers)}; by: {', '.join(METRICS)}",
        )
    return save_figure(path, lambda figure: drawers[kind](figure, report))


def _heading(report: CostReport) -> str:
    total = report.total
    numbers = ", ".join(f"{show(metric(total, m), m)} {METRICS[m][0]}" for m in METRICS)
    return f"{short(report.workload.name, 60)}: {numbers}"


# ---- bars ----------------------------------------------------------------------------------


def _draw_bars(figure: Any, report: CostReport) -> None:
    """Three axes under one another, one bar a layer, names below the last."""
    bars = layer_bars(report)
    figure.set_size_inches(max(7.0, min(18.0, 2.5 + 0.17 * len(bars))), 7.5)
    figure.suptitle(_heading(report), fontsize=11)
    axes = figure.subplots(3, 1, sharex=True)
    colours = [COLOURS[bar.family] for bar in bars]
    for axis, which in zip(axes, METRICS, strict=True):
        title, _ = METRICS[which]
        axis.bar(range(len(bars)), [metric(bar.cost, which) for bar in bars], color=colours)
        axis.set_ylabel(title + (" (B)" if which == "memory" else ""))
        _si_axis(axis, which)
        axis.grid(axis="y", color="#d5dbe1", linewidth=0.6)
        axis.margins(x=0.01)
    every = max(1, -(-len(bars) // _MOST_LABELS))
    ticks = range(0, len(bars), every)
    axes[-1].set_xticks(list(ticks), [short(bars[i].name, 28) for i in ticks], rotation=90)
    axes[-1].tick_params(axis="x", labelsize=7)
    step = f", one in {every} named" if every > 1 else ""
    axes[-1].set_xlabel(f"layers with MACs in order of execution ({len(bars)}{step})")
    _legend(figure, [bar.family for bar in bars])


def _si_axis(axis: Any, which: Metric) -> None:
    axis.yaxis.set_major_formatter(lambda value, _: show(value, which) if value >= 0 else "")


def _legend(figure: Any, families: Sequence[str]) -> None:
    patch = load("matplotlib.patches").Patch
    present = [key for key in FAMILIES if key in families]
    handles = [patch(color=COLOURS[key], label=FAMILIES[key]) for key in present]
    if handles:
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=min(4, len(handles)),
            frameon=False,
            fontsize=8,
        )


# ---- timeline ------------------------------------------------------------------------------


def _draw_timeline(figure: Any, report: CostReport) -> None:
    """Live bytes as steps; the peak marked and named."""
    memory = report.memory
    figure.set_size_inches(9, 4)
    axis = figure.subplots()
    live = [*memory.timeline, *memory.timeline[-1:]]
    axis.fill_between(range(len(live)), live, step="post", color="#2f6db5", alpha=0.6, linewidth=0)
    if memory.timeline:
        at = memory.timeline.index(memory.peak_bytes) + 0.5
        axis.axvline(at, color="#b3261e", linestyle="--", linewidth=1)
        side = "right" if at > len(live) / 2 else "left"
        text = f" peak {format_bytes(memory.peak_bytes)} at {short(memory.at_layer, 40)} "
        axis.annotate(
            text, (at, memory.peak_bytes), color="#b3261e", ha=side, va="bottom", fontsize=8
        )
    axis.set_ylim(0, max(1.0, 1.12 * memory.peak_bytes))
    axis.set_xlim(0, max(1, len(memory.timeline)))
    axis.set_title(f"{short(report.workload.name, 60)}: activation memory while each layer runs")
    axis.set_xlabel("layer, in order of execution")
    axis.set_ylabel("live activation memory (B)")
    _si_axis(axis, "memory")
    axis.grid(axis="y", color="#d5dbe1", linewidth=0.6)


# ---- treemap -------------------------------------------------------------------------------


def _draw_treemap(figure: Any, report: CostReport, by: Metric) -> None:
    """Nested areas; layers coloured by family, modules outlined and named."""
    figure.set_size_inches(11, 7)
    axis = figure.subplots()
    axis.set_axis_off()
    axis.set_xlim(0, 1.6)
    axis.set_ylim(1, 0)
    title, _ = METRICS[by]
    total = show(metric(report.total, by), by)
    axis.set_title(f"{short(report.workload.name, 60)}: {total} {title} by module")
    root = module_tree(report)
    _draw_node(axis, root, by, (0.0, 0.0, 1.6, 1.0))
    shown = [leaf.bar.family for leaf in root.leaves() if leaf.bar and metric(leaf.cost, by)]
    _legend(figure, shown)


def _draw_node(axis: Any, node: ModuleNode, by: Metric, box: tuple[float, ...]) -> None:
    squarify = load("squarify")
    rectangle = load("matplotlib.patches").Rectangle
    left, top, width, height = box
    children = [_only(child, by) for child in _visible(node, by)]
    children.sort(key=lambda child: -metric(child.cost, by))
    if not children or width < 1e-3 or height < 1e-3:
        return
    sizes = squarify.normalize_sizes([metric(c.cost, by) for c in children], width, height)
    for child, place in zip(
        children, squarify.squarify(sizes, left, top, width, height), strict=True
    ):
        x, y, w, h = place["x"], place["y"], place["dx"], place["dy"]
        leaf = child.bar is not None
        face = COLOURS[child.bar.family] if child.bar is not None else "#f5f7f9"
        edge, line = ("white", 0.4) if leaf else ("#59636f", 0.6)
        axis.add_patch(rectangle((x, y), w, h, facecolor=face, edgecolor=edge, linewidth=line))
        roomy = h > 2.5 * _HEADER and w > 0.08
        if leaf or roomy:
            _write_label(axis, child.name, (x, y, w, h), "white" if leaf else "#1d232b")
        if not leaf:
            head = _HEADER if roomy else 0.004
            _draw_node(axis, child, by, (x + 0.004, y + head, w - 0.008, h - head - 0.006))


def _visible(node: ModuleNode, by: Metric) -> list[ModuleNode]:
    return [child for child in node.children if metric(child.cost, by) > 0]


def _only(node: ModuleNode, by: Metric) -> ModuleNode:
    """A module with one visible child is drawn as that child, under both names."""
    name = node.name
    while len(seen := _visible(node, by)) == 1:
        node = seen[0]
        name = f"{name}.{node.name}"
    return replace(node, name=name)


def _write_label(axis: Any, name: str, box: tuple[float, ...], colour: str) -> None:
    """The name in the upper left corner, cut to what fits; nothing where little would."""
    x, y, width, height = box
    fits = int((width - 0.012) / 0.0125)
    if fits >= 3 and height > 0.035:
        axis.text(x + 0.006, y + 0.008, short(name, fits), color=colour, fontsize=7, va="top")
