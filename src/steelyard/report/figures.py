"""What all charts in files share: matplotlib where it is installed, its settings, and the file that is written."""

from __future__ import annotations

import importlib
import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steelyard.errors import MissingExtraError, UsageError
from steelyard.report.escape import printable
from steelyard.report.files import write_file

FORMATS = (".png", ".svg", ".pdf")

_RC = {
    "text.parse_math": False,  # names with a dollar sign are names
    "svg.hashsalt": "steelyard",
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}


def is_chart(path: str | os.PathLike[str] | None) -> bool:
    """Whether the suffix asks for a picture."""
    return path is not None and Path(os.fspath(path)).suffix.lower() in FORMATS


def save_figure(
    path: str | os.PathLike[str], draw: Callable[[Any], None], *, title: str = ""
) -> Path:
    """A file with what ``draw`` makes of an empty figure; the suffix names the format.

    Args:
        path: where to; written completely or not at all.
        draw: called with a matplotlib figure.
        title: for whoever cannot see the picture, in formats that have a place for it.

    Raises:
        UsageError: another format.
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    suffix = Path(os.fspath(path)).suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(
            f"cannot save a chart as {os.fspath(path)!r}",
            expected="a name that ends in " + ", ".join(FORMATS),
        )
    matplotlib = load("matplotlib")
    figures = load("matplotlib.figure")
    out = io.BytesIO()
    with matplotlib.rc_context(_RC), warnings.catch_warnings():
        # characters that the font lacks are drawn as boxes
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = figures.Figure(layout="constrained")
        draw(figure)
        extra: dict[str, str | None] = {"Title": printable(title)} if title else {}
        if suffix == ".svg":
            extra["Date"] = None
        figure.savefig(out, format=suffix[1:], dpi=150, metadata=extra)
    return write_file(path, out.getvalue())


def load(name: str) -> Any:
    """A module of the extra ``plots``.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise MissingExtraError("drawing a chart", extra="plots", package=package) from error


def short(text: str, longest: int) -> str:
    """``text`` made printable and cut in its middle."""
    text = printable(text)
    return text if len(text) <= longest else f"{text[: longest // 2]}…{text[-longest // 2 :]}"
