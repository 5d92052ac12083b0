"""`write_atomic`: files that matter appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from steelyard.errors import UsageError


def write_atomic(path: Path | str, content: str | bytes) -> Path:
    """Writes ``content`` (text as UTF-8) to a temporary file beside ``path``, flushes and renames it.

    A symbolic link is followed. What is no regular file (a pipe, a terminal) is written to directly.

    Returns:
        The path that was written.

    Raises:
        UsageError: it cannot be written; nothing is left behind.
    """
    data = content.encode() if isinstance(content, str) else content
    target = Path(path)
    try:
        real = target.resolve()
        if real.exists() and not real.is_file() and not real.is_dir():
            real.write_bytes(data)
        else:
            _replace(real, data)
    except OSError as error:
        raise UsageError(
            f"cannot write {str(target)!r}: {error.strerror or error}",
            expected="a path in a folder that exists and can be written to",
        ) from error
    return target


def _replace(path: Path, data: bytes) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
