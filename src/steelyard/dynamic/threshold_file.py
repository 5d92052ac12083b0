"""Thresholds as JSON files: `save_thresholds`, and `load_thresholds`, which refuses those of another network."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelyard.dynamic.learnt import Learnt
from steelyard.dynamic.policies import PLAIN, Policy
from steelyard.dynamic.thresholds import Thresholds
from steelyard.errors import FileFormatError, InputError, SteelyardError
from steelyard.report.files import write_file
from steelyard.report.jsontext import dumps

__all__ = ["load_thresholds", "save_thresholds", "thresholds_dict", "thresholds_from"]

SCHEMA = "steelyard.thresholds/1"
_MOST_BYTES = 10_000_000
_NEVER, _ALWAYS = "never", "always"


def thresholds_dict(thresholds: Thresholds) -> dict[str, Any]:
    """Plain data, schema ``steelyard.thresholds/1``; infinite thresholds are ``never`` and ``always``."""
    return {
        "schema": SCHEMA,
        "model": thresholds.model,
        "policy": thresholds.policy.to_dict(),
        "thresholds": [_plain(value) for value in thresholds.values],
        "temperatures": list(thresholds.temperatures),
        "budget": thresholds.budget,
        "unit": thresholds.unit,
    }


def save_thresholds(thresholds: Thresholds, path: str | os.PathLike[str]) -> Path:
    """Writes a file that `load_thresholds` reads, completely or not at all.

    Raises:
        InputError: ``path`` cannot be written.
    """
    return write_file(path, dumps(thresholds_dict(thresholds), indent=2) + "\n")


def load_thresholds(path: str | os.PathLike[str], *, model: str | None = None) -> Thresholds:
    """Reads a file of `save_thresholds`.

    Args:
        path: the file.
        model: fingerprint of the network that they are to be used with; None: unchecked.

    Raises:
        FileFormatError: no such file, or not of this schema.
        InputError: solved for another network.
    """
    try:
        if Path(path).stat().st_size > _MOST_BYTES:
            raise FileFormatError(f"{path} is too large for thresholds")
        data = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is no JSON file", expected=f"schema {SCHEMA}") from error
    return thresholds_from(data, model=model, origin=str(path))


def thresholds_from(
    data: object, *, model: str | None = None, origin: str = "the thresholds"
) -> Thresholds:
    """The thresholds whose `thresholds_dict` this is.

    Args:
        data: plain data.
        model: fingerprint of the network that they are to be used with; None: unchecked.
        origin: how errors call the data.

    Raises:
        FileFormatError: not of this schema.
        InputError: solved for another network.
    """
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, Mapping) else type(data).__name__
        raise FileFormatError(f"{origin}: schema {found!r}", expected=SCHEMA)
    try:
        found = Thresholds(
            policy_from(data["policy"]),
            tuple(_number(value) for value in data["thresholds"]),
            tuple(float(value) for value in data["temperatures"]),
            _text(data["model"]),
            None if data["budget"] is None else float(data["budget"]),
            _text(data["unit"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        said = (
            error.given if isinstance(error, SteelyardError) else f"{type(error).__name__}: {error}"
        )
        raise FileFormatError(f"{origin}: {said}", expected=f"a file of schema {SCHEMA}") from error
    if model is not None and found.model and found.model != model:
        raise InputError(
            f"{origin}: solved for another network (fingerprint {found.model[:16]}…, not {model[:16]}…)",
            expected="thresholds that were solved for this network with these weights",
            hint="solve_thresholds(...) on its validation data",
        )
    return found


def policy_from(data: object) -> Policy:
    """The policy whose ``to_dict`` this is.

    Raises:
        FileFormatError: it is that of none.
    """
    name = data.get("name") if isinstance(data, Mapping) else None
    if isinstance(data, Mapping) and name == Learnt.name:
        return Learnt.from_dict(data)
    if not isinstance(name, str) or name not in PLAIN:
        raise FileFormatError(
            f"the policy {name!r} is unknown", expected=", ".join((*PLAIN, "learnt"))
        )
    return PLAIN[name]()


def _plain(value: float) -> float | str:
    if math.isinf(value):
        return _NEVER if value > 0 else _ALWAYS
    return value


def _number(value: object) -> float:
    if value in (_NEVER, _ALWAYS):
        return math.inf if value == _NEVER else -math.inf
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise FileFormatError(f"the threshold {value!r}", expected="a number, never or always")
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise FileFormatError(f"{value!r} where text was expected")
    return value
