"""`progress_file`: progress as a small JSON file, for a program that runs this one and shows how far it is.

The variable ``STEELYARD_PROGRESS`` names the file; it holds ``{"share": 0.25, "words": "mapping resnet50"}``, share null
where nothing is known, and is replaced a few times a second at most.
"""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path

_PAUSE_S = 0.2
_SHARE = re.compile(r"\s*([0-9]{1,3})%\s*(.*)", re.DOTALL)


class ProgressFile:
    """Writes the file; never fails.

    Args:
        path: the file.
        doing: what is being done.
    """

    def __init__(self, path: Path, doing: str) -> None:
        self._path, self._doing = path, doing
        self._last = 0.0
        self._write(None, doing)

    def say(self, doing: str) -> None:
        """What is being done, perhaps with a share before it: ``" 25% resnet50"``."""
        match = _SHARE.fullmatch(doing)
        if match is None:
            self._put(None, doing)
        else:
            self._put(int(match[1]) / 100, match[2])

    def step(self, done: float, every: float, what: str = "") -> None:
        """So much of all is done."""
        share = done / every if every else None
        self._put(share, f"{self._doing} {what}".strip())

    def _put(self, share: float | None, words: str) -> None:
        at = time.monotonic()
        if at - self._last >= _PAUSE_S:
            self._last = at
            self._write(share, words)

    def _write(self, share: float | None, words: str) -> None:
        part = self._path.with_suffix(".part")
        with suppress(OSError):
            part.write_text(json.dumps({"share": share, "words": words}), "utf-8")
            part.replace(self._path)


def progress_file(doing: str) -> ProgressFile | None:
    """The file, if somebody asks for it."""
    path = os.environ.get("STEELYARD_PROGRESS")
    return ProgressFile(Path(path), doing) if path else None
