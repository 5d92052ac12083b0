"""`write_file`: a file appears complete under its name, or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from steelyard.errors import InputError


def write_file(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Writes ``content`` to a temporary name beside ``path``, flushes it to disk and renames it.

    Text is written as UTF-8 with its line ends untouched. A symbolic link is followed. The
    temporary file is removed whatever happens.

    Raises:
        InputError: ``path`` is a directory, its folder does not exist, or it cannot be written.
    """
    if "\0" in os.fspath(path):
        raise InputError(f"a file name with a NUL character: {os.fspath(path)!r}")
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary: Path | None = None
    try:
        target = Path(os.path.realpath(path))
        check_place(path)
        temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
        _write(temporary, data)
        temporary.replace(target)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}",
            expected="a place that can be written",
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    return Path(path)


def check_place(path: str | os.PathLike[str]) -> None:
    """Whether a file may stand there, as far as one can see before it is written.

    Raises:
        InputError: it is a directory or another thing than a file, or its folder does not exist.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise InputError(f"{path} is a directory", expected="the name of a file to write")
    if not target.parent.is_dir():
        raise InputError(
            f"cannot write {path}: the folder {target.parent} does not exist",
            hint=f"mkdir -p {target.parent}",
        )
    if target.exists() and not target.is_file():
        raise InputError(f"{path} is not a regular file", expected="the name of a file to write")


def _write(path: Path, data: bytes) -> None:
    # O_EXCL: never through a file or link that somebody put there; 0o666 leaves the mode to the umask
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
