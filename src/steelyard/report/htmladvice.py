"""What would help a network, its measured split of time, and its place in the zoo, as parts of the HTML report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from steelyard.report.advice import Advice, Remedy
from steelyard.report.escape import html_text
from steelyard.report.htmltables import table_html
from steelyard.report.inshort import kind_words
from steelyard.report.neighbours import Neighbours, neighbours_chart, neighbours_table
from steelyard.report.plots import lying_bars, scatter_data, scatter_html
from steelyard.report.table import Column, Table
from steelyard.units import format_si

if TYPE_CHECKING:
    from steelyard.measure.breakdown import Breakdown

_GUIDELINES = (
    "Where the network departs from the guidelines of Ma et al., ShuffleNet V2 (2018): G1 equal channel widths, G2 few "
    "groups, G3 few parallel branches, G4 few element-wise operations; and what meeting them would save."
)
_REWRITES = (
    "Layers of the whole network exchanged by one of the rules of steelyard rewrite, captured and weighed again. The "
    "network is then another one: it must be trained again, and how accurate it will be is not predicted."
)


def advice_html(advice: Advice, name: str) -> Iterator[str]:
    """Findings with what would fix them, and rewrites; nothing where nothing was found and nothing tried.

    Args:
        advice: to be shown.
        name: of the network.
    """
    if not advice.findings and not advice.tried:
        return
    yield "<h3>What would help</h3>"
    if advice.findings:
        yield f'<p class="note">{html_text(_GUIDELINES + _predicted(advice.findings))}</p>'
        yield table_html(findings_table(advice, name))
    if advice.tried:
        yield f'<p class="note">{html_text(_REWRITES + _predicted(advice.rewrites))}</p>'
    if advice.rewrites:
        yield table_html(rewrites_table(advice, name))
    elif advice.tried:
        yield f"<p>None of {html_text(', '.join(advice.tried))} would save anything.</p>"


def findings_table(advice: Advice, name: str) -> Table:
    """A row a finding: what meeting the guideline would save of each quantity at most, and what to do."""
    columns, shares = _shares(advice.findings)
    hidden = f"{advice.hidden} more findings with smaller savings are not listed"
    return Table(
        f"Guidelines that {name} does not meet, greatest saving first",
        (
            Column("guideline", "guideline"),
            Column("where", "where", wrap=True),
            *columns,
            Column("problem", "finding", wrap=True),
            Column("fix", "what to do", wrap=True),
        ),
        tuple(
            (one.guideline, one.where, *row, one.problem, _todo(one))
            for one, row in zip(advice.findings, shares, strict=True)
        ),
        notes=(hidden,) if advice.hidden else (),
    )


def rewrites_table(advice: Advice, name: str) -> Table:
    """A row a rule that would save something, the greatest saving first."""
    columns, shares = _shares(advice.rewrites)
    return Table(
        f"Rewrites of {name}, greatest saving first; below 0 they cost more",
        (
            Column("rule", "rule"),
            Column("where", "where", wrap=True),
            *columns,
            Column("fix", "in place of them", wrap=True),
            Column("command", "to type", wrap=True),
        ),
        tuple(
            (one.rule, f"{one.where}, {one.problem}", *row, one.fix, one.command)
            for one, row in zip(advice.rewrites, shares, strict=True)
        ),
    )


def _shares(remedies: Sequence[Remedy]) -> tuple[list[Column], list[list[float | None]]]:
    """A column for each quantity that something is saved of, and the shares; None where it was not looked at."""
    columns: dict[tuple[str, str], Column] = {}
    for one in remedies:
        for saving in one.savings:
            quantity = saving.quantity
            title = f"{quantity.title}, {quantity.device}" if quantity.device else quantity.title
            key = f"{quantity.key} {quantity.device}".strip()
            saved = Column(key, f"{title} saved", "share")
            columns.setdefault((quantity.key, quantity.device), saved)
    rows = []
    for one in remedies:
        known = {(s.quantity.key, s.quantity.device): s.share for s in one.savings}
        rows.append([known.get(key) for key in columns])
    return list(columns.values()), rows


def _predicted(remedies: Sequence[Remedy]) -> str:
    """By what the savings are predicted, in words."""
    words = {"cost": "counted (steelyard cost)"}
    for one in remedies:
        for saving in one.savings:
            if saving.by == "estimate":
                most = "at most; " if saving.at_most else ""
                words[saving.quantity.device] = (
                    f"on {saving.quantity.device} estimated ({most}steelyard estimate)"
                )
            elif saving.by == "roofline":
                device = saving.quantity.device
                words[device] = f"on {device} by its ceilings (at most; steelyard roofline)"
    return f" Predicted how: {', '.join(words.values())}." if remedies else ""


def _todo(one: Remedy) -> str:
    return f"{one.fix} — {one.command}" if one.command else one.fix


# ---- measured ----------------------------------------------------------------------------------

_COLOURS = ("conv", "convdw", "linear", "matmul", "norm", "pointwise", "pool", "move", "conv1x1")


def split_html(split: Breakdown) -> Iterator[str]:
    """Where the time of one inference went: a bar by kind of operator, and the layers that took longest."""
    yield "<h3>Where the time went on this machine</h3>"
    plural = "s" if split.threads != 1 else ""
    yield (
        f"<p>One inference took {html_text(format_si(split.median_s, 's'))} ({html_text(split.ran)}, batch "
        f"{split.batch}, {split.threads} thread{plural}); its parts are {html_text(split.statistic)}s over "
        f"{split.runs} inferences under the profiler, {html_text(format_si(split.total_s, 's'))} in all.</p>"
    )
    kinds = split.by_kind()
    called = kind_words()
    parts = [(called[kind.kind], kind.seconds) for kind in kinds]
    colours = {name: _COLOURS[n % len(_COLOURS)] for n, (name, _) in enumerate(parts)}
    bar = [(colours[name], seconds) for name, seconds in parts]
    words = {colours[name]: name for name, _ in parts}
    text = format_si(split.total_s, "s")
    yield lying_bars("Latency by kind of operator", [(split.setting, bar, text)], words)
    slow = sorted(split.parts, key=lambda part: -part.seconds)[:15]
    yield table_html(
        Table(
            f"The operators of {split.network} that took longest",
            (
                Column("layer", "layer"),
                Column("op", "ran as"),
                Column("kind", "kind"),
                Column("milliseconds", "time", "ratio", unit="ms"),
                Column("share", "share", "share", bar=True),
                Column("attained", "of roofline", "share"),
            ),
            tuple(
                (p.layer or "-", p.op, called[p.kind], p.seconds * 1e3, p.seconds / split.total_s, p.attained)
                for p in slow
            ),
        ),
        sortable=True,
    )  # fmt: skip
    for warning in split.warnings:
        yield f'<p class="note">{html_text(warning)}</p>'


# ---- the zoo -----------------------------------------------------------------------------------


def neighbours_html(found: Sequence[Neighbours], data: dict[str, Any]) -> Iterator[str]:
    """The networks among those of the zoo.

    Args:
        found: the report's networks that can be compared by accuracy.
        data: what the script needs is added here.
    """
    chart = neighbours_chart(found)
    data["neighbours"] = scatter_data(chart)
    yield '<section class="network" id="neighbours"><h2>Among the networks of the zoo</h2>\n'
    yield "".join(f"<p>{html_text(one.sentence())}</p>" for one in found)
    yield scatter_html(chart, key="neighbours")
    for one in found:
        yield table_html(neighbours_table(one))
    yield "</section>\n"
