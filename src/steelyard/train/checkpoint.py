"""Checkpoints: folders that appear complete or not at all, and say by their hashes whether they still are.

``checkpoints/00000120/`` holds the state after 120 steps: ``model.safetensors``, ``state.safetensors``
(optimiser, random numbers), ``ema.safetensors`` where there is an average, and ``manifest.json`` with
the sha256 of each, of itself, and all that is no tensor. It is written under another name, flushed to
the disk and renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from steelyard.errors import FileFormatError
from steelyard.train.tensors import hash_file, write_tensors, write_through
from steelyard.zoo.weights.tensorfiles import read_tensors

__all__ = ["Checkpoint", "checkpoints", "load", "newest", "prune", "save"]

SCHEMA = "steelyard.checkpoint/1"
_MANIFEST = "manifest.json"
_STEP = re.compile(r"\d{8,}")
_TEMPORARY = ".writing-"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is in a checkpoint.

    Attributes:
        step: steps done.
        tensors: name of the file without its extension -> name -> tensor.
        facts: all else, as JSON has it.
    """

    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]
    facts: Mapping[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Writes a checkpoint below ``folder``; one of the same step is replaced.

    Raises:
        OSError: it could not be written; nothing is left of the attempt.
    """
    target = folder / f"{checkpoint.step:08d}"
    temporary = folder / f"{_TEMPORARY}{target.name}-{secrets.token_hex(4)}"
    try:
        temporary.mkdir(parents=True)
        files = {}
        for name, tensors in checkpoint.tensors.items():
            digest, size = write_tensors(temporary / f"{name}.safetensors", tensors)
            files[f"{name}.safetensors"] = {"sha256": digest, "bytes": size}
        manifest = {
            "schema": SCHEMA,
            "step": checkpoint.step,
            "files": files,
            "facts": dict(checkpoint.facts),
        }
        manifest["sha256"] = _digest(manifest)
        text = json.dumps(manifest, indent=1).encode()
        write_through(temporary / _MANIFEST, iter([text]))
        flush_folder(temporary)
        if target.exists():
            _remove(target)
        temporary.rename(target)
        flush_folder(folder)
    finally:
        if temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)
    return target


def load(path: Path) -> Checkpoint:
    """A checkpoint, once every hash in it is right.

    Raises:
        FileFormatError: it is not there, or not what was written.
    """
    try:
        manifest = json.loads((path / _MANIFEST).read_text("utf-8"))
        told = manifest.pop("sha256")
        if told != _digest(manifest) or manifest["schema"] != SCHEMA:
            raise FileFormatError(f"{path / _MANIFEST} is not as it was written")
        tensors = {}
        for name, entry in manifest["files"].items():
            if hash_file(path / name) != (entry["sha256"], entry["bytes"]):
                raise FileFormatError(f"{path / name} is not as it was written: its hash differs")
            tensors[name.removesuffix(".safetensors")] = read_tensors(path / name)
        return Checkpoint(manifest["step"], tensors, manifest["facts"])
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        if isinstance(error, FileFormatError):
            raise
        reason = error.strerror if isinstance(error, OSError) else ""
        raise FileFormatError(
            f"the checkpoint {path} is damaged: {reason or error}",
            expected="a folder that steelyard train wrote",
        ) from error


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints below a folder, oldest first, whole or not."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _STEP.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: int(path.name))


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, and a sentence for each newer one that is not.

    Unfinished attempts are removed; damaged checkpoints are left aside under the name ``NNN.damaged``.
    """
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name.startswith(_TEMPORARY):
                shutil.rmtree(path, ignore_errors=True)
    said: list[str] = []
    for path in reversed(checkpoints(folder)):
        try:
            return load(path), said
        except FileFormatError as error:
            said.append(f"{error.given}; the one before it is used, if there is one")
            aside = path.with_name(f"{path.name}.damaged")
            shutil.rmtree(aside, ignore_errors=True)
            with contextlib.suppress(OSError):
                path.rename(aside)
    return None, said


def prune(folder: Path, keep: set[int], *, last: int = 2) -> None:
    """Removes all checkpoints but the ``last`` newest and those of the steps in ``keep``."""
    for path in checkpoints(folder)[:-last]:
        if int(path.name) not in keep:
            _remove(path)


def _remove(path: Path) -> None:
    # under another name first: half of a checkpoint must not pass for one
    doomed = path.with_name(f"{_TEMPORARY}{path.name}-{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        path.rename(doomed)
        shutil.rmtree(doomed)


def flush_folder(path: Path) -> None:
    """Makes sure that the names in a folder are on the disk, where the system can."""
    with contextlib.suppress(OSError, AttributeError):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _digest(manifest: Mapping[str, Any]) -> str:
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
