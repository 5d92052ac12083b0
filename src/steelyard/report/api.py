"""`report`: weighs one or several networks and saves what it found as HTML, Markdown, JSON, CSV or text."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from steelyard.hardware.mapper_answer import Objective
    from steelyard.measure.against_macs import AgainstMacs
    from steelyard.report.placed import Placed
    from steelyard.report.plotdata import Scatter

SCHEMA = "steelyard.report/1"


@dataclass(frozen=True)
class Report:
    """The report of one or several networks; it prints as tables and saves as a file.

    Attributes:
        costs: the networks' costs, in the order given.
        title: heading.
        created: when it was made (UTC).
        placed: for each network itself on the devices that were asked for; empty without any.
        measured: MACs against latency of what was measured on this machine, if that was asked for.
    """

    costs: tuple[CostReport, ...]
    title: str
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    placed: tuple[tuple[Placed, ...], ...] = ()
    measured: tuple[AgainstMacs, ...] = ()

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
        devices = {placed.device.name: placed.device.title for one in self.placed for placed in one}
        pairs += [
            (name, f"{text}; steelyard devices {name} shows the source of each number")
            for name, text in devices.items()
        ]
        return page(
            self.costs,
            title=self.title,
            created=self._when,
            provenance=pairs,
            placed=self.placed,
            measured=[(one.sentences(), _charts(one)) for one in self.measured],
        )

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
        parts += [markdown_text(line) + "\n" for line in self._said()]
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
        ``networks`` (`CostReport.to_dict` of each, with ``training_memory``, ``findings`` and, if devices
        were asked for, ``devices``), and ``measured`` if that was asked for.
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
                    **self._devices(number),
                }
                for number, cost in enumerate(self.costs)
            ],
            **({"measured": [one.to_dict() for one in self.measured]} if self.measured else {}),
        }

    def _devices(self, number: int) -> dict[str, Any]:
        if not self.placed:
            return {}
        return {"devices": [placed.to_dict() for placed in self.placed[number]]}

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return jsontext.to_json(self)

    def _documents(self) -> tuple[Document, ...]:
        documents = tuple(
            render.document(result)
            for number, cost in enumerate(self.costs)
            for result in (cost, *self._results(number))
        )
        if len(self.costs) < 2:
            return documents
        both = Document("comparison", tables=(networks_table(self.costs),))
        return (both, *documents)

    def _said(self) -> list[str]:
        return [line for one in self.measured for line in one.sentences()]

    def _results(self, number: int) -> list[object]:
        return [placed.result for placed in self.placed[number]] if self.placed else []

    def __str__(self) -> str:
        parts = [terminal.to_text(document) for document in self._documents()]
        return "\n\n".join([*parts, *self._said()])

    def __rich__(self) -> Any:
        from rich.console import Group

        documents = (terminal.TerminalDocument(d) for d in self._documents())
        return Group(*documents, *self._said())

    def __repr__(self) -> str:
        names = ", ".join(cost.workload.name for cost in self.costs)
        return f"<Report {self.title!r}: {names}>"

    def _repr_html_(self) -> str:
        return "".join(render.to_html_fragment(document) for document in self._documents())


def report(
    *networks: object,
    title: str | None = None,
    input_shape: object = None,
    devices: Sequence[object] = (),
    objective: Objective = "energy",
    dataflow: str = "",
    measured: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Weighs ``networks``, estimates them on ``devices``, and returns their report.

    Args:
        networks: one or several of: a `CostReport`, a `Workload`, or anything that
            `steelyard.capture` takes (a module, a file's name, a zoo name).
        title: heading of the report; made from the names if not given.
        input_shape: handed on to `steelyard.capture` for those that must still be captured.
        devices: names, files or devices: accelerators, to which every layer is mapped, and rooflines.
        objective, dataflow: of the mappings, as in `steelyard.estimate`.
        measured: add MACs against latency, and latency against published accuracy, of all networks that
            `steelyard.measure` was ever told to measure on this machine.
        progress: called with what is being done.

    Raises:
        InputError: ``measured``, and too few networks were.
        UsageError: no network was given, or a device has no peak for the network's data type.
        SteelyardError: whatever `steelyard.capture`, `steelyard.device` and `steelyard.estimate` raise.
    """
    if not networks:
        raise UsageError(
            "report() was given no network", expected="one or several", hint="sy.report('resnet50')"
        )
    if isinstance(devices, str):
        raise UsageError(f"devices={devices!r}", expected="several", hint=f"devices=[{devices!r}]")
    costs = tuple(_cost(network, input_shape) for network in networks)
    heading = title if title is not None else _title(costs)
    placed: tuple[tuple[Placed, ...], ...] = ()
    if devices:
        # looked up when needed: the hardware room loads numpy
        on = importlib.import_module("steelyard.report.placed").place_on
        settings = (objective, dataflow, progress)
        placed = tuple(on(cost.workload, devices, *settings) for cost in costs)
    here: tuple[AgainstMacs, ...] = ()
    if measured:
        here = importlib.import_module("steelyard.measure.here").measured_here()
    return Report(costs, printable(heading), placed=placed, measured=here)


def _charts(found: AgainstMacs) -> tuple[Scatter, ...]:
    charts: tuple[Scatter, ...] = importlib.import_module("steelyard.measure.macs_chart").charts(
        found
    )
    return charts


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
