"""`optimize`: the fastest way to run a network on this machine whose outputs stay within a tolerance."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.errors import InputError, SteelyardError, UsageError
from steelyard.measure.child import available_cores, cores_for
from steelyard.measure.environment import environment, load_average
from steelyard.measure.optimize_network import Task
from steelyard.measure.optimize_result import Optimized, Trial, Workspace
from steelyard.measure.optimize_save import check_target
from steelyard.measure.optimize_search import Lab, OwnProcess, Search, Tell, all_tried
from steelyard.measure.recipes import Plan, plan
from steelyard.measure.session import Job

if TYPE_CHECKING:
    from torch import nn

File = str | os.PathLike[str]


def optimize(
    network: str | nn.Module,
    *,
    target: File | None = None,
    batch: int = 1,
    threads: int | None = None,
    input_shape: Sequence[int] | None = None,
    tolerance: float = 1e-4,
    images: File | Sequence[File] = (),
    weights: str = "",
    agreement: float = 0.99,
    calibrate: str = "images",
    compiled: bool = False,
    budget_s: float = 25.0,
    thorough: bool = False,
    progress: Tell | None = None,
    partial: Callable[[Optimized], None] | None = None,
) -> Optimized:
    """Tries what this machine offers, and returns the fastest recipe whose outputs are right.

    A SOURCE runs in child processes, with their threads pinned; a module runs here. Every recipe's outputs are
    compared with those of PyTorch in float32 before its time counts: on noise, or on the images.

    Args:
        network: a zoo name, an ONNX file, ``package.module:callable``, or a module.
        target: the file to write in the end: ``.onnx``, ``.xml`` or ``.pt2``; see `Optimized.save`.
        batch: samples in an inference.
        threads: default: as many as this process may use cores.
        input_shape: (N, C, H, W) of one input, N is replaced; default: the network's own.
        tolerance: outputs may differ from float32 by this share of the largest; from 1e-3 on bfloat16 is
            tried, from 1e-2 on 8 bits.
        images: photographs, or a folder of them: outputs are compared on them, and 8 bits calibrated with
            every second one. A zoo network then has its pretrained weights.
        weights: of a zoo network: a source as for `create`, or "random".
        agreement: share of the images that must keep their most probable class.
        calibrate: "images", or "random": calibrate 8 bits with noise, where there are no images.
        compiled: try ``torch.compile``, too, which takes half a minute and more.
        budget_s: seconds; what is being tried when they are up is finished.
        thorough: then try and compare everything, whatever time it takes, and say what the search had chosen.
        progress: told what happens.
        partial: given what is known, when Ctrl-C ends the search or the target cannot be written.

    Raises:
        UsageError: an impossible setting, or a network that cannot be run.
        InputError: the target cannot be written, or an image not be read.
        BackendError: the network does not run as it is, or the file's outputs are not right.
    """
    path = None if target is None else Path(target)
    if path is not None:
        check_target(path)
    _check(tolerance, agreement, calibrate, budget_s)
    photos = _files(images)
    model = None if isinstance(network, str) else network
    job = Job(
        network if isinstance(network, str) else "",
        "eager", batch, threads or available_cores(), tuple(input_shape) if input_shape else None,
        tolerance, warmup_s=0.0,
    )  # fmt: skip
    kept = Workspace.of(Task(job, photos, weights), model)
    search = Search(
        kept.task,
        _opener(job, model),
        least_agreement=agreement if photos else 0.0,
        budget_s=budget_s,
        suffix="" if path is None else path.suffix,
        tell=progress or (lambda doing, share: None),
    )
    try:
        planned = plan(
            tolerance=tolerance,
            calibrated=bool(photos) or calibrate == "random",
            has_module=search.open()["has_module"],
            flags=environment().get("flags", "").split(),
            in_child=model is None,
            compiled=compiled,
            batch=batch,
        )
        try:
            search.run(planned, thorough=thorough)
        except KeyboardInterrupt:
            if planned.baseline in search.trials and partial is not None:
                partial(_cut_short(_result(search, planned, kept, agreement)))
            raise
    finally:
        search.close()
    found = _result(search, planned, kept, agreement)
    if path is not None:
        _save(found, path, partial)
    return found


def _cut_short(known: Optimized) -> Optimized:
    return replace(known, notes=("Interrupted: not everything was tried.", *known.notes))


def _save(found: Optimized, path: Path, partial: Callable[[Optimized], None] | None) -> None:
    """Writes the file; what was found is not lost where that fails."""
    try:
        found.save(path)
    except SteelyardError:
        if partial is not None:
            partial(found)
        raise


_IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".gif", ".avif")


def _check(tolerance: float, agreement: float, calibrate: str, budget_s: float) -> None:
    if not 0 < tolerance < 1:
        raise UsageError(f"a tolerance of {tolerance}", expected="more than 0 and less than 1")
    if not 0 <= agreement <= 1:
        raise UsageError(f"an agreement of {agreement}", expected="a share from 0 to 1")
    if calibrate not in ("images", "random"):
        raise UsageError(f"calibration with {calibrate!r}", expected="images or random")
    if not budget_s > 0:
        raise UsageError(f"a budget of {budget_s} s", expected="more than 0")


def _files(images: File | Sequence[File]) -> tuple[str, ...]:
    """Photographs; of a folder those in it."""
    given = [images] if isinstance(images, (str, os.PathLike)) else list(images)
    found: list[str] = []
    for item in map(Path, given):
        if not item.is_dir():
            found.append(str(item))
            continue
        inside = sorted(str(x) for x in item.iterdir() if x.suffix.lower() in _IMAGES)
        if not inside:
            raise InputError(f"{item} holds no photographs", expected=", ".join(_IMAGES))
        found += inside
    return tuple(found)


def _opener(job: Job, model: nn.Module | None) -> Callable[[bool], Lab | OwnProcess]:
    if model is not None:
        return lambda keep_freed: OwnProcess(model)
    cores = cores_for(job.threads or available_cores())
    return lambda keep_freed: Lab(job, cores)


def _result(search: Search, planned: Plan, kept: Workspace, agreement: float) -> Optimized:
    task, facts = search.task, search.opened
    known: list[Trial] = list(all_tried(search, planned))
    return Optimized(
        network=task.job.source or facts["name"],
        weights=facts["weights"],
        batch=task.job.batch,
        threads=task.job.threads or available_cores(),
        input_shapes=tuple(tuple(shape) for shape in facts["shapes"]),
        tolerance=task.job.tolerance or 0.0,
        photographs=len(task.photos),
        least_agreement=agreement,
        baseline=search.trials[planned.baseline],
        trials=tuple(known),
        search_s=search.first_s or search.elapsed_s,
        first_choice=search.first_choice,
        notes=_notes(search, known),
        environment=environment(),
        workspace=kept,
    )


def _notes(search: Search, trials: Sequence[Trial]) -> tuple[str, ...]:
    notes = []
    calibrated = any(t.recipe.precision == "int8" and t.median_s for t in trials)
    count = len(search.task.photos)
    if count:
        half = -(-count // 2)
        notes.append(
            f"Outputs were compared on {count} photographs"
            + (f", of which every second ({half}) calibrated the 8 bits." if calibrated else ".")
        )
    elif calibrated:
        notes.append(
            "8 bits were calibrated with noise: what that does to real images was not seen."
        )
    if not search.opened.get("weights") and search.opened.get("has_module"):
        notes.append("The weights may be random: outputs then say nothing about accuracy.")
    if search.first_choice is not None:
        first = search.trials[search.first_choice]
        best = min(t.median_s for t in search.trials.values() if t.median_s is not None)
        notes.append(
            f"Within the time {first.recipe} had been chosen, which takes {(first.median_s or 0.0) / best:.2f} "
            "of the best's time; then everything was tried and compared."
        )
    load = load_average()
    if load is not None and load > 1.25 * available_cores():
        notes.append(
            f"The load of the machine is {load:.1f} on {available_cores()} cores: ratios hold better than times."
        )
    stored = search.suffix
    timed = [t for t in search.trials.values() if t.median_s is not None]
    fastest = min(timed, key=lambda t: t.median_s or 0.0)
    if stored and not fastest.recipe.fits(stored):
        notes.append(
            f"The fastest, {fastest.recipe}, cannot be stored as {stored}; the best that can was."
        )
    return tuple(notes)
