"""`evaluate`: how good a network is on a data set; `evaluate_batches` for whoever has batches already."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from steelyard.data.dataset import Dataset
from steelyard.data.loader import Batch, Loader
from steelyard.data.transforms import parse_transforms
from steelyard.errors import BackendError, InputError, ModelError, ShapeError, UsageError
from steelyard.train.calibration import BINS
from steelyard.train.distributed import Group
from steelyard.train.evaluation import About, Evaluation, OutputScore, merge
from steelyard.train.processes import check_alike, device_named, joined
from steelyard.train.scores import Scores, join, score
from steelyard.train.subject import Subject, subject_of

if TYPE_CHECKING:
    from steelyard.train.run import Run

__all__ = [
    "PRECISIONS",
    "Precision",
    "evaluate",
    "evaluate_batches",
    "evaluate_share",
    "named_logits",
]

Precision = Literal["fp32", "bf16", "fp16"]

PRECISIONS: dict[str, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
"""What matrix products and convolutions are computed in; the last two by autocast."""


def evaluate(
    network: nn.Module | Run | str | os.PathLike[str],
    *,
    data: str | Dataset | None = None,
    split: str = "test",
    transforms: Sequence[str] | None = None,
    batch: int = 256,
    workers: int = 0,
    on_corrupt: Literal["fail", "skip"] = "fail",
    weights: str | os.PathLike[str] | None = None,
    checkpoint: Literal["best", "last"] = "best",
    device: str | None = None,
    precision: Precision = "fp32",
    bins: int = BINS,
    shard: tuple[int, int] | Literal["processes"] = (0, 1),
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """How good a network is on a data set; the network is left as it was.

    Example: ``evaluate("runs/first", data="fashion_mnist").top1``.

    Args:
        network: a module with its weights, a run or its folder, or a network as on the command line:
            ``resnet50``, ``resnet20_cifar:num_classes=10``, ``package.module:callable``.
        data: as `steelyard.load_data` takes it, or a data set; a run has its own.
        split: ``train``, ``test``, or ``validation``: what the recipe of a run kept from training.
        transforms: as `steelyard.data.transforms.parse_transforms` takes them; random ones are passed over.
            Of a run its own, of published weights those that they were trained for, else ``normalize``.
        batch: images at once.
        workers: processes that read images from files.
        on_corrupt: an image that cannot be read ends the evaluation, or is left out; how many are missing is noted.
        weights: of a network by name: the name of a source, a file, or ``random``; else the first source.
        checkpoint: of a run.
        device: where to compute, as of `steelyard.train`; a module is moved there. None: where it is.
        precision: in what to compute; probabilities and losses are float64 always.
        bins: of the calibration.
        shard: (i, n): part i of n, whole batches, to be joined by `steelyard.train.evaluation.merge`: bit for bit
            what one process computes. ``processes``: all that ``torchrun`` began call this alike, each takes its
            part, and all return the whole; without ``torchrun`` the whole is one part.
        progress: called with (images done by all shards, all).

    Raises:
        UsageError: no data, no weights, a shard or a device that does not exist.
        InputError: the network has other classes than the data, or logits that are not finite; an empty shard;
            processes that evaluate different things.
        ModelError: the network raised.
        BackendError: not enough memory, or another process ended.
        UnknownNameError, FileFormatError, MissingExtraError: as `load_data` and `create`.
    """
    with _processes(shard) as (group, part, parts):
        subject = subject_of(network, weights=weights, checkpoint=checkpoint)
        found = subject.dataset(data, split)
        steps = transforms if transforms is not None else subject.transforms
        loader = Loader(
            found, batch=batch, transforms=parse_transforms(steps), workers=workers, rank=part, world=parts,
            on_corrupt=on_corrupt, deal=True,
        )  # fmt: skip
        module = subject.network if device is None else subject.network.to(device_named(device))
        about = subject.shown(found, loader.transforms, precision)
        check_alike(group, asdict(about) | {"batch": batch})
        classes, mapping = _classes(subject, found.classes)
        own = evaluate_share(
            module, loader, classes, about=about, mapping=mapping, precision=precision, bins=bins,
            progress=progress,
        )  # fmt: skip
        return _whole(group.gathered(own))


@contextmanager
def _processes(
    shard: tuple[int, int] | Literal["processes"],
) -> Iterator[tuple[Group, int, int]]:
    """With whom to evaluate, the number of this process's part, and how many parts there are."""
    if shard == "processes":
        with joined(torch.device("cpu")) as group:  # what is gathered lies in ordinary memory
            yield group, group.rank, group.world
        return
    part, parts = shard
    if not 0 <= part < parts:
        raise UsageError(f"shard={shard}", expected="(i, n) with i from 0 to n - 1, or processes")
    yield Group(), part, parts


def _whole(shares: Sequence[Evaluation | None]) -> Evaluation:
    there = [share for share in shares if share is not None]
    if not there:
        raise InputError("no batch to evaluate on", expected="one image or more")
    return merge(there)


def evaluate_batches(
    network: nn.Module,
    batches: Loader | Iterable[Batch],
    classes: Sequence[str],
    *,
    about: About | None = None,
    mapping: Sequence[int] | None = None,
    precision: Precision = "fp32",
    bins: int = BINS,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """The evaluation of a network on batches, on the device where its parameters are.

    It runs in eval mode without gradients; afterwards each module's mode is what it was.

    Args:
        network: (N, C, H, W) -> (N, classes), or several of these, see `named_logits`.
        batches: a loader, of which one epoch is taken in order, or batches.
        classes: the names of the network's outputs.
        about: what is known of network and data.
        mapping: the number of the output for each label; the label itself if not given.
        precision: in what to compute.
        bins: of the calibration.
        progress: called with (images done, all; 0 for unknown).

    Raises:
        InputError: no batch, other classes than the network's, or logits that are not finite.
        ModelError: the network raised.
        BackendError: not enough memory.
    """
    found = evaluate_share(
        network, batches, classes, about=about, mapping=mapping, precision=precision, bins=bins,
        progress=progress,
    )  # fmt: skip
    return _whole([found])


def evaluate_share(
    network: nn.Module,
    batches: Loader | Iterable[Batch],
    classes: Sequence[str],
    *,
    about: About | None = None,
    mapping: Sequence[int] | None = None,
    precision: Precision = "fp32",
    bins: int = BINS,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation | None:
    """As `evaluate_batches` of one process among several, whose share may be empty: then None."""
    place = next((p.device for p in network.parameters()), torch.device("cpu"))
    every = len(batches.dataset) if isinstance(batches, Loader) else 0
    source: Iterable[Batch] = batches.epoch(0) if isinstance(batches, Loader) else batches
    new_label = None if mapping is None else torch.tensor(mapping, dtype=torch.int64)
    parts: dict[str, list[Scores]] = {}
    main, done = 0, 0
    with _evaluating(network), torch.inference_mode():
        for one in source:
            if len(one.labels):  # a shard's share of a small batch may be none
                with _autocast(place, precision):
                    outputs, main = _run(network, one.images.to(place))
                labels = one.labels if new_label is None else new_label[one.labels]
                for name, logits in outputs:
                    _check_classes(logits, classes, about)
                    parts.setdefault(name, []).append(score(logits, labels, one.indices))
            done += one.whole
            if progress is not None:
                progress(done, every)
    if not parts:
        return None
    names = tuple(classes)
    results = tuple(
        OutputScore(name, names, join(several), bins) for name, several in parts.items()
    )
    known = about or About()
    return Evaluation(replace(known, samples=known.samples or every), results, main)


def named_logits(outputs: Any) -> tuple[list[tuple[str, Tensor]], int]:
    """What a network returned as (name, logits) pairs, and the number of the main ones.

    A tensor is the only output. Of a named tuple or a mapping (auxiliary classifiers) the first is the main one, of a
    plain tuple or list (early exits) the last.

    >>> named_logits((torch.zeros(1, 2), torch.ones(1, 2)))[1]
    1

    Raises:
        InputError: nothing of the kind.
    """
    if isinstance(outputs, Tensor):
        return [("", outputs)], 0
    if isinstance(outputs, Mapping):
        pairs, main = list(outputs.items()), 0
    elif isinstance(outputs, tuple) and hasattr(outputs, "_fields"):
        pairs, main = list(zip(outputs._fields, outputs, strict=True)), 0
    elif isinstance(outputs, (tuple, list)):
        pairs, main = [(f"exit {i}", one) for i, one in enumerate(outputs, 1)], len(outputs) - 1
    else:
        pairs, main = [], 0
    named = [(str(name), one) for name, one in pairs if one is not None]
    if not named or not all(isinstance(one, Tensor) for _, one in named):
        raise InputError(
            f"the network returns a {type(outputs).__name__} that holds no logits",
            expected="a tensor (N, classes), or a tuple, list or mapping of such",
        )
    return named, main


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode; afterwards every module's own."""
    was = {module: module.training for module in network.modules()}
    try:
        network.eval()
        yield
    finally:
        for module, training in was.items():
            module.training = training


def _autocast(place: torch.device, precision: Precision) -> Any:
    if precision not in PRECISIONS:
        raise UsageError(f"precision={precision!r}", expected=", ".join(PRECISIONS))
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(place.type, PRECISIONS[precision])


def _run(network: nn.Module, images: Tensor) -> tuple[list[tuple[str, Tensor]], int]:
    try:
        return named_logits(network(images))
    except (InputError, UsageError):
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, MemoryError) as error:
        shape = tuple(images.shape)
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "alloc" in str(error):
            raise BackendError(
                f"not enough memory for a batch of shape {shape}",
                hint=f"--batch {shape[0] // 2}, or batch=",
            ) from error
        first = str(error).strip().split("\n")[0]
        raise ModelError(f"the network raised on a batch of shape {shape}: {first}") from error


def _check_classes(logits: Tensor, classes: Sequence[str], about: About | None) -> None:
    if logits.dim() != 2:
        raise ShapeError(
            f"the network returns {tuple(logits.shape)}", expected="logits of shape (N, classes)"
        )
    if logits.shape[1] != len(classes):
        data = about.data if about is not None and about.data else "the data"
        raise InputError(
            f"the network has {logits.shape[1]:,} classes, and {data} {len(classes):,}",
            expected="a network of as many classes",
            hint=f"num_classes={len(classes)}",
        )


def _classes(subject: Subject, classes: Sequence[str]) -> tuple[Sequence[str], list[int] | None]:
    """The names of the network's outputs, and the output for each label of the data."""
    outputs = subject.classes
    if not outputs or len(outputs) == len(classes):
        return classes, None
    numbers = {name.casefold(): number for number, name in enumerate(outputs)}
    missing = [name for name in classes if name.casefold() not in numbers]
    if missing:
        raise InputError(
            f"{subject.name} knows {len(outputs):,} classes, the data has {len(classes):,} others, "
            f"such as {missing[0]!r}",
            expected="all of the network's classes in its order, or names of some of them",
        )
    return outputs, [numbers[name.casefold()] for name in classes]
