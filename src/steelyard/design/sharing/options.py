"""What can be chosen of the strategies with shared weights, and `parse_strategy`, which reads ``darts:order=1``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, ClassVar

from steelyard.capture.source import parse_value
from steelyard.errors import UsageError
from steelyard.zoo.config import make, setting


@dataclass(frozen=True, slots=True)
class OnceForAll:
    """A super-network by the sandwich rule, then evolution or NSGA-II with its weights."""

    most: ClassVar[int] = sys.maxsize

    epochs: int = setting(0, "of the super-network; 0: the recipe's", low=0)
    held: float = setting(
        0.1, "share of the training images that networks are judged by", low=0, high=1
    )
    between: int = setting(2, "networks that are drawn for a step", low=0)
    distil: bool = setting(True, "the largest teaches the others")
    ends: bool = setting(
        True,
        "the largest and the smallest are of every step; without them all learn from the labels",
    )


@dataclass(frozen=True, slots=True)
class EnasOptions:
    """Shared weights and a controller that learn in turns, then the controller's networks with those weights."""

    most: ClassVar[int] = sys.maxsize

    epochs: int = setting(0, "of the weights; 0: the recipe's", low=0)
    held: float = setting(
        0.1, "share of the training images that networks are judged by", low=0, high=1
    )
    steps: int = setting(30, "of the controller after every epoch", low=1)
    batch: int = setting(10, "networks in each of them", low=1)
    rate: float = setting(0.0035, "of the controller's Adam", low=0)
    entropy: float = setting(1e-4, "weight of the controller's entropy", low=0)


@dataclass(frozen=True, slots=True)
class DartsOptions:
    """Mixed operations, then the one network that they say, trained anew."""

    most: ClassVar[int] = 1

    epochs: int = setting(0, "of the mixed network; 0: the recipe's", low=0)
    held: float = setting(
        0.5, "share of the training images that operations are weighed by", low=0, high=1
    )
    order: int = setting(2, "of the gradient: 1 or 2", low=1, high=2)
    near: float = setting(
        0.01, "of the second order's difference, eq. 8; 0: exact second derivatives", low=0
    )
    rate: float = setting(3e-4, "of the operations' Adam", low=0)
    decay: float = setting(1e-3, "of the operations' weights", low=0)
    cost: float = setting(0.1, "weight of every objective but the error in the loss", low=0)
    layers: int = setting(0, "cells of the mixed network; 0: 8, or the space's if fewer", low=0)
    filters: int = setting(0, "its channels; 0: 16, or the space's if fewer", low=0)


# ``most`` is the number of trials that a strategy has
Options = OnceForAll | EnasOptions | DartsOptions

LEARNING: dict[str, type[Options]] = {
    "once_for_all": OnceForAll,
    "enas": EnasOptions,
    "darts": DartsOptions,
}
"""Strategies with shared weights, by name."""


def parse_strategy(text: str) -> Options | None:
    """The options of a strategy with shared weights; None: another strategy.

    >>> parse_strategy("darts:order=1").order
    1

    Raises:
        UsageError: an unknown option, or an impossible value.
    """
    name, _, rest = text.partition(":")
    if name not in LEARNING:
        return None
    given: dict[str, Any] = {}
    for item in rest.split(",") if rest else ():
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or key in given:
            raise UsageError(f"{item!r} in {text!r} is no option", expected="key=value, each once")
        given[key] = parse_value(value)
    found: Options = make(f"--strategy {name}", LEARNING[name], {}, given)
    return found
