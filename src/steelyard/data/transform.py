"""`Step` and `Transform`: what a pipeline is made of, and how it is written as short texts."""

from __future__ import annotations

import math
import types
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar, TypeVar, get_type_hints

from torch import Tensor

from steelyard.data.draws import Draws
from steelyard.errors import UnknownNameError, UsageError, nearest

__all__ = ["Step", "Transform", "as_text", "from_text", "number", "probability"]


class Step(ABC):
    """One step of a pipeline. A frozen dataclass derives from it; its fields are the settings.

    A field is an int, a float, a str, sizes (``tuple[int, ...]``, written ``224`` or ``224x160``), a range
    (``tuple[float, float]``, ``0.08..1``) or one number a channel (``tuple[float, ...]``, ``0.5/0.4/0.3``).
    """

    __slots__ = ()

    name: ClassVar[str]
    """How it is called in a text."""

    random: ClassVar[bool] = False
    """It draws random numbers, and is left out in evaluation."""

    @abstractmethod
    def in_words(self) -> str:
        """What it does, in a few words, with every number that matters."""


class Transform(Step):
    """A step from images to images."""

    __slots__ = ()

    @abstractmethod
    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """The images after it.

        Each is a function of the image and its own numbers alone, to the bit, whatever the batch.

        Args:
            images: uint8, ``(N, C, H, W)``; after ``normalize`` float32. Never written to.
            draws: the random numbers of the N samples.
        """


S = TypeVar("S", bound=Step)


def from_text(text: str, known: Iterable[type[S]]) -> S:
    """The step that ``name:value,setting=value`` says; values without a name go in order.

    Raises:
        UsageError: a wrong text, setting or value.
        UnknownNameError: no such transform; the nearest are offered.
    """
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"{text!r} is no transform", expected="a text such as crop:padding=4")
    name, colon, rest = text.strip().partition(":")
    by_name = {kind.name: kind for kind in known}
    if name not in by_name:
        raise UnknownNameError("transform", name, by_name, hint=f"one of {', '.join(by_name)}")
    kind = by_name[name]
    if colon and not rest:
        raise UsageError(f"nothing follows the colon in {text!r}", expected=_usage(kind))
    return kind(**_settings(kind, text, rest))


def _fields(kind: type[Step]) -> tuple[Field[Any], ...]:
    return fields(kind)  # type: ignore[arg-type]  # every step is a dataclass


def _usage(kind: type[Step]) -> str:
    names = [field.name for field in _fields(kind)]
    return f"{kind.name} takes {', '.join(names)}" if names else f"{kind.name} takes no settings"


def _settings(kind: type[Step], text: str, rest: str) -> dict[str, object]:
    names = [field.name for field in _fields(kind)]
    hints = get_type_hints(kind)
    settings: dict[str, object] = {}
    for place, part in enumerate(rest.split(",") if rest else ()):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not equals:
            if place >= len(names) or len(settings) < place:
                raise UsageError(f"{part!r} in {text!r} has no name", expected=_usage(kind))
            key, value = names[place], key
        if key not in names:
            offer = "".join(f"{near}=" for near in nearest(key, names, n=1))
            raise UsageError(
                f"{kind.name} has no setting {key!r}", expected=_usage(kind), hint=offer
            )
        if key in settings:
            raise UsageError(f"{key} is given twice in {text!r}")
        settings[key] = _value(hints[key], value, key, text)
    missing = [
        field.name
        for field in _fields(kind)
        if field.name not in settings and field.default is MISSING
    ]
    if missing:
        raise UsageError(
            f"{text!r} does not say {missing[0]}",
            expected=_usage(kind),
            hint=f"{kind.name}:{missing[0]}=...",
        )
    return settings


_FORMS: dict[object, tuple[str, str]] = {
    int: ("", "a whole number"),
    float: ("", "a number"),
    tuple[int, ...]: ("x", "a size such as 224 or 224x160"),
    tuple[float, float]: ("..", "a range such as 0.08..1"),
    tuple[float, ...]: ("/", "a number, or one for each channel such as 0.5/0.4/0.3"),
}
"""For every type of field: what stands between the numbers, and its form in words."""


def _value(hint: object, value: str, key: str, text: str) -> object:
    if hint is str:
        return value
    between, form = _FORMS[hint]
    inner = hint.__args__[0] if isinstance(hint, types.GenericAlias) else hint
    try:
        numbers = [
            int(part) if inner is int else float(part)
            for part in (value.split(between) if between else [value])
        ]
    except ValueError:
        numbers = []
    wrong = hint == tuple[float, float] and len(numbers) != 2
    if not numbers or wrong or not all(map(math.isfinite, numbers)):
        raise UsageError(f"{key}={value} in {text!r}", expected=f"{key} is {form}")
    return tuple(numbers) if between else numbers[0]


def as_text(step: Step) -> str:
    """The text that says it, with every setting: ``crop:size=28x28,padding=4``."""
    hints = get_type_hints(type(step))
    parts = []
    for field in _fields(type(step)):
        value = getattr(step, field.name)
        if value not in ((), ""):
            parts.append(f"{field.name}={_written(hints[field.name], value)}")
    return step.name + (":" + ",".join(parts) if parts else "")


def _written(hint: object, value: Any) -> str:
    if isinstance(value, tuple):
        return _FORMS[hint][0].join(map(number, value))
    return value if isinstance(value, str) else number(value)


def number(value: float) -> str:
    """A number as short as reads back to the same: ``1``, ``0.08``."""
    return repr(int(value)) if value == int(value) else repr(value)


def probability(p: float, what: str) -> None:
    """Checks a probability.

    Raises:
        UsageError: it is not from 0 to 1.
    """
    if not 0 <= p <= 1:
        raise UsageError(f"{what} with p={p:g}", expected="a probability from 0 to 1")
