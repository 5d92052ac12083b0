"""The two tables of a network's layers on an accelerator: where the energy goes, and where the time goes."""

from __future__ import annotations

from steelyard.hardware.energy_units import million
from steelyard.hardware.estimate import Estimate
from steelyard.hardware.estimate_layout import MICRO
from steelyard.report.htmltables import table_html
from steelyard.report.layerpanels import OPERAND_WORDS
from steelyard.report.mappings import mapping_anchors
from steelyard.report.placed import Placed, Row
from steelyard.report.table import Cell, Column, Table

_OPERANDS = ("I", "W", "O")


def layer_tables(placed: Placed, key: str, most: int | None = None) -> str:
    """Both tables, sortable and filtered by words; the layers' names lead to their mappings.

    Args:
        placed: network and device.
        key: of `steelyard.report.mappings.mappings_html`.
        most: only so many layers, those that take most energy and time; None: all.
    """
    found = placed.estimate
    if found is None:
        return ""
    rows = _heaviest(placed, found, most)
    more = len(placed.rows) - len(rows)
    said = f"{more} layers that take less are not listed: steelyard estimate --format csv has them"
    notes = (said,) if more else ()
    tables = (_energy(placed, found, rows, notes), _time(placed, found, rows, notes))
    anchors = mapping_anchors(placed, key)
    return "".join(
        '<div class="layers"><div class="controls"><label>Filter <input type="search" '
        'placeholder="words, e.g. 3×3"></label><span role="status" class="soft"></span></div>'
        + table_html(
            table,
            sortable=True,
            attributes=lambda n: (
                f'data-layer="{rows[n].index}" style="--f:var(--{rows[n].family})"'
            ),
            link=lambda n: anchors.get(rows[n].name, ""),
        )
        + "</div>"
        for table in tables
    )


def _heaviest(placed: Placed, found: Estimate, most: int | None) -> tuple[Row, ...]:
    """In order of execution; all, or those with the largest share of energy or time."""
    if most is None or len(placed.rows) <= most:
        return placed.rows

    def share(row: Row) -> float:
        return max(
            row.cost.energy_pj / (found.energy_pj or 1.0), row.cost.cycles / (found.cycles or 1)
        )

    least = sorted(map(share, placed.rows), reverse=True)[most - 1]
    return tuple(row for row in placed.rows if share(row) >= least)[:most]


def _energy(
    placed: Placed, found: Estimate, chosen: tuple[Row, ...], notes: tuple[str, ...]
) -> Table:
    by_level, by_operand = found.energy_by_level(), found.energy_by_operand()
    levels = [name for name in placed.levels if by_level.get(name)]
    whole = found.energy_pj or 1.0
    unit = million(found.device)
    columns = (
        Column("layer", "layer"),
        Column("operator", "operator"),
        Column("macs", "MACs", "count"),
        Column("energy_uj", "energy", "ratio", unit=unit),
        Column("energy_share", "of energy", "share", bar=True),
        *(Column(f"{level}_uj", level, "ratio", unit=unit) for level in levels),
        *(Column(f"{one}_uj", OPERAND_WORDS[one], "ratio", unit=unit) for one in _OPERANDS),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            *(row.name, row.operator, row.cost.macs or None),
            *(row.cost.energy_pj * MICRO, row.cost.energy_pj / whole),
            *(row.cost.levels.get(level, 0.0) * MICRO for level in levels),
            *(row.cost.operands.get(one, 0.0) * MICRO for one in _OPERANDS),
        )
        for row in chosen
    ]
    total: tuple[Cell, ...] = (
        *("total", None, found.macs, found.energy_pj * MICRO, 1.0),
        *(by_level[level] * MICRO for level in levels),
        *(by_operand[one] * MICRO for one in _OPERANDS),
    )
    title = f"Energy of the layers of {found.workload} on {found.device.name}"
    return Table(title, columns, tuple(rows), total=total, notes=notes)


def _time(
    placed: Placed, found: Estimate, chosen: tuple[Row, ...], notes: tuple[str, ...]
) -> Table:
    columns = (
        Column("layer", "layer"),
        Column("cycles", "cycles", "count"),
        Column("cycles_share", "of time", "share", bar=True),
        Column("spatial", "spatial", "share"),
        Column("temporal", "temporal", "share"),
        Column("utilization", "utilisation", "share"),
        Column("dram_bytes", "outer memory", "bytes"),
        Column("limit", "step that costs most"),
    )
    whole = found.cycles or 1
    rows: list[tuple[Cell, ...]] = []
    for row in chosen:
        cost, counts = row.cost, bool(row.cost.macs)
        rows.append(
            (
                *(row.name, cost.cycles, cost.cycles / whole),
                *(row.spatial if counts else None, row.temporal if counts else None),
                *(cost.utilization if counts else None, row.dram_bytes),
                placed.limits[row.name].limit if row.name in placed.limits else "",
            )
        )
    moved = sum(row.dram_bytes for row in placed.rows)
    total = ("total", found.cycles, 1.0, None, None, found.utilization, moved, None)
    title = f"Time and utilisation of the layers of {found.workload} on {found.device.name}"
    return Table(title, columns, tuple(rows), total=total, notes=notes)
