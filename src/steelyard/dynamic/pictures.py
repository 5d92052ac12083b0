"""Pictures of dynamic networks: accuracy against cost, exits by class, the easiest and the hardest images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.dynamic.curves import Curve
from steelyard.dynamic.exit_outputs import Floats, Ints
from steelyard.errors import ShapeError
from steelyard.report.figures import load, save_figure, short
from steelyard.units import format_si

__all__ = [
    "Static",
    "easiest_and_hardest",
    "exit_bars",
    "save_accuracy",
    "save_examples",
    "save_exits",
]

_GREY, _INK = "#d5dbe1", "#1d232b"
_LINES = ("#1f6fb4", "#b3261e", "#2e8540", "#8a4fb0", "#b8860b", "#0f8b8d", "#6b7280")

_NAME_WIDTH, _NAME_HEIGHT = 0.18, 0.03
"""Of a network's name in a picture, as shares of its width and height."""


@dataclass(frozen=True, slots=True)
class Static:
    """A network that spends the same on every image.

    Attributes:
        name: beside its point.
        cost: of an image.
        accuracy: 0 to 1.
    """

    name: str
    cost: float
    accuracy: float


def save_accuracy(
    curves: Sequence[Curve],
    path: str | os.PathLike[str],
    *,
    statics: Sequence[Static] = (),
    title: str = "",
) -> Path:
    """Accuracy against cost: curves as lines (steps where they are), other networks as points.

    Args:
        curves: of one unit.
        path: where to; .png, .svg or .pdf.
        statics: networks to compare with.
        title: above.

    Raises:
        UsageError: another format.
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    return save_figure(path, lambda figure: _accuracy(figure, curves, statics, title), title=title)


def save_exits(
    exits: Ints,
    labels: Ints,
    classes: Sequence[str],
    path: str | os.PathLike[str],
    *,
    number: int,
    title: str = "",
) -> Path:
    """Where the images of each class leave, as shares; the class that goes on for longest at the bottom.

    Args:
        exits: of each image, from 0, (N,).
        labels: (N,).
        classes: names.
        path: where to; .png, .svg or .pdf.
        number: of exits.
        title: above.

    Raises:
        UsageError: another format.
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    return save_figure(
        path, lambda figure: _exits(figure, exits, labels, classes, number, title), title=title
    )


def save_examples(
    images: NDArray[np.uint8],
    labels: Ints,
    exits: Ints,
    scores: Floats,
    predictions: Ints,
    classes: Sequence[str],
    path: str | os.PathLike[str],
    *,
    each: int = 5,
    title: str = "",
) -> Path:
    """A row a class: its easiest images on the left, its hardest on the right, each with its exit, mistakes in red.

    Args:
        images: (N, H, W) or (N, H, W, 3), 0 to 255.
        labels: (N,).
        exits: where each left, from 0, (N,).
        scores: of the policy at that exit, (N,).
        predictions: (N,).
        classes: names.
        path: where to; .png, .svg or .pdf.
        each: images at either side.
        title: above.

    Raises:
        ShapeError: arrays of different lengths.
        UsageError: another format.
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    lengths = {len(images), len(labels), len(exits), len(scores), len(predictions)}
    if len(lengths) != 1:
        raise ShapeError(
            f"arrays of lengths {sorted(lengths)}", expected="one entry for each image"
        )

    def draw(figure: Any) -> None:
        rows = len(classes)
        figure.set_size_inches(1.6 + 1.0 * 2 * each, 0.4 + 1.12 * rows)
        figure.suptitle(short(title, 110), fontsize=11)
        axes = figure.subplots(rows, 2 * each, squeeze=False)
        for row, name in enumerate(classes):
            easy, hard = easiest_and_hardest(exits, scores, labels == row, each)
            axes[row, 0].text(
                -0.15, 0.5, short(name, 14), transform=axes[row, 0].transAxes, ha="right", va="center"
            )  # fmt: skip
            for side, chosen in ((0, easy), (each, hard)):
                for i in range(each):
                    axis = axes[row, side + i]
                    axis.axis("off")
                    if i < len(chosen):
                        at = int(chosen[i])
                        axis.imshow(images[at], cmap="gray", vmin=0, vmax=255)
                        wrong = predictions[at] != labels[at]
                        taken = f": {short(classes[predictions[at]], 11)}" if wrong else ""
                        colour = "#b3261e" if wrong else _INK
                        axis.set_title(f"{exits[at] + 1}{taken}", fontsize=7, color=colour, pad=2)

    return save_figure(path, draw, title=title)


def easiest_and_hardest(
    exits: Ints, scores: Floats, chosen: NDArray[np.bool_], number: int
) -> tuple[Ints, Ints]:
    """Numbers of images: earliest exit and highest score first; latest exit and lowest score first.

    Args:
        exits: where each left, (N,).
        scores: of the policy there, (N,).
        chosen: which images, (N,).
        number: of either; no image is in both.
    """
    places = np.flatnonzero(chosen)
    order = places[np.lexsort((-scores[places], exits[places]))]
    half = min(number, len(order) // 2)
    return order[: max(half, min(number, len(order) - half))], order[::-1][:half]


def _accuracy(figure: Any, curves: Sequence[Curve], statics: Sequence[Static], title: str) -> None:
    figure.set_size_inches(8, 5)
    axis = figure.subplots()
    axis.set_title(short(title, 100), loc="left", fontsize=10)
    for i, curve in enumerate(curves):
        across = [point.cost for point in curve.points]
        up = [100 * point.accuracy for point in curve.points]
        style = "steps-post" if curve.steps else "default"
        dashes = "--" if curve.steps else "-"
        axis.plot(
            across, up, drawstyle=style, linestyle=dashes, color=_LINES[i % len(_LINES)],
            linewidth=1.4, marker="." if curve.steps else None, label=curve.name,
        )  # fmt: skip
    for one in statics:
        axis.plot([one.cost], [100 * one.accuracy], "s", color=_INK, markersize=4)
    for one in statics:
        crowded = any(_hides(one, other, axis) for other in statics if other is not one)
        axis.annotate(
            short(one.name, 30), (one.cost, 100 * one.accuracy), xytext=(0, 5) if crowded else (5, -3),
            textcoords="offset points", fontsize=7, horizontalalignment="center" if crowded else "left",
        )  # fmt: skip
    unit = curves[0].unit if curves else ""
    axis.set_xlabel(f"mean cost of an image ({unit})")
    axis.set_ylabel("top-1 (%)")
    axis.xaxis.set_major_formatter(
        load("matplotlib.ticker").FuncFormatter(lambda x, _: format_si(x))
    )
    axis.grid(color=_GREY, linewidth=0.6)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)


def _hides(one: Static, other: Static, axis: Any) -> bool:
    """Whether a name written to the right of a point runs into another point or its name."""
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    across = (other.cost - one.cost) / (right - left)
    up = 100 * abs(other.accuracy - one.accuracy) / (high - low)
    return bool(0 <= across < _NAME_WIDTH and up < _NAME_HEIGHT)


def _exits(
    figure: Any, exits: Ints, labels: Ints, classes: Sequence[str], number: int, title: str
) -> None:
    counts = np.zeros((len(classes), number), dtype=np.int64)
    np.add.at(counts, (labels, exits), 1)
    figure.set_size_inches(8, 1.2 + 0.3 * len(classes))
    axis = figure.subplots()
    axis.set_title(short(title, 100), loc="left", fontsize=10)
    exit_bars(axis, counts, classes)


def exit_bars(axis: Any, counts: Ints, classes: Sequence[str]) -> None:
    """A bar for each class with its shares by exit; the class that goes on for longest at the bottom.

    Args:
        axis: of a matplotlib figure.
        counts: images of each class that leave at each exit, (classes, exits).
        classes: names.
    """
    number = counts.shape[1]
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    order = np.argsort(-(shares @ np.arange(number)), kind="stable")
    shades = load("matplotlib").colormaps["Blues"](np.linspace(0.25, 1, number))
    left = np.zeros(len(classes))
    for at in range(number):
        axis.barh(range(len(classes)), shares[order, at], left=left, color=shades[at], label=f"exit {at + 1}")  # fmt: skip
        left += shares[order, at]
    axis.set_yticks(range(len(classes)), [short(classes[i], 20) for i in order])
    axis.set_xlim(0, 100)
    axis.set_xlabel("images that leave there (%)")
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
