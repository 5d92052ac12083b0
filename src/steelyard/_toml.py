"""`read_toml`: a TOML file of the user's, with errors that say what it should have been."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from steelyard.errors import FileFormatError

_LARGEST = 2**20


def read_toml(path: Path, what: str, hint: str = "") -> dict[str, Any]:
    """The tables of a file.

    Args:
        path: of the file.
        what: it is, for messages: ``recipe``.
        hint: where there are some.

    Raises:
        FileFormatError: it cannot be read, is larger than 1 MiB, or is no TOML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise FileFormatError(
            f"the {what} {path} cannot be read: {error.strerror or error}",
            expected="a TOML file",
            hint=hint,
        ) from error
    if len(content) > _LARGEST:
        raise FileFormatError(f"{path} is no {what}: over {_LARGEST} bytes")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is no TOML: {error}") from error
