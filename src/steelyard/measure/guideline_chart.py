"""`save_trials`: the guideline experiments as bars of relative speed, this machine above the paper's two."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from steelyard.measure.guideline_designs import CLAIMS
from steelyard.measure.guideline_layout import sentences
from steelyard.measure.guideline_trials import GuidelineTrials, TrialRow
from steelyard.report.document import document
from steelyard.report.escape import html_text
from steelyard.report.files import write_file
from steelyard.report.htmlpage import frame
from steelyard.report.htmltables import table_html
from steelyard.report.pictures import PAGES, now
from steelyard.report.plotdata import Band, Panel, linear_ticks
from steelyard.report.plotfiles import save_panels
from steelyard.report.plots import panels_data, panels_html
from steelyard.report.svg import nice_ceiling

_COLOURS = {"G1": "lv0", "G2": "lv1", "G3": "lv4", "G4": "links0"}
_BELOW = "networks: the first of each experiment keeps to the guideline and has speed 1"


def save_trials(found: GuidelineTrials, path: str | os.PathLike[str]) -> Path:
    """Writes the chart: .html as a page with the table, .svg, .png or .pdf as a picture.

    Args:
        found: the experiments.
        path: where to; written completely or not at all.

    Raises:
        UsageError: another suffix.
        InputError: ``path`` cannot be written.
        MissingExtraError: a picture, and matplotlib is not installed.
    """
    title = document(found).title
    panels, names = trial_panels(found)
    if Path(os.fspath(path)).suffix.lower() in PAGES:
        return write_file(path, _page(found, panels, names, title))
    return save_panels(panels, names, path, title=title, below=_BELOW)


def trial_panels(found: GuidelineTrials) -> tuple[tuple[Panel, ...], tuple[str, ...]]:
    """Relative speed here, on the paper's ARM and on its GPU, in one scale; and the names of the bars."""
    top = nice_ceiling(max(max(row.relative, row.arm, row.gpu) for row in found.rows))
    several: tuple[tuple[str, str, Callable[[TrialRow], float]], ...] = (
        ("This machine", found.environment.get("processor", ""), lambda row: row.relative),
        ("ARM 2018", "Snapdragon 810, 1 thread, Ma et al. 2018", lambda row: row.arm),
        ("GPU 2018", "GTX 1080 Ti, batch 8, Ma et al. 2018", lambda row: row.gpu),
    )
    panels = tuple(_panel(found.rows, title, note, speed, top) for title, note, speed in several)
    tips = tuple(
        f"{tip} ({row.interval[0]:.2f} to {row.interval[1]:.2f})" if row.relative != 1 else tip
        for tip, row in zip(panels[0].tips, found.rows, strict=True)
    )
    panels = (replace(panels[0], tips=tips), *panels[1:])
    return panels, tuple(row.row for row in found.rows)  # colours tell the guidelines apart


def _panel(
    rows: Sequence[TrialRow], title: str, note: str, speed: Callable[[TrialRow], float], top: float
) -> Panel:
    bands = []
    for guideline, claim in CLAIMS.items():
        values = tuple(speed(row) if row.guideline == guideline else 0.0 for row in rows)
        if any(values):
            spans = tuple((0.0, value / top) for value in values)
            bands.append(Band(f"{guideline}: {claim}", _COLOURS[guideline], spans, values))
    tips = tuple(f"{speed(row):.2f} of the speed of the first" for row in rows)
    ticks = linear_ticks(top, lambda value: f"{value:.2g}")
    return Panel(f"{title}: relative speed", "", note, ticks, tuple(bands), tips)


def _page(found: GuidelineTrials, panels: Sequence[Panel], names: Sequence[str], title: str) -> str:
    plots: dict[str, Any] = {"trials": panels_data(panels, names)}
    said = document(found)

    def body() -> Iterator[str]:
        for line in (*said.lead, *sentences(found)):
            yield f"<p>{html_text(line)}</p>"
        for line in said.warnings:
            yield f'<p class="soft">Warning: {html_text(line)}.</p>'
        yield panels_html(panels, names, key="trials", title="Relative speed", what="network")
        yield f'<p class="soft">{html_text(_BELOW[0].upper() + _BELOW[1:])}. {html_text(said.notes[-1])}</p>'
        yield table_html(said.tables[0], sortable=True)

    return frame(
        body(),
        title=title,
        created=now(),
        units="Speeds are relative.",
        links=(),
        provenance=sorted(found.environment.items()),
        data={"networks": [], "plots": plots},
    )
