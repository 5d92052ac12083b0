"""Changing networks: rewrites of their layers, and their form for inference."""

from steelyard.design import layout as _layout  # noqa: F401 - teaches the report room to print them
from steelyard.design.inference import optimize_for_inference
from steelyard.design.rewrite import Change, Rewrite, rewrite
from steelyard.design.rules import RULES, Replacement, Rule, parse_rule

__all__ = [
    "RULES",
    "Change",
    "Replacement",
    "Rewrite",
    "Rule",
    "optimize_for_inference",
    "parse_rule",
    "rewrite",
]
