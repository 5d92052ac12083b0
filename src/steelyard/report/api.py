"""`report`: weighs one or several networks and saves what it found as HTML, Markdown, JSON, CSV or text."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from steelyard._version import __version__
from steelyard.cost import CostReport
from steelyard.errors import UsageError
from steelyard.report import csvtext, jsontext, render, terminal
from steelyard.report.costs import layer_records
from steelyard.report.escape import markdown_text, printable
from steelyard.report.files import write_file
from steelyard.report.html import networks_table, page
from steelyard.report.table import Column, Document, Table
from steelyard.workload import Workload

SCHEMA = "steelyard.report/1"


@dataclass(frozen=True)
class Report:
    """The report of one or several networks; it prints as tables and saves as a file.

    Attributes:
        costs: the networks' costs, in the order given.
        title: heading.
        created: when it was made (UTC).
    """

    costs: tuple[CostReport, ...]
    title: str
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the report in the form that the suffix of ``path`` names, completely or not at all.

        ``.html`` (``.htm``): one self-contained page. ``.md``, ``.txt``: tables. ``.json``: the
        object of `to_dict`. ``.csv``: every layer of every network, full precision.

        Raises:
            UsageError: another suffix.
            InputError: ``path`` is a directory or cannot be written.
        """
        writers: dict[str, Callable[[], str]] = {
            ".html": self.to_html,
            ".htm": self.to_html,
            ".md": self.to_markdown,
            ".txt": lambda: str(self) + "\n",
            ".json": self.to_json,
            ".csv": self.to_csv,
        }
        suffix = Path(os.fspath(path)).suffix.lower()
        if suffix not in writers and not os.path.isdir(path):  # noqa: PTH112 - never raises
            raise UsageError(
                f"cannot save a report as {os.fspath(path)!r}",
                expected="a name that ends in " + ", ".join(writers),
            )
        return write_file(path, writers[suffix]() if suffix in writers else "")

    @cached_property
    def _html(self) -> str:
        pairs = [
            ("steelyard", __version__),
            ("made", self._when),
            ("Python", f"{platform.python_version()} on {platform.system()}"),
        ]
        for cost in self.costs:
            load = cost.workload
            text = f"captured from {load.source}; content SHA-256 {load.digest[:16]}…"
            pairs.append((load.name, text))
        return page(self.costs, title=self.title, created=self._when, provenance=pairs)

    @property
    def _when(self) -> str:
        return self.created.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")

    def to_html(self) -> str:
        """The page as text: no network access, no file beside it."""
        return self._html

    def to_markdown(self) -> str:
        """Headings and pipe tables."""
        parts = [f"# {markdown_text(self.title)}\n"]
        parts += [render.to_markdown(document) for document in self._documents()]
        parts.append(f"Made by steelyard {__version__}, {self._when}.\n")
        return "\n".join(parts)

    def to_csv(self) -> str:
        """Every layer of every network, the network's name in the first column."""
        tables = []
        for cost in self.costs:
            records = layer_records(cost)
            columns = (Column("network", "network"), *records.columns)
            rows = tuple((cost.workload.name, *row) for row in records.rows)
            tables.append(Table(records.title, columns, rows))
        return csvtext.to_csv(*tables)

    def to_dict(self) -> dict[str, Any]:
        """Plain data under the schema ``steelyard.report/1``.

        Keys: ``schema``, ``steelyard`` (version), ``title``, ``created`` (ISO 8601, UTC),
        ``networks`` (`CostReport.to_dict` of each, with ``training_memory`` and ``findings``).
        """
        return {
            "schema": SCHEMA,
            "steelyard": __version__,
            "title": self.title,
            "created": self.created.astimezone(UTC).isoformat(timespec="seconds"),
            "networks": [
                {
                    **cost.to_dict(),
                    "training_memory": cost.training_memory().to_dict(),
                    "findings": [finding.to_dict() for finding in cost.findings],
                }
                for cost in self.costs
            ],
        }

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return jsontext.to_json(self)

    def _documents(self) -> tuple[Document, ...]:
        documents = tuple(render.document(cost) for cost in self.costs)
        if len(self.costs) < 2:
            return documents
        both = Document("comparison", tables=(networks_table(self.costs),))
        return (both, *documents)

    def __str__(self) -> str:
        return "\n\n".join(terminal.to_text(document) for document in self._documents())

    def __rich__(self) -> Any:
        from rich.console import Group

        return Group(*(terminal.TerminalDocument(d) for d in self._documents()))

    def __repr__(self) -> str:
        names = ", ".join(cost.workload.name for cost in self.costs)
        return f"<Report {self.title!r}: {names}>"

    def _repr_html_(self) -> str:
        return "".join(render.to_html_fragment(document) for document in self._documents())


def report(*networks: object, title: str | None = None, input_shape: object = None) -> Report:
    """Weighs ``networks`` and returns their report.

    Args:
        networks: one or several of: a `CostReport`, a `Workload`, or anything that
            `steelyard.capture` takes (a module, a file's name, a zoo name).
        title: heading of the report; made from the names if not given.
        input_shape: handed on to `steelyard.capture` for those that must still be captured.

    Raises:
        UsageError: no network was given.
        SteelyardError: whatever `steelyard.capture` raises.
    """
    if not networks:
        raise UsageError(
            "report() was given no network", expected="one or several", hint="sy.report('resnet50')"
        )
    costs = tuple(_cost(network, input_shape) for network in networks)
    heading = title if title is not None else _title(costs)
    return Report(costs, printable(heading))


def _cost(network: object, input_shape: object) -> CostReport:
    if isinstance(network, CostReport):
        return network
    if isinstance(network, Workload):
        return CostReport(network)
    # looked up by name: capture imports torch where it must, this room never does
    capture = importlib.import_module("steelyard.capture.api").capture
    load = capture(network, input_shape=input_shape)
    return CostReport(load)


def _title(costs: tuple[CostReport, ...]) -> str:
    names = [cost.workload.name for cost in costs]
    if len(names) == 1:
        return f"The cost of {names[0]}"
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return "The cost of " + (", ".join(names[:4]) + more if more else _and(names))


def _and(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1]
