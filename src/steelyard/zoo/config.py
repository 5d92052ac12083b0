"""What the settings of a network are, and the check of what a user typed for them; no torch.

A family's settings are the fields of one frozen dataclass, each made with `setting`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from steelyard.errors import UsageError, nearest

MAX_SIZE = 2**20
"""No channel count, class count or resolution is larger."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a network, as `info` shows it.

    Attributes:
        name: keyword of `create`.
        type: what it takes, in words: ``int``, ``float``, ``'A', 'B' or 'C'`` ...
        default: the model's default.
        doc: what it does.
    """

    name: str
    type: str
    default: object
    doc: str


def setting(default: Any, doc: str, *, low: float | None = None, high: float | None = None) -> Any:
    """A field of a settings dataclass: default, one line of explanation, inclusive bounds."""
    return dataclasses.field(default=default, metadata={"doc": doc, "low": low, "high": high})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """Settings that every image classifier has; families add their own and override defaults."""

    num_classes: int = setting(1000, "classes, the size of the last layer", low=1, high=MAX_SIZE)
    in_channels: int = setting(3, "channels of the image", low=1, high=MAX_SIZE)
    resolution: int = setting(
        224,
        "height and width of the image; fully connected layers behind a feature map follow it",
        low=1,
        high=MAX_SIZE,
    )
    width: float = setting(1.0, "multiplies the channels of every hidden layer", low=0.01, high=64)


def scaled(channels: int, width: float, divisor: int = 1) -> int:
    """``channels * width``, rounded to the nearest positive multiple of ``divisor``.

    >>> scaled(64, 0.5), scaled(96, 0.3, divisor=2), scaled(3, 0.01)
    (32, 28, 1)
    """
    return max(1, round(channels * width / divisor)) * divisor


def describe(config: type, defaults: Mapping[str, object]) -> tuple[Setting, ...]:
    """The settings of a dataclass, with a model's own defaults in place of the family's."""
    hints = get_type_hints(config)
    return tuple(
        Setting(
            name=field.name,
            type=_words(hints[field.name]),
            default=defaults.get(field.name, field.default),
            doc=str(field.metadata.get("doc", "")),
        )
        for field in dataclasses.fields(config)
        if field.init
    )


def make(
    model: str, config: type, defaults: Mapping[str, object], given: Mapping[str, object]
) -> Any:
    """An instance of ``config`` from a model's defaults and what the user gave.

    Raises:
        UsageError: an unknown setting, a value of another type, or out of bounds.
    """
    fields = {field.name: field for field in dataclasses.fields(config) if field.init}
    hints = _hints(config)
    values = dict(defaults)
    for name, value in given.items():
        if name not in fields:
            close = nearest(name, fields, n=1)
            raise UsageError(
                f"{model} has no setting {name!r}",
                expected="one of " + ", ".join(fields),
                hint=f"{close[0]}=..." if close else "",
            )
        values[name] = _checked(model, fields[name], hints[name], value)
    return config(**values)


@cache
def _hints(config: type) -> dict[str, Any]:
    return get_type_hints(config)


def _checked(model: str, field: dataclasses.Field[Any], hint: Any, value: object) -> object:
    matched, fitting = _fit(hint, value)
    low, high = field.metadata.get("low"), field.metadata.get("high")
    numbers = fitting if isinstance(fitting, tuple) else (fitting,)
    inside = matched and all(
        (low is None or number >= low) and (high is None or number <= high)
        for number in numbers
        if isinstance(number, (int, float))
    )
    if not inside:
        bounds = [f"at least {low}"] if low is not None else []
        bounds += [f"at most {high}"] if high is not None else []
        raise UsageError(
            f"{model}: {field.name}={value!r} is not possible",
            expected=", ".join([_words(hint), *bounds]),
        )
    return fitting


def _fit(hint: Any, value: object) -> tuple[bool, Any]:
    """Whether ``value`` is of the hinted type, and the value in exactly that type."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        for option in get_args(hint):
            matched, fitting = _fit(option, value)
            if matched:
                return True, fitting
        return False, value
    if origin is Literal:
        if any(value == o and type(value) is type(o) for o in get_args(hint)):
            return True, value
        # typed in a SOURCE, 1x1 reads as a tuple and 2 as a number
        text = "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
        return text in get_args(hint), text if text in get_args(hint) else value
    if origin is tuple:
        if not isinstance(value, (tuple, list)) or not value:
            return False, value
        args = get_args(hint)
        kinds = args[:1] * len(value) if args[-1] is Ellipsis else args
        if len(kinds) != len(value):
            return False, value
        parts = [_fit(kind, item) for kind, item in zip(kinds, value, strict=True)]
        return all(ok for ok, _ in parts), tuple(item for _, item in parts)
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return _fit_fields(hint, value)
    if hint is NoneType:
        return value is None, value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return True, float(value)
    return type(value) is hint, value


def _fit_fields(hint: Any, value: Mapping[str, object]) -> tuple[bool, Any]:
    """A dataclass from a table of its fields, as a recipe has it."""
    hints = get_type_hints(hint)
    if not value.keys() <= hints.keys():
        return False, value
    parts = {key: _fit(hints[key], item) for key, item in value.items()}
    if not all(ok for ok, _ in parts.values()):
        return False, value
    try:
        return True, hint(**{key: item for key, (_, item) in parts.items()})
    except TypeError:  # a field without default is missing
        return False, value


def _words(hint: Any) -> str:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return " or ".join(_words(option) for option in get_args(hint))
    if origin is Literal:
        *first, last = (repr(option) for option in get_args(hint))
        return f"{', '.join(first)} or {last}" if first else last
    if origin is tuple:
        item = get_args(hint)[0]
        example = ", e.g. (3, 4, 6, 3)" if item is int else ""
        return f"one or more {_words(item)}{example}"
    if hint is NoneType:
        return "None"
    return str(getattr(hint, "__name__", hint))
