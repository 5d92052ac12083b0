"""Results as JSON: the same object as their ``to_dict()``, ASCII only, so that no terminal acts on it."""

from __future__ import annotations

import json
from typing import Any

from steelyard.errors import UsageError
from steelyard.report.table import Document, Table

TABLE_SCHEMA = "steelyard.table/1"


def to_json(result: object, *, indent: int | None = 2) -> str:
    """``result`` as JSON text.

    Raises:
        UsageError: ``result`` has no ``to_dict``.
    """
    return dumps(plain(result), indent=indent)


def dumps(data: Any, *, indent: int | None = None) -> str:
    """Plain data as strict JSON in ASCII; compact without ``indent``."""
    separators = (",", ":") if indent is None else None
    return json.dumps(
        data, indent=indent, ensure_ascii=True, allow_nan=False, separators=separators
    )


def plain(result: object) -> Any:
    """``result`` as dicts, lists, strings and numbers."""
    if isinstance(result, Table):
        return table_dict(result)
    if isinstance(result, Document):
        return {
            "schema": TABLE_SCHEMA,
            "title": result.title,
            "tables": [table_dict(table) for table in result.tables],
            "notes": list(result.notes),
            "warnings": list(result.warnings),
        }
    if isinstance(result, (tuple, list)):
        return [plain(item) for item in result]
    to_dict = getattr(result, "to_dict", None)
    if not callable(to_dict):
        raise UsageError(
            f"there is no JSON of a {type(result).__name__}",
            expected="a result of steelyard, which has to_dict()",
        )
    return to_dict()


def table_dict(table: Table) -> dict[str, Any]:
    """A table as plain data: rows are dicts by column key, in base units."""
    keys = [column.key for column in table.columns]

    def record(row: tuple[Any, ...]) -> dict[str, Any]:
        return dict(zip(keys, row, strict=True))

    return {
        "schema": TABLE_SCHEMA,
        "title": table.title,
        "rows": [record(row) for row in table.rows],
        "rest": [record(row) for row in table.rest],
        "total": record(table.total) if table.total is not None else None,
        "notes": list(table.notes),
    }
