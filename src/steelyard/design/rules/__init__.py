"""The rules of `steelyard.design.rewrite`: one file each; `parse_rule` finds them by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from steelyard.capture.source import parse_value
from steelyard.design.rules.activation import HSwish
from steelyard.design.rules.asymmetric import Asymmetric
from steelyard.design.rules.base import Replacement, Rule
from steelyard.design.rules.bottleneck import Bottleneck
from steelyard.design.rules.grouped import Grouped
from steelyard.design.rules.separable import DepthwiseSeparable
from steelyard.design.rules.shift import ShiftConv
from steelyard.design.rules.squeeze_excite import AddSqueezeExcite
from steelyard.design.rules.stack import Stack3x3
from steelyard.errors import UnknownNameError, UsageError
from steelyard.zoo.config import make

__all__ = ["RULES", "Replacement", "Rule", "parse_rule"]

RULES: Mapping[str, type[Rule]] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            Stack3x3,
            Asymmetric,
            DepthwiseSeparable,
            Grouped,
            ShiftConv,
            Bottleneck,
            HSwish,
            AddSqueezeExcite,
        )
    }
)
"""The rules by name."""


def parse_rule(text: str) -> Rule:
    """A rule from its name and options, e.g. ``grouped`` or ``grouped:groups=8,pointwise=false``.

    >>> parse_rule("grouped:groups=8")
    Grouped(groups=8, pointwise=True)

    Raises:
        UnknownNameError: no such rule.
        UsageError: an unknown option, or a value that is impossible.
    """
    name, _, options = text.partition(":")
    if name not in RULES:
        raise UnknownNameError("rule", name, RULES, hint=", ".join(RULES))
    given: dict[str, Any] = {}
    for item in options.split(",") if options else ():
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or key in given:
            raise UsageError(f"{item!r} in {text!r} is no option", expected="key=value, each once")
        given[key] = parse_value(value)
    rule: Rule = make(name, RULES[name], {}, given)
    return rule
