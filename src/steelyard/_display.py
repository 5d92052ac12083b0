"""`Printable`: lets any result print itself as the table, HTML or dict that `steelyard.report` makes of it.

Results know nothing of the report room (imports point the other way); the renderer is looked up by name
when somebody prints, see docs/decisions/0003.
"""

from __future__ import annotations

import importlib
from typing import Any


class Printable:
    """Mixin for results: ``str(result)`` is its terminal table, notebooks show its HTML."""

    __slots__ = ()

    def __str__(self) -> str:
        text: str = _renderer().to_text(self)
        return text

    def _repr_html_(self) -> str:
        html: str = _renderer().to_html_fragment(self)
        return html

    def __rich__(self) -> Any:
        return _renderer().to_rich(self)


def _renderer() -> Any:
    return importlib.import_module("steelyard.report.render")
