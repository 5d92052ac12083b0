"""Any result as text, rich renderable, HTML fragment, Markdown, CSV or JSON: one function each.

All but JSON go through `document`, which knows what each type of result has to say.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from steelyard.cost import Comparison, CostReport
from steelyard.report import csvtext, fragment, jsontext, markdown, terminal
from steelyard.report.costs import BY, SORT, By, SortKey, cost_table, layer_records
from steelyard.report.differences import changes_table, comparison_document
from steelyard.report.document import cost_document, document, findings_table
from steelyard.report.table import Column, Document, Table
from steelyard.workload import Workload

__all__ = [
    "BY",
    "SORT",
    "By",
    "Column",
    "Document",
    "HasRecords",
    "SortKey",
    "Table",
    "comparison_document",
    "cost_document",
    "cost_table",
    "document",
    "findings_table",
    "to_csv",
    "to_html_fragment",
    "to_json",
    "to_markdown",
    "to_rich",
    "to_text",
]


@runtime_checkable
class HasRecords(Protocol):
    """A result that brings its own CSV."""

    def records(self) -> Table:
        """Everything it knows as one flat table."""
        ...


def to_text(result: object, *, width: int | None = None, ascii_only: bool = False) -> str:
    """``result`` as plain text; see `steelyard.report.terminal.to_text`.

    Raises:
        UsageError: nothing that has a report.
    """
    return terminal.to_text(document(result), width=width, ascii_only=ascii_only)


def to_rich(result: object) -> terminal.TerminalDocument:
    """``result`` as a rich renderable that fits itself to the console.

    Raises:
        UsageError: nothing that has a report.
    """
    return terminal.TerminalDocument(document(result))


def to_html_fragment(result: object) -> str:
    """``result`` as HTML for a notebook: one ``div``, inline style, no script.

    Raises:
        UsageError: nothing that has a report.
    """
    return fragment.to_html_fragment(document(result))


def to_markdown(result: object, *, level: int = 2) -> str:
    """``result`` as Markdown under a heading of ``level``.

    Raises:
        UsageError: nothing that has a report.
    """
    return markdown.to_markdown(document(result), level=level)


def to_csv(result: object) -> str:
    """``result`` as CSV with full precision: for a cost report every layer with every field.

    Raises:
        UsageError: nothing that has a table.
    """
    return csvtext.to_csv(_records(result))


def to_json(result: object, *, indent: int | None = 2) -> str:
    """``result`` as JSON, the same object as its ``to_dict()``.

    Raises:
        UsageError: ``result`` has no ``to_dict``.
    """
    return jsontext.to_json(result, indent=indent)


def _records(result: object) -> Table:
    if isinstance(result, Workload):
        result = CostReport(result)
    if isinstance(result, CostReport):
        return layer_records(result)
    if isinstance(result, Comparison):
        return changes_table(result, show_all=True)
    if isinstance(result, HasRecords):
        return result.records()
    tables = document(result).tables
    return tables[0] if tables else Table("", (), ())
