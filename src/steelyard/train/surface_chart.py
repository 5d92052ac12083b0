"""`save_surfaces`: loss surfaces as contours and in three dimensions, several on one scale, as a picture or a page."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterator, Sequence
from math import log10
from pathlib import Path
from typing import Any

from steelyard._version import __version__
from steelyard.errors import UsageError
from steelyard.report.document import document
from steelyard.report.escape import html_text
from steelyard.report.figures import load, save_figure, short
from steelyard.report.files import write_file
from steelyard.report.htmlpage import frame
from steelyard.report.htmltables import table_html
from steelyard.report.pictures import PAGES, now
from steelyard.train.surface import LossSurface
from steelyard.train.surface_layout import sentences

_LEVELS = 24
_LEAST = 1e-4
"""Losses below are drawn as this: the scale is logarithmic."""


def save_surfaces(
    several: Sequence[LossSurface],
    path: str | os.PathLike[str],
    *,
    names: Sequence[str] = (),
    most: float | None = None,
) -> Path:
    """Draws surfaces side by side, all lines or all planes, on one logarithmic scale of the loss.

    Args:
        several: one or more.
        path: .html as a page, .svg, .png or .pdf as a picture; written completely or not at all.
        names: above each; its network if not given.
        most: losses above are drawn as this; None: the largest.

    Raises:
        UsageError: none, lines beside planes, or another suffix.
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    if not several or len({len(found.y) == 1 for found in several}) != 1:
        raise UsageError(
            f"{len(several)} surfaces to draw", expected="one or more, all lines or all planes"
        )
    labels = tuple(names) or tuple(found.network for found in several)
    title = f"Loss of {' and '.join(labels)}"
    if Path(os.fspath(path)).suffix.lower() in PAGES:
        return write_file(path, _page(several, labels, title, most))
    return save_figure(path, lambda figure: _draw(figure, several, labels, most), title=title)


def _draw(
    figure: Any, several: Sequence[LossSurface], names: Sequence[str], most: float | None
) -> None:
    if len(several[0].y) == 1:
        _lines(figure, several, names)
        return
    figure.set_size_inches(5.2 * len(several), 9)
    grids = [_logarithms(found, most) for found in several]
    numbers = [value for grid in grids for row in grid for value in row if value == value]
    low, high = min(numbers), max(numbers)
    high = high if high > low else low + 1
    levels = [low + (high - low) * i / _LEVELS for i in range(_LEVELS + 1)]
    last = None
    for i, (found, grid, name) in enumerate(zip(several, grids, names, strict=True)):
        flat = figure.add_subplot(2, len(several), i + 1)
        last = flat.contourf(found.x, found.y, grid, levels=levels, cmap="viridis", extend="max")
        flat.contour(
            found.x,
            found.y,
            grid,
            levels=levels,
            colors="white",
            linewidths=0.4,
            linestyles="solid",
        )
        if found.way:
            flat.plot(*zip(*found.way, strict=True), "o-", color="#b3261e", markersize=3)
        flat.set_title(short(name, 60), fontsize=10)
        flat.set_aspect("equal")
        _name_axes(flat, found)
        solid = figure.add_subplot(2, len(several), len(several) + i + 1, projection="3d")
        numpy = load("numpy")
        across, up = numpy.meshgrid(found.x, found.y)
        solid.plot_surface(
            across, up, numpy.array(grid), cmap="viridis", vmin=low, vmax=high, linewidth=0.1,
            rstride=1, cstride=1,
        )  # fmt: skip
        solid.set_zlim(low, high)
        for place_ticks in (solid.set_xticks, solid.set_yticks):
            place_ticks([found.x[0], (found.x[0] + found.x[-1]) / 2, found.x[-1]])
        ticks = _decades(low, high)
        solid.set_zticks(ticks, [f"{10**tick:g}" for tick in ticks])
        solid.set_zlabel("loss (nats)")
    ticks = _decades(low, high)
    bar = figure.colorbar(last, ax=figure.axes[::2], shrink=0.8, label="loss (nats), logarithmic")
    bar.set_ticks(ticks, labels=[f"{10**tick:g}" for tick in ticks])


def _lines(figure: Any, several: Sequence[LossSurface], names: Sequence[str]) -> None:
    figure.set_size_inches(7.5, 4.2)
    axis = figure.subplots()
    other = axis.twinx()
    for i, (found, name) in enumerate(zip(several, names, strict=True)):
        losses = [float("nan") if loss is None else max(loss, _LEAST) for loss in found.loss[0]]
        axis.plot(found.x, losses, color=f"C{i}", label=short(name, 40))
        other.plot(found.x, found.top1[0], color=f"C{i}", linestyle="--", linewidth=0.9)
    axis.set_yscale("log")
    axis.set_ylabel("loss (nats), logarithmic")
    other.set_ylabel("top-1 accuracy (%), dashed")
    other.set_ylim(0, 101)
    other.spines["right"].set_visible(True)
    axis.legend(frameon=False)
    _name_axes(axis, several[0])


def _name_axes(axis: Any, found: LossSurface) -> None:
    if found.kind == "between":
        axis.set_xlabel("0: the network, 1: the other one")
    elif found.kind == "way" and found.shares is not None:
        axis.set_xlabel(f"first principal component ({found.shares[0]:.0%})")
        axis.set_ylabel(f"second ({found.shares[1]:.0%})")
    else:
        axis.set_xlabel("first random direction")
        if found.kind == "plane":
            axis.set_ylabel("second")


def _logarithms(found: LossSurface, most: float | None) -> list[list[float]]:
    def one(loss: float | None) -> float:
        if loss is None:
            return float("nan") if most is None else log10(most)
        return log10(max(_LEAST, loss if most is None else min(loss, most)))

    return [[one(loss) for loss in row] for row in found.loss]


def _decades(low: float, high: float) -> list[float]:
    whole = [float(n) for n in range(-6, 12) if low <= n <= high]
    return whole if len(whole) >= 2 else [low, (low + high) / 2, high]


def _page(
    several: Sequence[LossSurface], names: Sequence[str], title: str, most: float | None
) -> str:
    with tempfile.TemporaryDirectory(prefix="steelyard-") as folder:
        file = Path(folder, "surface.png")
        save_figure(file, lambda figure: _draw(figure, several, names, most))
        picture = base64.b64encode(file.read_bytes()).decode()

    def body() -> Iterator[str]:
        yield f'<p><img alt="{html_text(title)}" style="max-width:100%;background:#fff" '
        yield f'src="data:image/png;base64,{picture}"></p>'
        for found, name in zip(several, names, strict=True):
            yield f"<h2>{html_text(name)}</h2>"
            for line in sentences(found):
                yield f"<p>{html_text(line)}</p>"
            yield table_html(document(found).tables[0])

    return frame(
        body(),
        title=title,
        created=now(),
        units="Losses are in nats, on a logarithmic scale.",
        provenance=[("steelyard", __version__)],
    )
