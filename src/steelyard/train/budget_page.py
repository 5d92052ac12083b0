"""`save_budget`: an evaluation under a budget as a page or a picture: accuracy against cost, and exits by class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.dynamic.pictures import exit_bars
from steelyard.report.document import document
from steelyard.report.escape import html_text
from steelyard.report.figures import load, save_figure, short
from steelyard.report.files import write_file
from steelyard.report.htmltables import table_html
from steelyard.report.pictures import PAGES
from steelyard.report.resultpage import result_page
from steelyard.train.budget_result import BudgetEvaluation
from steelyard.units import format_si

__all__ = ["save_budget"]

_MOST_CLASSES = 60
"""More are not drawn."""


def save_budget(found: BudgetEvaluation, path: str | os.PathLike[str]) -> Path:
    """Writes .html as a page with all tables, .svg, .png or .pdf as a picture.

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


def _page(found: BudgetEvaluation) -> str:
    said = document(found)

    def body() -> Iterator[str]:
        yield "".join(f"<p>{html_text(line)}</p>" for line in said.lead)
        yield from map(table_html, said.tables)
        if len(found.classes) <= _MOST_CLASSES:
            yield "<h2>Exits by class</h2>"
            yield '<p class="note">Held-out images of each class by the exit where they leave: the darker, the later.</p>'
            yield _classes_svg(found)

    facts = [*found.about.facts(), ("policy", f"{found.check.policy}, {found.distribution}")]
    return result_page(
        said, body(), units="Costs are means of an image; accuracies in percent.", facts=facts
    )


def _classes_svg(found: BudgetEvaluation) -> str:
    """A bar for each class, the one that goes on for longest last."""
    counts = np.array(found.leaving_by_class, dtype=np.int64)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    order = np.argsort(shares @ np.arange(counts.shape[1]), kind="stable")
    parts = []
    for row, at in enumerate(order.tolist()):
        name, left = html_text(short(found.classes[at], 20)), 0.0
        parts.append(f'<text x="-1" y="{4 * row + 2.8}" font-size="2.4" text-anchor="end">{name}</text>')  # fmt: skip
        for stage, share in enumerate(shares[at].tolist()):
            ink = (stage + 1) / counts.shape[1]
            parts.append(
                f'<rect x="{100 * left:.2f}" y="{4 * row}" width="{100 * share:.2f}" height="3.4" '
                f'style="fill:var(--accent);fill-opacity:{ink:.2f}"><title>{name}, exit {stage + 1}: '
                f"{counts[at, stage]} of {counts[at].sum()}</title></rect>"
            )
            left += share
    return (
        f'<svg viewBox="-32 -.5 134 {4 * len(order) + 1}" role="img" aria-label="exits of {len(order)} classes" '
        f'style="max-width:44rem;width:100%;fill:var(--ink)">{"".join(parts)}</svg>'
    )


# ---- the picture ---------------------------------------------------------------------------


def _draw(figure: Any, found: BudgetEvaluation, title: str) -> None:
    few = len(found.classes) <= _MOST_CLASSES
    figure.set_size_inches(11 if few else 6, max(4.5, 1.2 + 0.25 * len(found.classes) * few))
    figure.suptitle(short(title, 110), fontsize=11)
    axes = figure.subplots(1, 2 if few else 1, squeeze=False)[0]
    left, check = axes[0], found.check
    costs = [one.cost for one in found.exits]
    left.plot(
        costs, [one.top1 for one in found.exits], "o--", drawstyle="steps-post", color="#6b7280",
        label="an exit for all images",
    )  # fmt: skip
    one = check.realised
    low, high = (100 * share for share in one.accuracy_interval)
    least, most = one.cost_interval
    left.errorbar(
        [found.cost], [found.top1], xerr=[[found.cost - least], [most - found.cost]],
        yerr=[[found.top1 - low], [high - found.top1]], fmt="s", color="#1f6fb4", capsize=3,
        label="each at its exit, 95 %",
    )  # fmt: skip
    if check.budget is not None:
        left.axvline(check.budget, color="#b3261e", linewidth=1, label="budget")
    left.set_xlabel(f"mean cost of an image ({check.unit})")
    left.set_ylabel("top-1 of held-out images (%)")
    left.xaxis.set_major_formatter(
        load("matplotlib.ticker").FuncFormatter(lambda x, _: format_si(x))
    )
    left.grid(color="#d5dbe1", linewidth=0.6)
    left.legend(frameon=False, fontsize=8)
    if few:
        exit_bars(axes[1], np.array(found.leaving_by_class), found.classes)
