"""Mappings found before, kept on disk by content: layer, device, objective, constraints.

One SQLite file in the cache folder, see `steelyard._kept`. What cannot be read is searched again, and said
in `MappingCache.notes`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from steelyard._cache import cache_folder
from steelyard._kept import Kept
from steelyard.hardware.device import Accelerator
from steelyard.hardware.evaluate import Access, Crossing, Evaluation
from steelyard.hardware.mapper_answer import Found, MapspaceKind
from steelyard.hardware.mapping import Loop, Mapping
from steelyard.hardware.mapspace import Constraints
from steelyard.hardware.problem import Problem

MODEL = 3
"""Raised when counts, energies or the mapspace change, so that old answers are not used."""


def key(
    problem: Problem,
    device: Accelerator,
    objective: str,
    constraints: Constraints,
    mapspace: MapspaceKind = "even",
) -> str:
    """What an answer depends on, as one word."""
    content = [MODEL, asdict(problem), device.digest, objective, asdict(constraints), mapspace]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class MappingCache:
    """Reads and writes found mappings; never fails, at worst it forgets.

    Args:
        path: the file; None: the usual place.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._kept = Kept(path or cache_folder() / "mappings.sqlite", "mappings")
        self.path, self.notes = self._kept.path, self._kept.notes

    def get(self, keys: list[str]) -> dict[str, Found]:
        """The answers that are there."""
        found: dict[str, Found] = {}
        for name, text in self._kept.get(keys).items():
            try:
                found[name] = _read(json.loads(text))
            except (ValueError, KeyError, TypeError, AttributeError):
                self.notes.append("a kept mapping could not be read and was searched again")
        return found

    def put(self, name: str, answer: Found) -> None:
        """Keeps an answer that is proven."""
        if answer.optimal:
            self._kept.put(name, json.dumps(asdict(answer)))


def _read(data: dict[str, Any]) -> Found:
    mapping = data["mapping"]
    loops = tuple(tuple(Loop(**loop) for loop in level) for level in mapping["loops"])
    keep = tuple((operand, tuple(names)) for operand, names in mapping["keep"])
    resident = tuple(mapping["resident"])
    begins = tuple((operand, name, number) for operand, name, number in mapping["begins"])
    evaluation = data["evaluation"]
    evaluation["accesses"] = tuple(Access(**a) for a in evaluation["accesses"])
    evaluation["crossings"] = tuple(Crossing(**c) for c in evaluation["crossings"])
    data = {
        **data,
        "mapping": Mapping(loops, keep, resident, begins),
        "evaluation": Evaluation(**evaluation),
    }
    return Found(**data)
