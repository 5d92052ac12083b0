"""Training runs as the API tells them: those in a folder that the user named when the server was started."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from steelyard.errors import SteelyardError, UnknownNameError
from steelyard.train.run import Run

_MOST = 500
_ROWS = 1500
"""Steps that a curve needs; of more, some are left out."""


def list_runs(folder: str) -> dict[str, Any]:
    """The runs below a folder, schema ``steelyard.runs/1``; one that cannot be read is there with its error."""
    return {
        "schema": "steelyard.runs/1",
        "runs": [_brief(key, path, Path(folder)) for key, path in _runs(Path(folder)).items()],
    }


def one_run(folder: str, key: str) -> dict[str, Any]:
    """A run with its curves, schema ``steelyard.run-view/1``.

    Raises:
        UnknownNameError: no such run.
        FileFormatError: it is damaged.
    """
    runs = _runs(Path(folder))
    if key not in runs:
        raise UnknownNameError("run", key, runs, hint="GET /api/runs")
    run = Run.open(runs[key])
    told = run.to_dict()
    steps = run.metrics("step")
    return {
        "schema": "steelyard.run-view/1",
        "id": key,
        "name": runs[key].relative_to(folder).as_posix(),
        "finished": told["finished"],
        "recipe": told["recipe"],
        "best": told["best"],
        "epochs": told["epochs"],
        "steps": steps[:: len(steps) // _ROWS + 1],
    }


def _runs(folder: Path) -> dict[str, Path]:
    found = sorted(path.parent for path in folder.rglob("recipe.toml"))[:_MOST]
    return {
        hashlib.sha256(path.relative_to(folder).as_posix().encode()).hexdigest()[:16]: path
        for path in found
    }


def _brief(key: str, path: Path, folder: Path) -> dict[str, Any]:
    brief: dict[str, Any] = {"id": key, "name": path.relative_to(folder).as_posix(), "error": ""}
    try:
        run = Run.open(path)
        recipe = run.recipe.to_dict()
        return {
            **brief,
            "network": recipe.get("network"),
            "data": recipe.get("data"),
            "epochs": len(run.metrics("epoch")),
            "of": run.recipe.epochs,
            "finished": run.finished,
            "best": run.best,
        }
    except SteelyardError as error:
        return {**brief, "error": error.given}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return {**brief, "error": f"it cannot be read: {type(error).__name__}"}
