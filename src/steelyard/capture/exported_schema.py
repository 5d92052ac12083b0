"""Positional order of an operator's arguments, for files that do not tell it."""

from __future__ import annotations

import re

_NAME = re.compile(r"torch\.ops\.([A-Za-z]\w*)\.([A-Za-z_]\w*)\.([A-Za-z]\w*)")


def schema_order(
    target: str, named: list[tuple[str, object, bool]]
) -> list[tuple[str, object, bool]]:
    """``named`` arguments (name, value, positional) with those that lead the schema made positional.

    Asks torch for the schema of ``target``; for an operator that it does not know the order is kept.
    """
    schema = _schema_names(target)
    given = {name: value for name, value, _ in named}
    if schema is None or len(given) != len(named) or not given.keys() <= set(schema):
        return named
    ordered: list[tuple[str, object, bool]] = []
    leading = True
    for name in schema:
        leading = leading and name in given
        if name in given:
            ordered.append((name, given[name], leading))
    return ordered


def _schema_names(target: str) -> list[str] | None:
    match = _NAME.fullmatch(target)
    if match is None:
        return None
    import torch

    try:
        overload = getattr(getattr(getattr(torch.ops, match[1]), match[2]), match[3])
        return [argument.name for argument in overload._schema.arguments]
    except (AttributeError, RuntimeError):
        return None
