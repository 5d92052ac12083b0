"""`save_evaluation`: an evaluation as a page or a picture: confusion matrix and reliability diagram."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from steelyard.report.document import document
from steelyard.report.escape import html_text
from steelyard.report.figures import load, save_figure, short
from steelyard.report.files import write_file
from steelyard.report.htmltables import table_html
from steelyard.report.pictures import PAGES
from steelyard.report.resultpage import result_page
from steelyard.train.calibration import Calibration
from steelyard.train.evaluation import Evaluation, OutputScore
from steelyard.train.evaluation_layout import classes_table

_SHADES = 12
_MOST_NAMES = 60
_COUNTS_TO = 15
"""More classes have cells too small for a number."""


def save_evaluation(found: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Writes .html as a page with all tables, .svg, .png or .pdf as a picture of the main output.

    Args:
        found: the evaluation.
        path: where to; written completely or not at all.

    Raises:
        UsageError: another suffix.
        InputError: ``path`` cannot be written.
        MissingExtraError: a picture, and matplotlib is not installed.
    """
    title = document(found).title
    if Path(os.fspath(path)).suffix.lower() in PAGES:
        return write_file(path, _page(found))
    return save_figure(path, lambda figure: _draw(figure, found, title), title=title)


# ---- the page ------------------------------------------------------------------------------


def _page(found: Evaluation) -> str:
    said = document(found)

    def body() -> Iterator[str]:
        yield table_html(said.tables[0])
        for output in found.outputs:
            yield from _output(output)

    facts = [
        *found.about.facts(),
        ("samples", f"{found.samples:,}"),
        ("precision", found.about.precision),
    ]
    units = "Accuracies in percent; errors are 100 % less the accuracy."
    return result_page(said, body(), units=units, facts=facts)


def _output(output: OutputScore) -> Iterator[str]:
    name = f" of {output.name}" if output.name else ""
    yield f"<h2>Confusion{html_text(name)}</h2>"
    yield '<p class="note">Rows are the true classes, columns what they were taken for; the darker, '
    yield "the larger the share of the row.</p>"
    yield _confusion_svg(output)
    confused = output.confused()
    if confused:
        items = "".join(
            f"<li>{html_text(true)} taken for {html_text(taken)}: {count:,}</li>"
            for true, taken, count in confused
        )
        yield f"<h3>Most frequent mistakes</h3><ul>{items}</ul>"
    yield f"<h2>Calibration{html_text(name)}</h2>"
    fit = output.calibration
    yield f"<p>Expected error {fit.expected_error:.2%}, largest {fit.maximum_error:.2%}, in bins of equal "
    yield f"size {fit.adaptive_error:.2%}. The darker a bar, the more samples it stands for.</p>"
    yield _reliability_svg(fit)
    yield f"<h2>Classes{html_text(name)}</h2>"
    yield table_html(classes_table(output), sortable=True)


def _confusion_svg(output: OutputScore) -> str:
    """One path for each shade, so that a thousand classes are small, too."""
    number = len(output.classes)
    shades: dict[int, list[str]] = defaultdict(list)
    tips: list[str] = []
    samples = [max(1, one.samples) for one in output.per_class]
    for true, taken, count in output.to_dict()["confusion"]:
        share = count / samples[true]
        shades[max(1, round(share * _SHADES))].append(f"M{taken} {true}h1v1h-1z")
        if number <= _COUNTS_TO:
            ink = "var(--paper)" if share > 0.5 else "var(--ink)"
            tips.append(
                f'<text x="{taken + 0.5}" y="{true + 0.62}" font-size=".3" text-anchor="middle" '
                f'style="fill:{ink}">{count}</text>'
            )
    paths = "".join(
        f'<path d="{"".join(cells)}" style="fill:var(--accent);fill-opacity:{shade / _SHADES:.3f}"/>'
        for shade, cells in sorted(shades.items())
    )
    names, margin = "", 0.02 * number
    if number <= _MOST_NAMES:
        size = 0.34 if number <= _COUNTS_TO else 0.7
        longest = 16
        margin = size * 0.62 * min(longest, max(map(len, output.classes)))
        names = "".join(
            f'<text x="-.15" y="{i + 0.5 + size / 3:.2f}" font-size="{size}" text-anchor="end">{label}</text>'
            f'<text transform="translate({i + 0.5 + size / 3:.2f} {number + 0.15}) rotate(-90)" '
            f'font-size="{size}" text-anchor="end">{label}</text>'
            for i, label in enumerate(html_text(short(name, longest)) for name in output.classes)
        )
    extent = number + margin + 0.3
    return (
        f'<svg viewBox="{-margin - 0.2:.2f} -.1 {extent:.2f} {extent:.2f}" role="img" '
        f'aria-label="confusion matrix of {number} classes" '
        'style="max-width:44rem;width:100%;fill:var(--ink)">'
        f'<rect width="{number}" height="{number}" style="fill:var(--panel);stroke:var(--line);'
        f'stroke-width:{number / 400}"/>{paths}{"".join(tips)}{names}</svg>'
    )


def _reliability_svg(fit: Calibration) -> str:
    """Accuracy over confidence; the darker a bar, the more samples it stands for."""
    most = max(one.samples for one in fit.bins)
    bars = "".join(
        f'<rect x="{one.low:.4f}" y="{1 - one.accuracy:.4f}" width="{one.high - one.low:.4f}" '
        f'height="{one.accuracy:.4f}" style="fill:var(--accent);fill-opacity:{0.25 + 0.75 * one.samples / most:.3f}">'
        f"<title>{one.samples:,} samples: accuracy {one.accuracy:.1%}, confidence {one.confidence:.1%}</title></rect>"
        for one in fit.bins
        if one.samples
    )
    ticks = "".join(
        f'<text x="-.02" y="{1 - t:.2f}" font-size=".04" text-anchor="end">{t:.1f}</text>'
        f'<text x="{t:.2f}" y="1.06" font-size=".04" text-anchor="middle">{t:.1f}</text>'
        for t in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    )
    return (
        '<svg viewBox="-.14 -.05 1.2 1.22" role="img" aria-label="accuracy over confidence" '
        'style="max-width:26rem;width:100%;fill:var(--ink)"><rect width="1" height="1" '
        f'style="fill:var(--panel)"/>{bars}<path d="M0 1L1 0" style="stroke:var(--peak);stroke-width:.005;'
        f'stroke-dasharray:.02"/>{ticks}<text x=".5" y="1.14" font-size=".045" text-anchor="middle">confidence'
        '</text><text transform="translate(-.1 .5) rotate(-90)" font-size=".045" text-anchor="middle">accuracy'
        "</text></svg>"
    )


# ---- the picture ---------------------------------------------------------------------------


def _draw(figure: Any, found: Evaluation, title: str) -> None:
    output, ticker = found.output, load("matplotlib.ticker")
    figure.set_size_inches(12, 6)
    figure.suptitle(short(title, 110), fontsize=11)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    counts = output.confusion.double()
    shares = (counts / counts.sum(1, keepdim=True).clamp_min(1)).numpy()
    left.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    left.set_xlabel("taken for")
    left.set_ylabel("class")
    number = len(output.classes)
    if number <= _MOST_NAMES:
        names = [short(name, 16) for name in output.classes]
        left.set_xticks(range(number), names, rotation=90, fontsize=7)
        left.set_yticks(range(number), names, fontsize=7)
    if number <= _COUNTS_TO:
        for true, taken in counts.nonzero().tolist():
            colour = "white" if shares[true, taken] > 0.5 else "#1d232b"
            text = f"{int(counts[true, taken])}"
            left.text(taken, true, text, ha="center", va="center", color=colour, fontsize=7)
    fit = output.calibration
    most = max(one.samples for one in fit.bins)
    for one in fit.bins:
        right.bar(
            one.low, one.accuracy, one.high - one.low, align="edge", color="#2560a3",
            alpha=0.25 + 0.75 * one.samples / most, edgecolor="white",
        )  # fmt: skip
    right.plot([0, 1], [0, 1], color="#b3261e", linestyle="--", linewidth=1)
    right.set_xlabel("confidence")
    right.set_ylabel("accuracy")
    right.set_xlim(0, 1)
    right.set_ylim(0, 1)
    right.xaxis.set_major_formatter(ticker.PercentFormatter(1))
    right.yaxis.set_major_formatter(ticker.PercentFormatter(1))
    right.set_title(
        f"expected calibration error {fit.expected_error:.2%}; the darker, the more samples",
        fontsize=9,
    )
