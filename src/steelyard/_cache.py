"""`cache_folder`: where downloaded weights, measured devices and found mappings are kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """``$STEELYARD_CACHE``, or the place that the platform has for such files; it may not exist yet."""
    chosen = os.environ.get("STEELYARD_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(
            os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local"), "steelyard/Cache"
        )
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/steelyard"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "steelyard")
