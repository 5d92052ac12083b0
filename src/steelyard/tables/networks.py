"""`networks`: parameters and MACs that papers print for every network of the zoo, beside a capture's.

Published figures stand in ``zoo/catalog/<family>.csv``, each with its source, what it counts, and the
reason where a faithful count of the same network differs. Ours are captured, nothing is typed in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from steelyard._display import Printable
from steelyard.capture.api import capture
from steelyard.errors import UnknownNameError
from steelyard.report.table import Column, Table
from steelyard.zoo.published import Published
from steelyard.zoo.registry import info, list_models

SCHEMA = "steelyard.networks/1"


@dataclass(frozen=True, slots=True)
class Entry:
    """One published row beside ours.

    Attributes:
        family: what the field calls the family.
        source: name and settings as `capture` takes them, e.g. ``mobilenet_v2:width=0.75``.
        published: the row.
        params: parameters, of a capture.
        macs: plain multiply-accumulates (convolutions and linear layers), of a capture.
    """

    family: str
    source: str
    published: Published
    params: int
    macs: int

    @property
    def params_difference(self) -> float | None:
        """Ours / published - 1; None where none is published."""
        return _difference(self.params, self.published.params_m)

    @property
    def macs_difference(self) -> float | None:
        """Ours / published - 1; None where none is published."""
        return _difference(self.macs, self.published.macs_m)


@dataclass(frozen=True, repr=False)
class Networks(Printable):
    """The table.

    Attributes:
        entries: by family, in the order of the families' tables.
    """

    entries: tuple[Entry, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain data under the schema ``steelyard.networks/1``."""
        rows = [
            {
                "family": entry.family,
                "source": entry.source,
                "params": entry.params,
                "macs": entry.macs,
                "params_difference": entry.params_difference,
                "macs_difference": entry.macs_difference,
                "published": dataclasses.asdict(entry.published),
            }
            for entry in self.entries
        ]
        return {"schema": SCHEMA, "networks": rows}

    def records(self) -> Table:
        """Everything as one flat table, for CSV."""
        columns = (
            Column("family", "family"), Column("source", "network"),
            Column("published_params_M", "published", "ratio", "M"), Column("params", "ours", "count"),
            Column("published_macs_M", "published", "ratio", "M"), Column("macs", "ours", "count"),
            Column("top1_error_percent", "top-1", "ratio"), Column("top5_error_percent", "top-5", "ratio"),
            Column("dataset", "data set"), Column("convention", "counted"),
            Column("published_in", "source"), Column("evidence", "evidence"), Column("reason", "reason"),
        )  # fmt: skip
        rows = tuple(
            (
                e.family, e.source, p.params_m, e.params, p.macs_m, e.macs, p.top1_error, p.top5_error,
                p.dataset, p.convention, p.source, p.evidence, p.reason,
            )
            for e in self.entries
            for p in [e.published]
        )  # fmt: skip
        return Table("networks", columns, rows)

    def __repr__(self) -> str:
        return f"<Networks: {len(self.entries)} published rows>"


def networks(pattern: str = "*", *, progress: Callable[[str], None] | None = None) -> Networks:
    """All published rows of the networks whose names match a shell pattern, beside captured counts.

    Args:
        pattern: e.g. ``mobilenet*``.
        progress: told the SOURCE that is being captured.

    Raises:
        UnknownNameError: no network with published figures matches.
    """
    known = [name for name in list_models() if info(name).published]
    names = [name for name in known if fnmatchcase(name, pattern)]
    if not names:
        raise UnknownNameError("network with published figures", pattern, known, hint="*")
    counted: dict[str, tuple[int, int]] = {}
    entries = []
    for name in names:
        about = info(name)
        for row in about.published:
            source = f"{name}:{row.settings}" if row.settings else name
            if source not in counted:
                if progress is not None:
                    progress(source)
                load = capture(source)
                counted[source] = load.params, load.macs
            entries.append(Entry(about.family, source, row, *counted[source]))
    entries.sort(key=lambda entry: entry.family.lower())
    return Networks(tuple(entries))


def _difference(ours: int, published_m: float | None) -> float | None:
    return None if not published_m else ours / (published_m * 1e6) - 1
