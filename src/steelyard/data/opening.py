"""`open_data`: a file of a data set opened for reading, or an error that says why it is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from steelyard.errors import FileFormatError


@contextmanager
def open_data(path: Path, expected: str) -> Iterator[BinaryIO]:
    """The file, and errors of the disk while it is read in words.

    Raises:
        FileFormatError: no such file, no file but a folder or a pipe, or one that may not be read.
    """
    try:
        # a pipe would be waited for until the end of time
        if not path.is_file():
            what = "is no regular file" if path.exists() else "does not exist"
            raise FileFormatError(f"{path} {what}", expected=expected)
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise FileFormatError(
            f"{path} cannot be read: {error.strerror or error}", expected=expected
        ) from error
