"""Searching spaces of networks: objectives, constraints, strategies, and what was found."""

from steelyard.design.search import layout as _layout  # noqa: F401 - teaches the report room to print them
from steelyard.design.search.api import search
from steelyard.design.search.goals import Constraint, Quantity, constraint, quantity
from steelyard.design.search.page import save_search
from steelyard.design.search.parts import Counts, PartCosts
from steelyard.design.search.reinforce import Reinforce
from steelyard.design.search.result import SearchResult, Trial
from steelyard.design.search.strategies import Evolution, Nsga2, Proposal, RandomSearch, Strategy

__all__ = [
    "Constraint",
    "Counts",
    "Evolution",
    "Nsga2",
    "PartCosts",
    "Proposal",
    "Quantity",
    "RandomSearch",
    "Reinforce",
    "SearchResult",
    "Strategy",
    "Trial",
    "constraint",
    "quantity",
    "save_search",
    "search",
]
