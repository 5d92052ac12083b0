"""Writing and removing files of the store; a full disk is told as such."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steelyard.errors import SteelyardError
from steelyard.web.problems import Refused

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def room(what: str) -> Iterator[None]:
    """Within it a disk without room is a refusal.

    Args:
        what: is being kept, for the message.

    Raises:
        Refused: there is no room, or the store cannot be written for another reason.
    """
    try:
        yield
    except (OSError, SteelyardError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        if cause.errno in _FULL:
            raise Refused(
                507,
                "NoRoom",
                f"there is no room on the disk to keep {what}",
                hint="delete uploads and jobs, or other files",
            ) from error
        raise Refused(
            507,
            "NotKept",
            f"{what} cannot be kept: {cause.strerror or 'the store cannot be written'}",
        ) from error


def remove(folder: Path) -> None:
    """Removes a folder of the store: renamed first, so that it is gone even if not all of it can be removed."""
    gone = folder.with_name(f".gone-{folder.name}")
    try:
        folder.rename(gone)
    except OSError:
        gone = folder
    shutil.rmtree(gone, ignore_errors=True)


def clear(parent: Path) -> None:
    """Removes what was being written or removed when a server ended."""
    if parent.is_dir():
        for folder in parent.glob(".*-*"):
            shutil.rmtree(folder, ignore_errors=True)
