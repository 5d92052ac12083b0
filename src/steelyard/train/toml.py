"""Recipes as TOML: reading files and ``--set`` texts, writing plain data."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steelyard._toml import read_toml
from steelyard.errors import UnknownNameError, UsageError
from steelyard.train.recipe import Recipe, recipe_from

__all__ = ["dumps", "list_recipes", "load_recipe"]

_READY = Path(__file__).parent / "recipes"


def list_recipes() -> tuple[str, ...]:
    """The names of the recipes that come with steelyard."""
    return tuple(sorted(path.stem for path in _READY.glob("*.toml")))


def load_recipe(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe that comes with steelyard, by its name, or a TOML file of one's own.

    Args:
        source: a name of `list_recipes`, a path that ends in ``.toml``, or the folder of a run.
        overrides: ``key=value`` or ``table.key=value``, with values as TOML has them; text needs no
            quotes.

    Raises:
        UnknownNameError: no such recipe.
        FileFormatError: no such file, or it is no TOML.
        UsageError: an unknown key, a wrong value, or an override that is none.
    """
    text = str(source)
    if text in list_recipes():
        path = _READY / f"{text}.toml"
    elif text.endswith(".toml"):
        path = Path(source)
    elif (Path(source) / "recipe.toml").is_file():
        path = Path(source) / "recipe.toml"
    else:
        raise UnknownNameError(
            "recipe", text, list_recipes(), hint="steelyard train --list, or a file.toml"
        )
    values = read_toml(path, "recipe", "steelyard train --list")
    for override in overrides:
        _set(values, override)
    return recipe_from(values, path.stem)


def _set(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise UsageError(f"--set {override}", expected="key=value", hint="--set optimizer.lr=0.05")
    table = values
    for name in names[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise UsageError(f"--set {override}: {name} is no table of the recipe")
    table[names[-1]] = _value(text.strip())


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def dumps(values: Mapping[str, Any]) -> str:
    """Plain data as TOML, plain keys before tables.

    >>> print(dumps({"a": 1, "part": {"b": [0.5, 2.0], "c": "x"}}), end="")
    a = 1
    <BLANKLINE>
    [part]
    b = [0.5, 2.0]
    c = "x"
    """
    return "".join(_lines(values, ()))


def _lines(values: Mapping[str, Any], above: tuple[str, ...]) -> list[str]:
    lines = [f"{_key(k)} = {_text(v)}\n" for k, v in values.items() if not isinstance(v, Mapping)]
    for key, value in values.items():
        if isinstance(value, Mapping):
            path = (*above, _key(key))
            lines += [f"\n[{'.'.join(path)}]\n", *_lines(value, path)]
    return lines


def _key(name: str) -> str:
    plain = name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    return name if plain else _text(name)


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_text(item) for item in value)}]"
    if isinstance(value, Mapping):  # within a list
        pairs = (f"{_key(key)} = {_text(item)}" for key, item in value.items())
        return f"{{ {', '.join(pairs)} }}"
    # JSON's numbers, words and strings are TOML's, but for the DEL and characters in two halves
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
