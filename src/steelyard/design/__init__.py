"""Changing networks: rewrites of their layers, their form for inference, and scaling."""

from steelyard.design import layout as _layout  # noqa: F401 - teaches the report room to print them
from steelyard.design import scaling_layout as _scaling  # noqa: F401 - the same
from steelyard.design.inference import optimize_for_inference
from steelyard.design.rewrite import Change, Rewrite, rewrite
from steelyard.design.rules import RULES, Replacement, Rule, parse_rule
from steelyard.design.scaling import Proposal, Scaling, scale
from steelyard.design.scaling_grid import GridPoint, ScalingGrid, scaling_grid
from steelyard.design.scaling_knobs import Factors
from steelyard.design.scaling_rules import Compound, Fast

__all__ = [
    "RULES",
    "Change",
    "Compound",
    "Factors",
    "Fast",
    "GridPoint",
    "Proposal",
    "Replacement",
    "Rewrite",
    "Rule",
    "Scaling",
    "ScalingGrid",
    "optimize_for_inference",
    "parse_rule",
    "rewrite",
    "scale",
    "scaling_grid",
]
