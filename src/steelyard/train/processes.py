"""`Processes`: several processes that train or evaluate one network together, begun by ``torchrun``.

`joined` begins and ends `torch.distributed`: gloo between CPUs, NCCL between GPUs (and gloo for what is no
tensor). Whatever ends one process ends all, and every one says what it was.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import PrefixStore, Store, rendezvous  # type: ignore[attr-defined]

from steelyard.errors import BackendError, InputError, UsageError
from steelyard.train.batch_norm import synchronized
from steelyard.train.distributed import Group

__all__ = ["Processes", "check_alike", "device_named", "joined", "launched", "leads"]

TIMEOUT = timedelta(minutes=10)
"""How long a process waits for another that is alive but does not come: reading data, writing checkpoints."""

_Value = TypeVar("_Value")


def launched() -> tuple[int, int]:
    """This process's rank and their number, as ``torchrun`` says it in the environment; (0, 1) without it.

    Raises:
        UsageError: the environment contradicts itself.
    """
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        return 0, 1
    given = os.environ["RANK"], os.environ["WORLD_SIZE"]
    if not all(text.isdecimal() for text in given) or not int(given[0]) < int(given[1]):
        raise UsageError(
            f"RANK={given[0]}, WORLD_SIZE={given[1]}", expected="as torchrun sets them"
        )
    return int(given[0]), int(given[1])


def leads() -> bool:
    """Whether this process is the one that prints: the only one, or the first."""
    return launched()[0] == 0


def device_named(name: str) -> torch.device:
    """``cpu``, ``cuda``, ``cuda:1``, or ``auto``: CUDA where there is some; of several processes each has its GPU.

    Raises:
        UsageError: there is no such device, or there are more processes than GPUs.
    """
    if launched()[1] > 1 and (name == "cuda" or (name == "auto" and torch.cuda.is_available())):
        return local_device()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"device {name!r}: {str(error).strip().splitlines()[0]}",
            expected="auto, cpu, cuda or cuda:0",
        ) from error
    return device


def local_device() -> torch.device:
    """The GPU of this process, the same number as it has on its machine.

    Raises:
        UsageError: there are more processes than GPUs.
    """
    number, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= count:
        raise UsageError(
            f"process {number + 1} on this machine, which has {count} GPU{'s' if count != 1 else ''}",
            expected="a GPU for each process",
            hint=f"torchrun --nproc-per-node {max(count, 1)}, or --device cpu",
        )
    return torch.device("cuda", number)


class Processes(Group):
    """What `Group` promises, kept by several processes.

    Args:
        rank: which process this is.
        world: how many there are.
        store: where a process that fails leaves word.
    """

    def __init__(self, rank: int, world: int, store: Store) -> None:
        self.rank, self.world, self._store = rank, world, store
        self._own: list[Tensor] = []

    def enter(self, network: nn.Module, *, synchronize: bool) -> None:
        """Everybody gets the parameters and buffers of the process that leads."""
        for tensor in network.state_dict().values():
            dist.broadcast(tensor, src=0)
        if synchronize:
            synchronized(network)
        else:
            self._own = [b for n, b in network.named_buffers() if n.endswith(_STATISTICS)]

    @torch.no_grad()
    def share(self, parameters: Sequence[nn.Parameter]) -> None:
        """One sum of one long tensor, so that its order, and with it every bit, is always the same.

        A parameter keeps no gradient where no process has one.
        """
        there = [p.grad is not None for p in parameters]
        own = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        marks = own[0].new_tensor([float(here) for here in there])
        parts = [*own, *self._own, marks]
        sums = torch.cat([part.flatten() for part in parts])
        dist.all_reduce(sums)
        means = torch.split(sums / self.world, [part.numel() for part in parts])
        for part, mean in zip(parts, means, strict=True):
            part.copy_(mean.view_as(part))
        if not all(there):
            for p, gradient, anywhere in zip(parameters, own, marks.tolist(), strict=True):
                p.grad = gradient if anywhere else None

    def total(self, values: Tensor) -> Tensor:
        """The sum, in place."""
        dist.all_reduce(values)
        return values

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """By a sum on the CPU, which waits for no GPU."""
        return tuple(count > 0 for count in self.total(torch.tensor(flags, dtype=torch.int32)))

    def gathered(self, value: _Value) -> list[_Value]:
        """To every process."""
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def agreed(self, value: _Value) -> _Value:
        """From rank 0 to all."""
        values = [value]
        dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]

    def wait(self) -> None:
        """By a sum on the CPU."""
        self.any()

    def leave_word(self, error: BaseException) -> None:
        """Tells the others why this process ends; the first word counts."""
        text = str(error).split("\n")[0] if str(error) else type(error).__name__
        with suppress(dist.DistError):
            self._store.compare_set(_WORD, "", json.dumps({"rank": self.rank, "text": text}))

    def word(self, seconds: float = 3.0) -> str:
        """What a process that ended had to say; a sentence in any case."""
        end = time.monotonic() + seconds
        with suppress(dist.DistError):
            while time.monotonic() < end:
                if self._store.check([_WORD]):
                    said = json.loads(self._store.get(_WORD))
                    return f"process {said['rank']} of {self.world} ended: {said['text']}"
                time.sleep(0.05)
        return f"another of the {self.world} processes ended without a word"


_STATISTICS = ("running_mean", "running_var")
_WORD = "last word"


@contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """The group of all processes that ``torchrun`` began, or of this one alone.

    If one of them raises within it, the others raise a `BackendError` with its words as soon as they wait for it.

    Raises:
        UsageError: `torch.distributed` was begun by somebody else.
        BackendError: the others do not come, or one of them ended.
    """
    rank, world = launched()
    if world == 1:
        yield Group()
        return
    group = _begun(rank, world, device)
    try:
        yield group
        group.wait()
    except BaseException as error:
        _be_deaf()
        if not _is_loss(error):
            group.leave_word(error)
            raise
        raise BackendError(
            group.word(),
            expected="all processes to go on to the end",
            hint="what the others said, and the system's log; a training then goes on with --resume",
        ) from error
    finally:
        # NCCL would wait here for what a lost process does not send any more
        if device.type == "cpu":
            dist.destroy_process_group()
    if device.type != "cpu":
        dist.destroy_process_group()


def _begun(rank: int, world: int, device: torch.device) -> Processes:
    if dist.is_initialized():
        raise UsageError(
            "torch.distributed is begun already", expected="train and evaluate to begin and end it"
        )
    gpu = device.type == "cuda"
    if gpu:
        torch.cuda.set_device(device)
    try:
        shared, _, _ = next(rendezvous("env://", timeout=TIMEOUT))
        # a program may train several times; each time has its own names
        store = PrefixStore(f"steelyard/{shared.add(f'begun by {rank}', 1)}", shared)
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if gpu else "gloo",
            store=PrefixStore("group", store), rank=rank, world_size=world, timeout=TIMEOUT,
        )  # fmt: skip
        group = Processes(rank, world, store)
        group.wait()
    except RuntimeError as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise BackendError(
            f"process {rank} of {world} does not reach the others at {where}: {_first_line(error)}",
            hint="the same --rdzv-endpoint and --nnodes on every machine, and a port that is open",
        ) from error
    return group


def check_alike(group: Group, facts: Mapping[str, Any]) -> None:
    """Whether all processes have the same, of each fact.

    Raises:
        InputError: they do not.
    """
    every: Sequence[Mapping[str, Any]] = group.gathered(facts)
    for rank, other in enumerate(every):
        for name, value in other.items():
            if value != every[0][name]:
                raise InputError(
                    f"process {rank} has another {name} than process 0: {value!r}, not {every[0][name]!r}",
                    expected="the same files and libraries on every machine",
                )


def _be_deaf() -> None:
    """The launcher ends all processes when one ends; this one still says why."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _is_loss(error: BaseException) -> bool:
    """Whether an error says that another process cannot be reached."""
    text = str(error).lower()
    signs = ("gloo", "nccl", "connection closed by peer", "connection reset by peer")
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(sign in text for sign in signs)
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]
