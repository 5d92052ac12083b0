"""What a checkpoint holds of a stepper, and the random numbers of torch, numpy and Python."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steelyard.errors import InputError
from steelyard.train.stepper import Stepper

__all__ = ["Dice", "keeping_dice", "put_back", "seed_all", "taken_out", "tensors_of"]


class Dice:
    """The state of all random number generators, as tensors and plain data.

    Attributes:
        tensors: ``rng/torch``, ``rng/cuda/0``, ``rng/numpy`` and ``rng/python``.
        facts: the rest of numpy's and Python's.
    """

    def __init__(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        self.tensors, self.facts = tensors, facts

    @classmethod
    def now(cls) -> Dice:
        """As they are."""
        version, words, gauss = random.getstate()
        legacy: Any = np.random.get_state(legacy=False)
        tensors = {
            "rng/torch": torch.get_rng_state(),
            "rng/numpy": torch.from_numpy(legacy["state"]["key"].astype(np.int64)),
            "rng/python": torch.tensor(words, dtype=torch.int64),
        }
        if torch.cuda.is_available():
            for number, state in enumerate(torch.cuda.get_rng_state_all()):
                tensors[f"rng/cuda/{number}"] = state
        facts = {
            "python": [version, gauss],
            "numpy": [legacy["state"]["pos"], legacy["has_gauss"], legacy["gauss"]],
        }
        return cls(tensors, facts)

    def throw_back(self) -> None:
        """Sets all generators to this state."""
        torch.set_rng_state(self.tensors["rng/torch"].clone())
        position, has_gauss, gauss = self.facts["numpy"]
        key = self.tensors["rng/numpy"].numpy().astype(np.uint32)
        np.random.set_state(("MT19937", key, position, has_gauss, gauss))
        version, gauss = self.facts["python"]
        random.setstate((version, tuple(self.tensors["rng/python"].tolist()), gauss))
        if torch.cuda.is_available():
            for number in range(torch.cuda.device_count()):
                if f"rng/cuda/{number}" in self.tensors:
                    torch.cuda.set_rng_state(self.tensors[f"rng/cuda/{number}"].clone(), number)


@contextmanager
def keeping_dice() -> Iterator[None]:
    """Whatever is drawn within it, all generators are afterwards as they were."""
    dice = Dice.now()
    try:
        yield
    finally:
        dice.throw_back()


def seed_all(seed: int, rank: int = 0) -> None:
    """Seeds all generators, those of every process otherwise."""
    if rank:
        seed = int(np.random.SeedSequence((seed, rank)).generate_state(1, np.uint64)[0]) % 2**63
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name."""
    return dict(network.state_dict())


def taken_out(
    stepper: Stepper, others: Sequence[Dice] = ()
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """All that goes on changing: tensors by file, and plain data.

    Args:
        stepper: of this process, which leads.
        others: the random numbers of the other processes, by rank; all else is the same there.
    """
    every = (Dice.now(), *others)
    state = {
        _of_rank(rank, key): t for rank, dice in enumerate(every) for key, t in dice.tensors.items()
    }
    for name, parameter in stepper.network.named_parameters():
        for key, value in stepper.optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                state[f"optimizer/{name}/{key}"] = value
    tensors = {"model": tensors_of(stepper.network), "state": state}
    if stepper.ema is not None:
        tensors["ema"] = tensors_of(stepper.ema.network)
    facts = {
        "dice": every[0].facts,
        "dice_of_others": [dice.facts for dice in others],
        "scaler": stepper.scaler.state_dict(),
    }
    return tensors, facts


def put_back(
    stepper: Stepper,
    tensors: Mapping[str, Mapping[str, Tensor]],
    facts: Mapping[str, Any],
    rank: int = 0,
) -> Dice | None:
    """Undoes `taken_out`; the random numbers are returned, to be thrown back when all is ready.

    There are none (None) for a process that was not there when they were taken.

    Raises:
        InputError: the tensors are of another network.
    """
    _load(stepper.network, tensors["model"])
    if stepper.ema is not None:
        _load(stepper.ema.network, tensors["ema"])
    parameters = dict(stepper.network.named_parameters())
    for key, value in tensors["state"].items():
        if key.startswith("optimizer/"):
            _, name, entry = key.split("/")
            parameter = parameters[name]
            # laid out in memory as the optimiser itself would
            like = parameter if value.shape == parameter.shape else value
            mine = torch.empty_like(like, dtype=value.dtype, device=parameter.device)
            stepper.optimizer.state[parameter][entry] = mine.copy_(value)
    stepper.scaler.load_state_dict(dict(facts["scaler"]))
    dice = [facts["dice"], *facts.get("dice_of_others", ())]
    if rank >= len(dice):
        return None
    names = [f"rng/{name}" for name in ("torch", "numpy", "python")]
    names += [f"rng/cuda/{number}" for number in range(torch.cuda.device_count())]
    found = ((name, tensors["state"].get(_of_rank(rank, name))) for name in names)
    return Dice({name: t for name, t in found if t is not None}, dice[rank])


def _of_rank(rank: int, name: str) -> str:
    return f"rank/{rank}/{name}" if rank else name


def _load(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    own = network.state_dict()
    if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in tensors.items()}:
        other = sorted(own.keys() ^ tensors.keys()) or ["the shapes"]
        raise InputError(
            f"the checkpoint is of another network: {other[0]} differ",
            expected="parameters of the recipe's network",
            hint="the version of steelyard that wrote it",
        )
    network.load_state_dict(dict(tensors))
