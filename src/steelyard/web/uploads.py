"""`Uploads`: files that users handed in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from steelyard.web.problems import Refused
from steelyard.web.settings import Limits


class Uploads:
    """The files of one store."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits

    async def workload(self, name: str, resolution: int | None) -> dict[str, Any]:
        """The network in a file."""
        raise Refused(404, "NotFound", f"there is no upload {name}")
