"""`report`: weighs one or several networks and saves what it found as HTML, Markdown, JSON, CSV or text."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard._version import __version__
from steelyard.cost import CostReport
from steelyard.errors import UsageError
from steelyard.report import csvtext, jsontext, render, terminal
from steelyard.report.advice import advise
from steelyard.report.against import Against
from steelyard.report.costs import layer_records
from steelyard.report.escape import printable
from steelyard.report.files import write_file
from steelyard.report.gather import Gatherer, Rewritten
from steelyard.report.html import networks_table, page
from steelyard.report.neighbours import Neighbours
from steelyard.report.parts import Parts
from steelyard.report.partsdata import parts_dict
from steelyard.report.provenance import provenance
from steelyard.report.pullrequest import pull_request
from steelyard.report.table import Column, Document, Table
from steelyard.workload import Workload

if TYPE_CHECKING:
    from steelyard.hardware.mapper_answer import Objective
    from steelyard.measure.against_macs import AgainstMacs
    from steelyard.measure.breakdown import Breakdown
    from steelyard.metrics import Scorecard
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
        against: for each network itself held against an earlier report; empty if that was not asked for.
        cards: for each network its scorecards; empty without devices.
        neighbours: for each network itself among the zoo's, None where accuracies cannot be compared; or empty.
        splits: for each network where its measured time went, None where it was not measured; or empty.
        rewritten: for each network, by rule, the network after it, and that on devices; empty if none was tried.
        command: line that made it; "" if it was made from Python.
    """

    costs: tuple[CostReport, ...]
    title: str
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    placed: tuple[tuple[Placed, ...], ...] = ()
    measured: tuple[AgainstMacs, ...] = ()
    against: tuple[Against, ...] = ()
    cards: tuple[tuple[Scorecard, ...], ...] = ()
    neighbours: tuple[Neighbours | None, ...] = ()
    splits: tuple[Breakdown | None, ...] = ()
    rewritten: tuple[Rewritten, ...] = ()
    command: str = ""

    @cached_property
    def parts(self) -> tuple[Parts, ...]:
        """All that is known of each network."""
        found = []
        for n, cost in enumerate(self.costs):
            placed = self.placed[n] if self.placed else ()
            rewritten = self.rewritten[n] if self.rewritten else {}
            found.append(
                Parts(
                    cost,
                    placed,
                    advise(cost, placed, rewritten, cost.workload.name if rewritten else ""),
                    self.cards[n] if self.cards else (),
                    self.neighbours[n] if self.neighbours else None,
                    self.splits[n] if self.splits else None,
                    self.against[n] if self.against else None,
                )
            )
        return tuple(found)

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
        return page(
            self.parts,
            title=self.title,
            created=self._when,
            provenance=provenance(self.parts, self._when, self.command),
            measured=[(one.sentences(), _charts(one)) for one in self.measured],
        )

    @property
    def _when(self) -> str:
        return self.created.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")

    def to_html(self) -> str:
        """The page as text: no network access, no file beside it."""
        return self._html

    def to_markdown(self) -> str:
        """Short, for a pull request: totals first, what changed, what would help most, the heaviest layers."""
        return pull_request(self.parts, self.title, self._when, self._said())

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

        Keys: ``schema``, ``steelyard`` (version), ``title``, ``created`` (ISO 8601, UTC), ``command``,
        ``networks`` (`CostReport.to_dict` of each, with ``in_short``, ``training_memory``, ``findings``, ``advice`` and,
        as far as they were asked for, ``devices``, ``scorecards``, ``neighbours``, ``breakdown``, ``against``), and
        ``measured`` if that was asked for.
        """
        return {
            "schema": SCHEMA,
            "steelyard": __version__,
            "title": self.title,
            "created": self.created.astimezone(UTC).isoformat(timespec="seconds"),
            "command": self.command,
            "networks": [parts_dict(parts) for parts in self.parts],
            **({"measured": [one.to_dict() for one in self.measured]} if self.measured else {}),
        }

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
    against: object = None,
    rewrites: bool | Sequence[Mapping[str, Workload]] = False,
    splits: Sequence[Breakdown | None] = (),
    command: str = "",
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
        against: what the networks are held against: the name of a JSON file that an earlier report or cost was saved
            as, such a `Report`, or a network, which is weighed and estimated, too.
        rewrites: also exchange layers by the rules of `steelyard.rewrite` and see what that would save, which takes
            seconds a network; or what came out of it, for each network by rule.
        splits: for each network what `steelyard.breakdown` measured of it, or None.
        command: line that asked for the report, for its provenance.
        progress: called with what is being done.

    Raises:
        InputError: ``measured``, and too few networks were; or ``against`` does not have these networks.
        UsageError: no network was given, or a device has no peak for the network's data type.
        SteelyardError: whatever `steelyard.capture`, `steelyard.device` and `steelyard.estimate` raise.
    """
    if not networks:
        raise UsageError(
            "report() was given no network", expected="one or several", hint="sy.report('resnet50')"
        )
    if isinstance(devices, str):
        raise UsageError(f"devices={devices!r}", expected="several", hint=f"devices=[{devices!r}]")
    gather = Gatherer(devices, objective, dataflow, input_shape, progress)
    costs = tuple(gather.weigh(network) for network in networks)
    heading = title if title is not None else _title(costs)
    # read first: it may be no report at all
    old = gather.earlier(against) if against is not None else None
    placed = tuple(gather.place(cost.workload) for cost in costs) if devices else ()
    after = gather.rewritten(networks, costs, placed, rewrites) if rewrites is not False else ()
    return Report(
        costs,
        printable(heading),
        placed=placed,
        measured=gather.measured_here() if measured else (),
        against=gather.hold(costs, placed, old) if old is not None else (),
        cards=gather.cards(costs, placed),
        neighbours=gather.neighbours(costs),
        splits=tuple(splits),
        rewritten=after,
        command=printable(command),
    )


def _charts(found: AgainstMacs) -> tuple[Scatter, ...]:
    charts: tuple[Scatter, ...] = importlib.import_module("steelyard.measure.macs_chart").charts(
        found
    )
    return charts


def _title(costs: tuple[CostReport, ...]) -> str:
    names = [cost.workload.name for cost in costs]
    if len(names) == 1:
        return f"The cost of {names[0]}"
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return "The cost of " + (", ".join(names[:4]) + more if more else _and(names))


def _and(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1]
