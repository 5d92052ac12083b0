"""`Captures`: networks of the zoo that were captured before, kept so that neither torch nor the zoo is loaded again.

An entry's key names all that a capture depends on: SOURCE, shapes and batch, the content of every file of this
package, and which torch and Python there are. A package that changes while a process runs is not what that
process has loaded; nothing is kept then. Files (.onnx, .pt2, .json) are read without torch and not kept.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import steelyard
from steelyard._cache import cache_folder
from steelyard._kept import Kept
from steelyard.errors import FileFormatError
from steelyard.workload import Workload

MOST = 500
"""Captures that are kept; the oldest go. One takes about 10 kB."""

_PERHAPS_ZOO = re.compile(r"[a-z][a-z0-9_]*(:[^=]+=.*)?")
_SLACK_S = 1.0
"""Clocks of files are coarse, and the first modules are loaded before anybody looks at the time."""


class Captures:
    """Reads and writes captures; never fails, at worst it forgets.

    Args:
        begun: when this process began to load the package, in seconds since the epoch.
        path: the file; None: the usual place.
    """

    def __init__(self, begun: float, path: Path | None = None) -> None:
        self._kept = Kept(path or cache_folder() / "captures.sqlite", "captures", most=MOST)
        self._begun = begun
        self.notes = self._kept.notes

    def get(self, source: str, input_shape: object, batch: int | None) -> Workload | None:
        """The workload of a SOURCE, if it is kept."""
        key = _key(source, input_shape, batch)
        text = self._kept.get([key]).get(key) if key else None
        if text is None:
            return None
        try:
            return Workload.from_json(zlib.decompress(base64.b85decode(text)))
        except (ValueError, zlib.error, FileFormatError):
            self.notes.append(f"the kept capture of {source} could not be read and is made anew")
            return None

    def put(self, source: str, input_shape: object, batch: int | None, load: Workload) -> None:
        """Keeps the workload of a network of the zoo."""
        key = _key(source, input_shape, batch)
        if key and _last_change() < self._begun - _SLACK_S:
            text = base64.b85encode(zlib.compress(load.to_json().encode(), 6)).decode()
            self._kept.put(key, text)


def _key(source: str, input_shape: object, batch: int | None) -> str:
    """What a capture depends on, as one word; "" where nothing is kept."""
    text = source.strip()
    spec = importlib.util.find_spec("torch")
    if not _PERHAPS_ZOO.fullmatch(text) or spec is None or spec.origin is None:
        return ""
    try:
        # has version, commit and kind of build; reading it does not import torch
        torch = Path(spec.origin).with_name("version.py").read_bytes()
        parts = [text, repr((input_shape, batch)), sys.version, torch.hex(), package_digest()]
    except OSError:
        return ""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def package_digest(folder: Path | None = None) -> str:
    """SHA-256 of the names and contents of all files of this package (or of a folder), as hex.

    Raises:
        OSError: they are no files, or cannot be read.
    """
    digest = hashlib.sha256()
    root = folder or Path(steelyard.__file__).parent
    for entry in _files(root):
        content = hashlib.sha256(Path(entry).read_bytes()).hexdigest()
        digest.update(f"{os.path.relpath(entry, root)} {content}\n".encode())
    return digest.hexdigest()


def _last_change() -> float:
    """When a file of this package was last changed or put there, in seconds since the epoch."""
    times = (entry.stat() for entry in _files(Path(steelyard.__file__).parent))
    return max(max(found.st_mtime, found.st_ctime) for found in times)


def _files(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """All files below, in the order of their names, but what Python has compiled."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if not entry.is_dir():
            yield entry
        elif entry.name != "__pycache__":
            yield from _files(entry.path)
