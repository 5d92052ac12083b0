"""A report as short Markdown for a pull request: totals first, what changed, what would help most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from steelyard._version import __version__
from steelyard.report import markdown
from steelyard.report.against import layers_table, quantities_table, say_change
from steelyard.report.cardwords import cards_table
from steelyard.report.costs import cost_table
from steelyard.report.escape import markdown_text
from steelyard.report.inshort import extremes, in_short
from steelyard.report.parts import Parts
from steelyard.report.snapshot import snapshot
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.units import format_bytes, format_si

_LAYERS = 5
_CHANGED = 10


def pull_request(parts: Sequence[Parts], title: str, made: str, said: Sequence[str] = ()) -> str:
    """Headings, sentences and pipe tables; names in them are inert.

    Args:
        parts: the networks.
        title: heading.
        made: date and time, as it is printed.
        said: more sentences.
    """
    return "\n".join(_lines(parts, title, made, said)).rstrip("\n") + "\n"


def _lines(parts: Sequence[Parts], title: str, made: str, said: Sequence[str]) -> Iterator[str]:
    yield f"# {markdown_text(title)}\n"
    yield _tables(totals_table(parts))
    if len(parts) > 1:
        yield markdown_text(extremes(parts)) + "\n"
    for one in parts:
        yield f"## {markdown_text(one.name)}\n"
        for question, answer in in_short(one):
            yield f"- **{question}.** {markdown_text(answer)}"
        yield ""
        for warning in one.cost.warnings:
            yield f"> **Warning:** {markdown_text(warning)}\n"
        if one.against is not None:
            yield _tables(quantities_table(one.against))
            if one.against.layers:
                changed = layers_table(one.against, limit=_CHANGED)
                yield _folded(f"{len(one.against.layers)} layers changed", _tables(changed))
        heaviest = cost_table(one.cost, sort="macs", limit=_LAYERS)
        yield _folded("The heaviest layers", _tables(Table("", heaviest.columns, heaviest.rows)))
        if one.cards:
            yield _folded("Scorecard", _tables(cards_table(one.cards)))
    for line in said:
        yield markdown_text(line) + "\n"
    yield f"Made by steelyard {__version__}, {made}. FLOPs are 2 × MACs."


def _folded(summary: str, inside: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{inside}\n</details>\n"


def _tables(*tables: Table) -> str:
    return markdown.to_markdown(Document("", tables=tables), level=2)


def totals_table(parts: Sequence[Parts]) -> Table:
    """A row a network, a column a total; with an earlier report also by how much it changed."""
    columns = [
        Column("network", "network"),
        Column("macs", "MACs", "ratio"),
        Column("params", "parameters", "ratio"),
        Column("peak", "peak activations", "ratio"),
        Column("access", "memory access", "ratio"),
    ]
    for placed in parts[0].placed if parts else ():
        name = placed.device.name
        columns.append(Column(f"energy {name}", f"energy, {name}", "ratio"))
        columns.append(Column(f"latency {name}", f"latency, {name}", "ratio"))
    rows = tuple(tuple(_totals(one)) for one in parts)
    # a device of which only ceilings are known has no energy
    kept = [n for n in range(len(columns)) if any(row[n] is not None for row in rows)]
    return Table(
        "", tuple(columns[n] for n in kept), tuple(tuple(row[n] for n in kept) for row in rows)
    )


def _totals(one: Parts) -> Iterator[Cell]:
    now = snapshot(one.cost, one.placed)
    known = one.against.quantities if one.against is not None else ()
    change = {(found.key, found.device): f" ({say_change(found)})" for found in known}

    def cell(text: str, key: str, device: str = "") -> str:
        return text + change.get((key, device), "")

    yield one.name
    yield cell(format_si(now.total.macs), "macs")
    yield cell(format_si(now.total.params), "params")
    yield cell(format_bytes(now.peak_bytes), "peak_activation_bytes")
    yield cell(format_bytes(now.total.access_bytes), "access_bytes")
    for name, on in now.devices.items():
        energy = None
        if on.energy is not None:
            pj = on.unit == "pJ"
            energy = format_si(on.energy * 1e-12, "J") if pj else format_si(round(on.energy), "MAC")
        yield None if energy is None else cell(energy, "energy_pj", name)
        yield cell(format_si(on.latency_s, "s"), "latency_s", name)
