"""`train`: trains a network by a recipe, in a folder that can be gone on with after any end."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from steelyard._version import __version__
from steelyard.errors import (
    InputError,
    MissingExtraError,
    SteelyardError,
    UsageError,
)
from steelyard.measure.environment import environment
from steelyard.measure.memory import keep_freed_memory
from steelyard.report.files import write_file
from steelyard.train.callbacks import Callback, callbacks_of
from steelyard.train.checkpoint import Checkpoint, newest
from steelyard.train.distributed import Group
from steelyard.train.faults import is_out_of_memory, out_of_memory, unwritable
from steelyard.train.feed import Feed, check_fit, feed_of
from steelyard.train.lock import sole_trainer
from steelyard.train.plots import save_curves
from steelyard.train.processes import check_alike, device_named, joined
from steelyard.train.progress import Watch
from steelyard.train.recipe import Recipe, differences
from steelyard.train.run import Run
from steelyard.train.session import Cadence, Session, Stopped
from steelyard.train.signals import StopRequests
from steelyard.train.state import seed_all
from steelyard.train.stepper import Stepper
from steelyard.train.toml import load_recipe

__all__ = ["train"]

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _How:
    """The arguments of `train` that do not decide the result."""

    device: torch.device
    root: Path | None
    cadence: Cadence
    callbacks: tuple[Callback, ...]
    watch: Watch
    say: Say


def train(
    recipe: Recipe | str | os.PathLike[str],
    *,
    run: str | os.PathLike[str] | None = None,
    resume: bool = False,
    device: str = "auto",
    data_root: Path | None = None,
    checkpoint_steps: int = 0,
    checkpoint_seconds: float = 300.0,
    keep_epochs: int = 0,
    callbacks: Sequence[Callback] = (),
    progress: Watch | None = None,
    say: Say | None = None,
) -> Run:
    """Trains a network.

    After any end (a signal, a crash, a full disk) ``resume=True`` goes on from the last checkpoint; on
    one CPU with the same number of threads the result is, bit for bit, that of a run without the end.
    SIGINT and SIGTERM save first. On Linux the C library is told to keep freed memory.

    Under ``torchrun`` all processes call this alike and train one network together; the first of them writes
    and speaks. ``device="auto"`` is a GPU for each, where there are some.

    Example: ``train("digits_lenet").best["test_top1"]``.

    Args:
        recipe: a recipe, the name of one that comes with steelyard, or a TOML file.
        run: the folder; ``runs/`` and the recipe's name if not given.
        resume: go on with what is in the folder.
        device: ``cpu``, ``cuda``, ``cuda:1``; ``auto`` is CUDA where there is some.
        data_root: as of `steelyard.load_data`.
        checkpoint_steps: save every so many steps, too; 0: not by steps.
        checkpoint_seconds: save when so many are over since the last time; 0: not by time.
        keep_epochs: keep what is saved after every so many epochs, too, as for the way of a training on a
            loss surface; 0: only the last two and the best. What was kept stays when the run is gone on with.
        callbacks: called besides those that the network needs.
        progress: told where the training stands, after every step.
        say: told what a user should know, in sentences; they are warnings if not given.

    Raises:
        UsageError: the folder holds a run and ``resume`` is not given, another process trains in it, or
            the recipe differs from the one it was begun with.
        InputError: the data does not fit the network or changed; the folder cannot be written.
        DivergedError: the loss or a gradient is not finite.
        BackendError: not enough memory, or another process of the training ended.
        KeyboardInterrupt: SIGINT or SIGTERM came; everything is saved.
    """
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(str(recipe))
    folder = Path(run) if run is not None else Path("runs") / chosen.name
    how = _How(
        device_named(device),
        data_root,
        Cadence(checkpoint_steps, checkpoint_seconds, keep_epochs),
        tuple(callbacks),
        progress or (lambda moment: None),
        say or (lambda text: warnings.warn(text, stacklevel=3)),
    )
    with joined(how.device) as group, ExitStack() as held:
        if group.leads:
            held.enter_context(_held(folder))
            _may_begin(folder, chosen, resume)
        group.wait()
        alone = (
            how if group.leads else replace(how, watch=lambda moment: None, say=lambda text: None)
        )
        _train(chosen, folder, alone, group)
    return Run(folder)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The folder, made if need be, and no other trainer's."""
    with _in_words(folder), _folder(folder), sole_trainer(folder):
        yield


@contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    """What the system says about the folder, in our words."""
    try:
        yield
    except OSError as error:
        raise unwritable(folder, error) from error


@contextmanager
def _folder(folder: Path) -> Iterator[None]:
    """The folder, which is removed again if nothing came into it."""
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if made and {path.name for path in folder.iterdir()} <= {".lock"}:
            with suppress(OSError):
                (folder / ".lock").unlink(missing_ok=True)
                folder.rmdir()


def _may_begin(folder: Path, recipe: Recipe, resume: bool) -> None:
    begun = (folder / "recipe.toml").exists()
    if not begun and {path.name for path in folder.iterdir()} > {".lock"}:
        raise UsageError(
            f"{folder} holds something else than a run", expected="a new folder", hint="--run NAME"
        )
    if begun and not resume:
        raise UsageError(
            f"there is a run in {folder}",
            expected="a new folder, or the wish to go on with it",
            hint="--resume, or --run NAME",
        )
    if resume and not begun:
        raise UsageError(f"there is no run in {folder} to resume", hint="without --resume")
    changed = differences(Run(folder).recipe, recipe) if begun else []
    if changed:
        raise UsageError(
            f"the run in {folder} was begun with another recipe: {'; '.join(changed)}",
            expected="the same recipe",
            hint=f"steelyard train {folder} --resume, or a new folder: --run NAME",
        )


def _train(recipe: Recipe, folder: Path, how: _How, group: Group) -> None:
    if how.device.type == "cpu":
        keep_freed_memory()
    seed_all(recipe.seed)
    network = recipe.network.build(recipe.stochastic_depth)
    if group.rank:  # the same network everywhere, but each its own dropout
        seed_all(recipe.seed, group.rank)
    feed = feed_of(recipe, device=how.device, group=group, root=how.root)
    _check_alike(recipe, feed, group)
    callbacks = (*callbacks_of(recipe, network), *how.callbacks)
    stepper = Stepper(recipe, network, device=how.device, group=group, callbacks=callbacks)
    check_fit(recipe, stepper.network, feed, how.device)
    found, damaged = group.agreed(newest(folder / "checkpoints") if group.leads else (None, []))
    for sentence in damaged:
        how.say(sentence)
    if damaged and found is None:
        how.say("no checkpoint is whole: training begins anew")
    facts = _facts(how.device, feed, group)
    _check_same(found, facts, folder, how.say)
    with StopRequests() as stop:
        session = Session(
            recipe, feed=feed, stepper=stepper, folder=folder, group=group,
            cadence=how.cadence, watch=how.watch, stop=stop,
        )  # fmt: skip
        try:
            if group.leads:
                write_file(folder / "recipe.toml", recipe.to_toml())
                _note_start(folder, facts, found)
            session.begin(found)
            session.run()
            _tell_left_out(group.gathered(feed.left_out), how.say)
        except Stopped:
            how.say(
                f"{stop.asked or 'a signal'}: saved at step {session.saved}; --resume goes on from there"
            )
            raise KeyboardInterrupt from None
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, SteelyardError) or not is_out_of_memory(error):
                raise
            raise out_of_memory(recipe, error) from error
        except OSError as error:
            raise unwritable(folder, error, step=session.at.step, kept=session.saved) from error
        finally:
            session.close()
    if group.leads:
        _draw(folder, recipe, how.say)


def _tell_left_out(every: Sequence[Sequence[str]], say: Say) -> None:
    reasons = sorted({reason for some in every for reason in some})
    if reasons:
        what = "1 image" if len(reasons) == 1 else f"{len(reasons):,} images"
        say(f"{what} left out: {reasons[0]}{', and others' if reasons[1:] else ''}")


def _check_alike(recipe: Recipe, feed: Feed, group: Group) -> None:
    facts = {
        "recipe": recipe.to_dict(),
        "data": feed.fingerprints,
        "torch": torch.__version__,
        "steelyard": __version__,
    }
    check_alike(group, facts)


def _facts(device: torch.device, feed: Feed, group: Group) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "device": name,
        "threads": torch.get_num_threads(),
        "processes": group.world,
        "fingerprints": list(feed.fingerprints),
        "environment": environment(),
    }


def _check_same(found: Checkpoint | None, facts: dict[str, Any], folder: Path, say: Say) -> None:
    """Other images are refused; another device or number of threads is said."""
    if found is None:
        return
    if found.facts["fingerprints"] != facts["fingerprints"]:
        raise InputError(
            "the data is not what the run was begun with: its fingerprint differs",
            expected="the same files",
            hint="a new folder: --run NAME",
        )
    starts = _starts(folder)
    before = starts[-1] if starts else facts
    for key in ("device", "threads", "processes"):
        if before.get(key, 1) != facts[key]:
            say(
                f"{key}: {before.get(key, 1)} before, {facts[key]} now; the result will not be bit for bit "
                "that of one go"
            )


def _starts(folder: Path) -> list[dict[str, Any]]:
    with suppress(OSError, ValueError):
        starts = json.loads((folder / "environment.json").read_text("utf-8"))
        return starts if isinstance(starts, list) else []
    return []


def _note_start(folder: Path, facts: dict[str, Any], found: Checkpoint | None) -> None:
    starts = [*_starts(folder), facts | {"from_step": found.step if found else 0}]
    write_file(folder / "environment.json", json.dumps(starts, indent=1) + "\n")


def _draw(folder: Path, recipe: Recipe, say: Say) -> None:
    run = Run(folder)
    try:
        save_curves(run.metrics(), folder / "curves.png", title=str(run.recipe.name))
    except MissingExtraError as error:
        say(f"no curves.png: {error.given}")
