"""`Store`: the trials of a search in a file, each written once when it is finished; and that one search at a time uses it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from steelyard._kept import Kept
from steelyard._sole import sole
from steelyard.design.search.result import Trial
from steelyard.errors import InputError, UsageError

SCHEMA = "steelyard.search-store/1"

_HEAD, _TRIAL, _PLANNED = "head", "trial-", "planned"


class Store:
    """The file of one search.

    Args:
        path: a SQLite file; it is made if it is missing.
        head: what the search is, as plain data: whoever goes on with it must mean the same.
        planned: trials that this session is to have in the file.

    Attributes:
        planned: that of the first session; very many in a file that does not say, whose populations were of 50.
        trials: that are kept.

    Raises:
        UsageError: the file is of another search; what differs is said.
        InputError: it cannot be read or written, or is none of ours.
    """

    def __init__(self, path: Path, head: Mapping[str, Any], planned: int) -> None:
        self.path = path
        self._kept = Kept(path, "trials", begin_anew=False)
        text = json.dumps({"schema": SCHEMA, **head, _PLANNED: planned})
        texts = self._kept.all()
        before, now = json.loads(texts.get(_HEAD, text)), json.loads(text)
        self.planned = int(before.pop(_PLANNED, sys.maxsize))
        if _HEAD in texts:
            del now[_PLANNED]
            self._same(before, now)
        elif texts:
            raise InputError(f"{path} lost what its search was", hint="another file: --store FILE")
        else:
            self._kept.put(_HEAD, text)
        self.trials: tuple[Trial, ...] = tuple(
            Trial.from_dict(json.loads(text))
            for key, text in texts.items()
            if key.startswith(_TRIAL)
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the file, a sentence each."""
        return tuple(dict.fromkeys(self._kept.notes))

    def put(self, trial: Trial) -> None:
        """Keeps a finished trial.

        Raises:
            InputError: it cannot be written.
        """
        try:
            self._kept.put(f"{_TRIAL}{trial.number:09d}", json.dumps(trial.to_dict()))
        except InputError as error:
            raise InputError(
                error.given,
                expected="room on its disk, and nobody else who holds it",
                hint="the same command again: finished trials are kept, and it goes on from there",
            ) from error

    def _same(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        old, new = _flat(before), _flat(now)
        lines = [
            f"{key}: {old.get(key, 'nothing')} before, {new.get(key, 'nothing')} now"
            for key in dict.fromkeys((*old, *new))
            if old.get(key) != new.get(key)
        ]
        if lines:
            raise UsageError(
                f"{self.path} holds another search\n" + "\n".join(lines),
                expected="the same space, objectives, constraints, strategy and seed",
                hint="another file: --store FILE",
            )


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = str(value)
    return found


def sole_search(path: Path) -> AbstractContextManager[None]:
    """Within it no other process searches with the same file.

    Raises:
        UsageError: another process searches with it.
        InputError: nothing can be written beside it.
    """
    lock = path.with_name(f"{path.name}.lock")
    return sole(lock, f"searches with {path}", "another file: --store FILE")
