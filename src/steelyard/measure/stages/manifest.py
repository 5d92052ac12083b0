"""`StageManifest`: what a folder of exported stages holds, read from its ``stages.json`` and checked against the files."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.dynamic.threshold_file import thresholds_dict, thresholds_from
from steelyard.dynamic.thresholds import Thresholds
from steelyard.errors import FileFormatError, SteelyardError

__all__ = ["MANIFEST", "StageFile", "StageManifest", "is_stages", "load_manifest"]

MANIFEST = "stages.json"
SCHEMA = "steelyard.stages/1"
_MOST_BYTES = 20_000_000
_NAME = re.compile(r"[A-Za-z0-9_]+\.onnx")


@dataclass(frozen=True, slots=True)
class StageFile:
    """One stage.

    Attributes:
        file: name in the folder.
        sha256: of its content, in hex.
        inputs: names of the state that it takes; of the first stage the images.
        outputs: names of the state that it returns, after ``logits``; none of the last stage.
    """

    file: str
    sha256: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StageManifest:
    """A network in stages, as files.

    Attributes:
        network: its name.
        fingerprint: SHA-256 of its weights.
        input_shape: (C, H, W) of an image.
        classes: their names, in the order of the logits.
        transforms: what an image goes through first, as `steelyard.data.transforms` reads it.
        files: of the stages, in order.
        thresholds: when an image leaves; None where that is still to be chosen.
        costs: of leaving at each exit, cumulative, by unit: MACs, s, J.
    """

    network: str
    fingerprint: str
    input_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    transforms: tuple[str, ...]
    files: tuple[StageFile, ...]
    thresholds: Thresholds | None
    costs: Mapping[str, tuple[float, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.stages/1``."""
        return {
            "schema": SCHEMA,
            "network": self.network,
            "fingerprint": self.fingerprint,
            "input_shape": list(self.input_shape),
            "classes": list(self.classes),
            "transforms": list(self.transforms),
            "files": [
                {
                    "file": one.file,
                    "sha256": one.sha256,
                    "inputs": list(one.inputs),
                    "outputs": list(one.outputs),
                }
                for one in self.files
            ],
            "thresholds": None if self.thresholds is None else thresholds_dict(self.thresholds),
            "costs": {unit: list(values) for unit, values in self.costs.items()},
        }


def is_stages(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder has a manifest of stages."""
    return (Path(folder) / MANIFEST).is_file()


def load_manifest(folder: str | os.PathLike[str]) -> StageManifest:
    """The manifest of a folder; the files themselves are compared when they are read, by `stage_content`.

    Raises:
        FileFormatError: there is none, it is damaged, or its parts do not fit together.
        InputError: thresholds of another network.
    """
    path = Path(folder) / MANIFEST
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise FileFormatError(f"{path} is too large for a manifest")
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise FileFormatError(
            f"{path} cannot be read: {error.strerror or error}",
            expected="a folder of exported stages",
            hint="steelyard evaluate RUN --budget 30M --export FOLDER",
        ) from error
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is no JSON file", expected=f"schema {SCHEMA}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise FileFormatError(f"{path}: schema {found!r}", expected=SCHEMA)
    try:
        found = _manifest(data, str(path))
        _check(found)
    except SteelyardError as error:
        raise type(error)(
            f"{path}: {error.given}", expected=error.expected, hint=error.hint
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(
            f"{path}: {type(error).__name__}: {error}", expected=f"a file of schema {SCHEMA}"
        ) from error
    return found


def stage_content(folder: str | os.PathLike[str], stage: StageFile) -> bytes:
    """The bytes of a stage's file.

    Raises:
        FileFormatError: it is missing, or not what was exported.
    """
    path = Path(folder) / stage.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror or error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != stage.sha256:
        raise FileFormatError(
            f"{path} is not the file that was exported: SHA-256 {found[:16]}…, not {stage.sha256[:16]}…",
            expected="all files of one export",
            hint="export the stages again",
        )
    return content


def _manifest(data: Mapping[str, Any], origin: str) -> StageManifest:
    thresholds = data["thresholds"]
    channels, height, width = (int(size) for size in data["input_shape"])
    return StageManifest(
        network=_text(data["network"]),
        fingerprint=_text(data["fingerprint"]),
        input_shape=(channels, height, width),
        classes=_texts(data["classes"]),
        transforms=_texts(data["transforms"]),
        files=tuple(
            StageFile(
                _text(one["file"]),
                _text(one["sha256"]),
                _texts(one["inputs"]),
                _texts(one["outputs"]),
            )
            for one in data["files"]
        ),
        thresholds=(
            None
            if thresholds is None
            else thresholds_from(thresholds, model=data["fingerprint"], origin="its thresholds")
        ),
        costs={
            _text(unit): tuple(float(value) for value in values)
            for unit, values in data["costs"].items()
        },
    )


def _check(found: StageManifest) -> None:
    """That the parts fit together."""
    exits = len(found.files)
    if not exits or not found.classes or min(found.input_shape) < 1:
        raise FileFormatError("no stages, no classes or no pixels", expected="one or more of each")
    for index, one in enumerate(found.files):
        if not _NAME.fullmatch(one.file):
            raise FileFormatError(
                f"stage {index + 1} is in the file {one.file!r}",
                expected="the name of an ONNX file in the same folder",
            )
        after = found.files[index + 1].inputs if index + 1 < exits else ()
        if one.outputs != after:
            raise FileFormatError(
                f"stage {index + 1} returns {', '.join(one.outputs) or 'nothing'}, and the next takes "
                f"{', '.join(after) or 'nothing'}",
                expected="each stage's state to be what the next one takes",
            )
    if found.thresholds is not None and found.thresholds.exits != exits:
        raise FileFormatError(
            f"thresholds for {found.thresholds.exits} exits and {exits} stages", expected="as many"
        )
    for unit, values in found.costs.items():
        if len(values) != exits:
            raise FileFormatError(
                f"{len(values)} costs in {unit} and {exits} stages", expected="as many"
            )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise FileFormatError(f"{value!r} where text was expected")
    return value


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise FileFormatError(f"{values!r} where a list of texts was expected")
    return tuple(_text(value) for value in values)
