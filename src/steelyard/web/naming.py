"""`zoo_source`: the part of the SOURCE grammar that a request may use: a network of the zoo and its settings.

What a request names is looked up in the registry, its settings are held against the network's own, and the text that
leaves here is made from what was found, not from what was sent: it can be no file and no ``package.module:callable``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from steelyard.capture.source import parse_value
from steelyard.errors import UsageError
from steelyard.zoo import config as zoo_settings
from steelyard.zoo.registry import default_registry

_WORD = re.compile(r"[A-Za-z0-9_]{1,80}")


def zoo_source(
    text: str, knobs: Mapping[str, object] | None = None, *, resolution: int | None = None
) -> str:
    """The network as SOURCE, its settings in the order of their names, without those that are defaults.

    >>> zoo_source("resnet50:width=1.0,num_classes=10", {"width": 0.5})
    'resnet50:num_classes=10,width=0.5'

    Args:
        text: a name, or a name with settings.
        knobs: settings that win over those in the text.
        resolution: the setting of that name.

    Raises:
        UnknownNameError: no such network.
        UsageError: a setting that the network does not have, or a value that it does not take.
    """
    name, _, rest = text.strip().partition(":")
    family, model = default_registry().find(name[:80])
    given: dict[str, object] = dict(_settings(rest)) if rest else {}
    lists = {k: tuple(v) if isinstance(v, list) else v for k, v in (knobs or {}).items()}
    given |= lists
    if resolution is not None:
        given["resolution"] = resolution
    default: Any = zoo_settings.make(name, family.config, model.defaults, {})
    chosen: Any = zoo_settings.make(name, family.config, model.defaults, given)
    differing = {
        key: getattr(chosen, key)
        for key in sorted(given)
        if getattr(chosen, key) != getattr(default, key)
    }
    if not differing:
        return name
    for key, value in differing.items():
        if isinstance(value, str) and not _WORD.fullmatch(value):
            raise UsageError(
                f"{name}: {key}={value[:80]!r} is not possible here",
                expected="letters, digits and _",
            )
    return f"{name}:" + ",".join(f"{key}={_text(value)}" for key, value in differing.items())


def _settings(rest: str) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for item in rest.split(","):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key.isidentifier() or not value:
            raise UsageError(f"{item[:80]!r} is no setting", expected="name:key=value,key=value")
        pairs.append((key, parse_value(value)))
    return pairs


def _text(value: object) -> str:
    if isinstance(value, tuple):
        if not all(type(item) is int for item in value):
            raise UsageError(
                f"the setting {value!r}", expected="whole numbers, or the network's default"
            )
        return "x".join(map(str, value)) + ("x" if len(value) == 1 else "")
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, (int, float, str)):
        return str(value)
    raise UsageError("a setting of another kind", expected="a number, a word, true, false or none")
