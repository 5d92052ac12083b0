"""Search spaces: sets of networks with choices to make, ours and users' own."""

from steelyard.design.spaces.base import Choice, Part, Point, SearchSpace
from steelyard.design.spaces.cells import DartsSpace, NasnetSpace
from steelyard.design.spaces.codesign import Codesign
from steelyard.design.spaces.mobile import MobileSpace, MobileStage
from steelyard.design.spaces.registry import (
    list_kinds,
    list_spaces,
    load_space,
    register_space,
    space_from,
)
from steelyard.design.spaces.regnet import RegnetSpace
from steelyard.design.spaces.shuffle import ShuffleSpace, ShuffleStage
from steelyard.design.spaces.wiring import Generator, WiringSpace

__all__ = [
    "Choice",
    "Codesign",
    "DartsSpace",
    "Generator",
    "MobileSpace",
    "MobileStage",
    "NasnetSpace",
    "Part",
    "Point",
    "RegnetSpace",
    "SearchSpace",
    "ShuffleSpace",
    "ShuffleStage",
    "WiringSpace",
    "list_kinds",
    "list_spaces",
    "load_space",
    "register_space",
    "space_from",
]
