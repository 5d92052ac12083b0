"""Estimates, rooflines and sweeps as files: one HTML page, or their charts as PNG, SVG or PDF."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from steelyard._version import __version__
from steelyard.errors import UsageError
from steelyard.hardware.device import Accelerator, Roofline
from steelyard.hardware.estimate import Estimate
from steelyard.hardware.explore import Exploration
from steelyard.report.document import document
from steelyard.report.escape import html_text, printable
from steelyard.report.figures import FORMATS
from steelyard.report.files import write_file
from steelyard.report.htmldevices import devices_page
from steelyard.report.htmlpage import frame
from steelyard.report.htmltables import table_html
from steelyard.report.placed import Placed, place
from steelyard.report.plotfiles import save_layers, save_scatter
from steelyard.report.plots import scatter_data, scatter_html
from steelyard.report.roofplot import roofline_chart
from steelyard.report.sweepplot import energy_latency, energy_memory
from steelyard.workload import Workload

PAGES = (".html", ".htm")
SUFFIXES = (*PAGES, *FORMATS)
"""Names that end so hold pictures and not tables."""


def save_estimates(
    load: Workload, estimates: Sequence[Estimate], path: str | os.PathLike[str]
) -> Path:
    """One network on one or several accelerators; .html: a page, else bars over its layers.

    Args:
        load: the network, of the estimates' batch.
        estimates: of it.
        path: where to; written completely or not at all.

    Raises:
        UsageError: another suffix.
        InputError: ``path`` cannot be written.
        MissingExtraError: a chart, and matplotlib is not installed.
    """
    several = [place(load, found.device, found) for found in estimates]
    return _save(load, several, path, None)


def save_roofline(
    load: Workload,
    device: Accelerator | Roofline,
    path: str | os.PathLike[str],
    *,
    dataflow: str | None = None,
) -> Path:
    """The roofline of a network on a device, with the seven bounds of an accelerator.

    Args:
        load: the network.
        device: where it runs.
        path: where to; written completely or not at all.
        dataflow: of the bounds; the device's own if not given, "" for any.

    Raises:
        UsageError: another suffix, or no peak for the network's data type.
        InputError: ``path`` cannot be written.
        MissingExtraError: a chart, and matplotlib is not installed.
    """
    placed = place(load, device, dataflow=dataflow)
    return _save(load, [placed], path, f"{load.name} under the roofline of {device.name}")


def save_exploration(found: Exploration, path: str | os.PathLike[str]) -> Path:
    """A sweep; .html: its fronts and its table, else energy against latency.

    Args:
        found: the sweep.
        path: where to; written completely or not at all.

    Raises:
        UsageError: another suffix.
        InputError: ``path`` cannot be written.
        MissingExtraError: a chart, and matplotlib is not installed.
    """
    title = f"{found.workload} on variants of {found.device}"
    if _suffix(path) in PAGES:
        return write_file(path, _exploration_page(found, title))
    return save_scatter(energy_latency(found), path, title=title)


def _save(
    load: Workload,
    several: Sequence[Placed],
    path: str | os.PathLike[str],
    roof_title: str | None,
) -> Path:
    names = ", ".join(placed.device.name for placed in several)
    title = roof_title or f"{load.name} on {names}"
    if _suffix(path) in PAGES:
        origin = f"captured from {load.source}; content SHA-256 {load.digest[:16]}…"
        facts = [*_versions(), (load.name, origin), *device_facts(several)]
        return write_file(
            path, devices_page(several, title=printable(title), created=now(), provenance=facts)
        )
    if roof_title is not None:
        return save_scatter(roofline_chart(several[0]), path, title=title)
    return save_layers(several, path)


def _suffix(path: str | os.PathLike[str]) -> str:
    suffix = Path(os.fspath(path)).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            f"cannot save a page or a chart as {os.fspath(path)!r}",
            expected="a name that ends in " + ", ".join(SUFFIXES),
        )
    return suffix


def now() -> str:
    """The time as pages print it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def device_facts(several: Sequence[Placed]) -> list[tuple[str, str]]:
    """(device, title) of each, for the foot of a page."""
    found = {placed.device.name: placed.device.title for placed in several}
    return [
        (name, f"{title}; steelyard devices {name} shows the source of each number")
        for name, title in found.items()
    ]


def _versions() -> list[tuple[str, str]]:
    return [
        ("steelyard", __version__),
        ("made", now()),
        ("Python", f"{platform.python_version()} on {platform.system()}"),
    ]


def _exploration_page(found: Exploration, title: str) -> str:
    plots: dict[str, Any] = {}

    def body() -> Iterator[str]:
        said = document(found)
        for line in (*said.lead, *said.notes):
            yield f"<p>{html_text(line)}</p>"
        for key, chart in (("latency", energy_latency(found)), ("memory", energy_memory(found))):
            if chart.dots:
                plots[key] = scatter_data(chart)
                yield scatter_html(chart, key=key)
        yield table_html(replace(said.tables[0], title="All variants"), sortable=True)

    return frame(
        body(),
        title=printable(title),
        created=now(),
        units="1 MB is 10<sup>6</sup> bytes.",
        links=(),
        provenance=_versions(),
        data={"networks": [], "plots": plots},
    )
