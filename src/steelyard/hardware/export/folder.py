"""`write_files`: a network and its devices as a folder of files for Timeloop and ZigZag."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from steelyard.errors import InputError
from steelyard.hardware.device import Accelerator
from steelyard.hardware.export.parts import problems
from steelyard.hardware.export.timeloop import timeloop_architecture, timeloop_problem
from steelyard.hardware.export.zigzag import zigzag_accelerator, zigzag_mapping, zigzag_workload
from steelyard.workload.workload import Workload


def write_files(load: Workload, devices: Iterable[Accelerator], folder: Path) -> Path:
    """Writes ``timeloop/`` and ``zigzag/`` below a folder, which is made if need be; returns it.

    Timeloop gets a problem for each different layer, named after the first that has it. What one of the
    two formats cannot say is left out of it; the file then says why.

    Raises:
        InputError: the folder cannot be written.
    """
    files: dict[str, str] = {}
    seen = set()
    for number, (name, problem) in enumerate(problems(load), 1):
        if problem not in seen:
            seen.add(problem)
            files[f"timeloop/{number:03d}_{_plain(name)}.yaml"] = timeloop_problem(problem)
    for device in devices:
        name = _plain(device.name)
        for path, write in (
            (f"timeloop/{name}.arch.yaml", timeloop_architecture),
            (f"zigzag/{name}.accelerator.yaml", zigzag_accelerator),
            (f"zigzag/{name}.mapping.yaml", zigzag_mapping),
        ):
            try:
                files[path] = write(device)
            except InputError as error:
                files[path] = "".join(f"# {line}\n" for line in str(error).splitlines())
        files[f"zigzag/{_plain(load.name)}.{name}.workload.yaml"] = zigzag_workload(
            load, bits=device.bits
        )
    try:
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror or error}") from error
    return folder


def _plain(name: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip(".") or "_"
