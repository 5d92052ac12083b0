"""`Reader`: images of one batch read one by one and made 8-bit tensors of one size, here or in other processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from multiprocessing import connection, parent_process
from os import _exit
from signal import SIG_DFL, SIG_IGN, SIGINT, SIGTERM, signal
from threading import Thread
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.data.dataset import Dataset
from steelyard.data.transforms import Pipeline
from steelyard.errors import BackendError, FileFormatError, InputError, SteelyardError

__all__ = ["Corrupt", "OnCorrupt", "Read", "Reader", "read_ahead"]

OnCorrupt = Literal["fail", "skip"]
Samples = NDArray[np.int64]

_AHEAD = 2
"""Batches that each process is asked for before they are needed."""


@dataclass(frozen=True, slots=True)
class Corrupt:
    """An image that could not be read: its number in the data set, and why, with the file's name."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Read:
    """The images of a batch that could be read.

    Attributes:
        images: uint8, ``(N, C, H, W)``.
        labels: int64, (N,).
        rows: int64, (N,): which places of the batch they have.
        corrupt: the others.
    """

    images: NDArray[np.uint8]
    labels: Samples
    rows: Samples
    corrupt: tuple[Corrupt, ...]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads batches of a data set that lies in files."""

    dataset: Dataset
    transforms: Pipeline
    seed: int
    on_corrupt: OnCorrupt

    def __call__(self, samples: Samples, epoch: int) -> Read:
        """One batch.

        Raises:
            FileFormatError: an image cannot be read, or, where such are skipped, none of the batch can.
            InputError: the data set raised something else.
            ShapeError: images differ in size after the transforms.
        """
        if not len(samples):
            # a share with nothing in it has the shape of all others
            some = self(np.zeros(1, dtype=np.int64), epoch)
            return Read(some.images[:0], some.labels[:0], some.rows[:0], ())
        images: list[Tensor] = []
        rows: list[int] = []
        corrupt: list[Corrupt] = []
        for row, index in enumerate(samples.tolist()):
            try:
                images.append(_asked(self.dataset, index))
                rows.append(row)
            except FileFormatError as error:
                if self.on_corrupt == "fail":
                    raise
                corrupt.append(Corrupt(index, error.given))
        if not rows:
            raise FileFormatError(
                f"none of the {len(samples)} images of a batch can be read, the first: "
                f"{corrupt[0].reason}",
                expected="a few that cannot, at most",
            )
        labels = [self.dataset.label(int(samples[row])) for row in rows]
        ready = self.transforms.bytes(images, samples[rows], self.seed, epoch)
        return Read(ready.numpy(), np.array(labels), np.array(rows), tuple(corrupt))


def _asked(dataset: Dataset, index: int) -> Tensor:
    try:
        return dataset.image(index)
    except SteelyardError:
        raise
    except Exception as error:
        raise InputError(
            f"data set {dataset.name} raised {type(error).__name__} for image {index}: {error}",
            expected="an image, or FileFormatError where a file is damaged",
        ) from error


# ---- in other processes --------------------------------------------------------------------------


def read_ahead(
    reader: Reader, batches: Sequence[Samples], epoch: int, workers: int
) -> Iterator[Read]:
    """The batches in order, read by so many processes, a few ahead of their use.

    8-bit images come through pipes: no shared memory is needed, which containers often lack. The
    processes end with the iterator, or when this process dies.

    Raises:
        SteelyardError: what `Reader` raises.
        BackendError: a process was killed.
    """
    pool = ProcessPoolExecutor(workers, initializer=_begin, initargs=(reader,))
    waiting: deque[Future[Read]] = deque()
    coming = iter(batches)
    try:
        for samples in islice(coming, workers * _AHEAD):
            waiting.append(pool.submit(_read, samples, epoch))
        while waiting:
            done = waiting.popleft().result()
            for samples in islice(coming, 1):
                waiting.append(pool.submit(_read, samples, epoch))
            yield done
    except BrokenProcessPool as error:
        raise BackendError(
            "a process that reads images was killed, or crashed",
            expected="enough memory for all, and a decoder that does not crash",
            hint="fewer workers; with workers=0 a crash shows where it is",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_READER: ContextVar[Reader] = ContextVar("_READER")
"""What a reading process reads from; set once when it starts."""


def _begin(reader: Reader) -> None:
    # Ctrl-C reaches all processes of a terminal: the first one stops the others
    signal(SIGINT, SIG_IGN)
    signal(SIGTERM, SIG_DFL)
    torch.set_num_threads(1)
    Thread(target=_end_with_parent, daemon=True).start()
    _READER.set(reader)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        _exit(1)


def _read(samples: Samples, epoch: int) -> Read:
    return _READER.get()(samples, epoch)
